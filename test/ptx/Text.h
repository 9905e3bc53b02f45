// The text of a kernel as statements; names of registers and labels are resolved, braces (scopes) gone.
#pragma once

#include "test/ptx/Program.h"

namespace caa::ptx {

enum class Width : uint8_t { Predicate, Half, Word, Double };

struct Operand {
  enum class Kind : uint8_t { Register, Immediate, Vector, Address, Symbol, Label, Sink };
  Kind kind = Kind::Sink;
  Width width = Width::Word; // of a register
  int32_t place = 0;         // of a register
  uint64_t bits = 0;         // of an immediate
  int64_t offset = 0;        // of an address
  std::string name;          // of a symbol (also an address's, if `isSymbolic`) or special register; of a label
  bool isSymbolic = false;
  std::vector<Operand> elements; // of a vector; the coordinates of an address
};

struct Statement {
  std::string opcode;
  int32_t predicate = -1;
  bool isNegated = false;
  std::vector<Operand> operands;
  uint32_t line = 0;
};

struct KernelText {
  std::string name;
  std::vector<Parameter> parameters;
  std::vector<Statement> statements;
  std::unordered_map<std::string, uint32_t> labels; // index of the statement that follows
  uint32_t registerWords = 0, predicates = 2;
  uint32_t mostThreads = 1024; // of a block
};

/// Reads the kernel `.entry NAME` of a module's text. Throws a Fault.
KernelText readKernel(std::string_view text, const std::string &name);

} // namespace caa::ptx
