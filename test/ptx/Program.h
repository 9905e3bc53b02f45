// A kernel of a PTX text, decoded: an array of instructions whose operands are places in a warp's registers.
//
// A place counts words of 32 bits from the warp's first register. A register of 16 or 32 bits is 32 words, one per
// lane; one of 64 bits 64 words; constants and special registers lie before the first register (negative places). A
// predicate has a number and is one word, a bit per lane.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace caa::ptx {

class Warp;
struct Instruction;

/// Does an instruction for the lanes of `lanes`.
using Handler = void (*)(Warp &warp, const Instruction &instruction, uint32_t lanes);

enum class Kind : uint8_t {
  Plain,     // each lane for itself
  Converged, // all lanes that live must have arrived (.sync, .aligned)
  Waiting,   // like Plain; may suspend the lanes, which then do it again
  Barrier,   // like Converged; may suspend the warp until others arrive
  Branch,
  Exit,
};

struct Instruction {
  Handler run = nullptr;
  Kind kind = Kind::Plain;
  bool isNegated = false;         // runs where its predicate is false
  int32_t predicate = -1;         // none
  int32_t to = 0, from[4] = {};   // places, or numbers of predicates
  int64_t offset = 0;             // of an address, or as the handler says
  uint32_t target = 0;            // of a branch
  uint32_t list = 0, count = 0;   // places in Kernel::lists
  uint32_t second = 0, third = 0; // more of them, or as the handler says
  uint32_t flags = 0;             // as the handler says
  uint32_t line = 0;              // of the text, from 1
};

struct Parameter {
  std::string name;
  uint32_t offset = 0, size = 0; // in the launch's parameter bytes
};

struct Kernel {
  std::string name;
  std::vector<Parameter> parameters;
  uint32_t parameterBytes = 0, mostThreads = 1024; // of a block
  std::vector<Instruction> code;
  std::vector<int32_t> lists;
  uint32_t constantWords = 0, registerWords = 0, predicates = 2; // predicate 0 is false, 1 true
  std::vector<uint32_t> constants; // the words before the first register, the last place first in groups of 64
  int32_t laneIdPlace = 0, tidPlace = 0, ctaidPlace = 0, ntidPlace = 0, nctaidPlace = 0, zeroPlace = 0;
  std::vector<std::pair<int32_t, uint32_t>> parameterAddresses; // place of a constant: address of that parameter byte
};

/// What is wrong with a kernel, or what of it is not emulated.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The kernels of one text; each is decoded when it is first asked for.
class Module {
public:
  explicit Module(std::string text);
  /// The kernel of that name; a Fault if there is none, or if it holds what is not emulated.
  const Kernel &kernel(const std::string &name);
  /// "12: mma.sync ..." of a line.
  std::string line(uint32_t number) const;

private:
  std::string text_;
  std::unordered_map<std::string, std::unique_ptr<Kernel>> kernels_;
};

} // namespace caa::ptx
