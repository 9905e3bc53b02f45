// From statements to instructions: a table of opcodes, filled by the files that implement them.
#pragma once

#include "test/ptx/Block.h"
#include "test/ptx/Text.h"

namespace caa::ptx {

/// Makes one instruction of one statement.
class Decoder {
public:
  Decoder(Kernel &kernel, const KernelText &text) : kernel(kernel), text(text) {}
  void decode(const Statement &statement);
  void finish();

  Kernel &kernel;
  const KernelText &text;
  const Statement *statement = nullptr;
  Instruction out;

  const Operand &operand(size_t index) const {
    if (index >= statement->operands.size())
      fail("too few operands");
    return statement->operands[index];
  }
  size_t count() const { return statement->operands.size(); }
  /// The place of what is read: a register of that width, or a constant.
  int32_t source(const Operand &operand, Width width);
  int32_t source(size_t index, Width width) { return source(operand(index), width); }
  /// The place of what is written; of a sink, a place that nobody reads.
  int32_t destination(const Operand &operand, Width width);
  int32_t destination(size_t index, Width width) { return destination(operand(index), width); }
  /// Puts places into the kernel's lists and returns where they begin.
  uint32_t list(const std::vector<int32_t> &places);
  /// An address: its register's (or a constant's) place into `from[slot]`, its offset; flag 1 if it is of 64 bits.
  void address(const Operand &operand, int slot = 0);
  int64_t immediate(size_t index) const;
  int32_t constant(uint64_t bits, Width width);
  [[noreturn]] void fail(const std::string &what) const;

private:
  struct Constant {
    int32_t place;
    uint64_t bits;
    Width width;
  };
  int32_t room(Width width);
  uint64_t symbol(const std::string &name, bool &isParameter) const;
  std::vector<Constant> constants_;
  int32_t sinks_[4] = {};
  bool hasSinks_ = false;
  friend class SpecialPlaces;
};

using Decode = void (*)(Decoder &);
using Table = std::unordered_map<std::string, Decode>;

void addIntegers(Table &table);
void addFloats(Table &table);
void addConversions(Table &table);
void addMoves(Table &table);
void addMemory(Table &table);
void addControl(Table &table);
void addMatrices(Table &table);
void addCopies(Table &table);
void addBarriers(Table &table);
void addWarpgroups(Table &table);

} // namespace caa::ptx
