// A compiled program as plain data: the tables of runtime/abi/caa_abi.h with strings and vectors in place of offsets.
// The scheduler fills it, the image builder lays it out, `print` shows it for tests and people.
//
// Indices: an operand names a buffer of its own entry, counted from the entry's first; a loop's body, values, parameters,
// kernels, losses and constants are numbered as in the image.
#pragma once

#include "runtime/abi/caa_abi.h"

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

namespace llvm {
class raw_ostream;
}

namespace caa::schedule {

/// coefficient * ceil(B^batch * ceil(T / lengthDivisor)^length * R^rows / divisor), as caa_term.
struct Term {
  int64_t coefficient = 0;
  uint8_t batch = 0, length = 0, rows = 0;
  int64_t lengthDivisor = 1, divisor = 1;
  auto operator<=>(const Term &) const = default;
};

/// A sum of terms; no term is zero.
struct Size {
  std::vector<Term> terms;
  Size() = default;
  /// A number that is known now.
  Size(int64_t constant);
  /// `perRow` for each of the B T rows of tokens.
  static Size tokens(int64_t perRow);
  /// `perRow` for each row that a command sees: of the present chunk in a loop, else B T.
  static Size rows(int64_t perRow);
  /// The sum of terms, zero ones left out.
  static Size sum(std::vector<Term> terms);
  Size times(int64_t factor) const;
  bool operator==(const Size &) const = default;
};

struct Parameter {
  std::string name, group;
  std::vector<int64_t> shape;
  caa_init init = CAA_INIT_ZEROS;
  double a = 0, b = 0;
  double low, high; // -inf and inf for none
  bool decay = false;
  uint64_t offset = 0;      // set by layOutParameters, as is:
  uint32_t groupNumber = 0; // 0: no group
  uint64_t elements() const;
  bool operator==(const Parameter &) const = default;
};

struct Buffer {
  std::string name;
  caa_buffer_kind kind = CAA_BUFFER_ARENA;
  caa_dtype dtype = CAA_F32;
  uint64_t index = 0;
  Size bytes;
  uint32_t first = 0, last = 0; // arena: commands of the entry, counted from its first
};

struct Operand {
  uint32_t buffer = 0;
  int64_t offset = 0, rowBytes = 0;
};

/// As caa_tensor_map.
struct TensorMap {
  uint32_t operand = 0;
  caa_dtype dtype = CAA_BF16;
  int64_t heads = 1, width = 1;
  uint32_t boxWidth = 1, boxRows = 1, swizzle = 0;
};

struct Kernel {
  std::string name, location;
  Size grid = 1, scratch;
  std::string avx2, avx512; // CPU: symbols of the code, "" for none
  double flopsPerItem = 0;
  uint32_t tileQueries = 0, tileKeys = 0;
  caa_target target = CAA_TARGET_CPU;
  uint32_t threads = 0, sharedBytes = 0, blocksPerSm = 0, counters = 0; // GPU: the launch
  std::vector<TensorMap> tensorMaps;
  uint32_t registers = 0, spillBytes = 0; // GPU: what the assembler told
};

struct Command {
  caa_command_kind kind = CAA_COMMAND_KERNEL;
  uint32_t index = 0; // kernel, or the number of commands in a loop's body
  std::vector<Operand> operands;
  Size m, n, k;
  caa_dtype dtypeA = CAA_F32, dtypeB = CAA_F32, dtypeC = CAA_F32;
  int64_t lda = 0, ldb = 0, ldc = 0;
  float alpha = 1, beta = 0;
  bool transposeA = false, transposeB = false;
  int64_t chunk = 0;
  std::string location;
};

struct Value {
  std::string name;
  caa_direction direction = CAA_INPUT;
  caa_dtype dtype = CAA_F32;
  int64_t heads = 1, width = 1;
  bool perToken = true;
};

struct Entry {
  std::string name;
  std::vector<Buffer> buffers;
  std::vector<Command> commands;
  std::vector<Value> values; // inputs, then outputs
  caa_target target = CAA_TARGET_CPU;
};

struct Loss {
  std::string name;
  int64_t heads = 1;
  bool operator==(const Loss &) const = default;
};

struct Report {
  std::string name, path;
  bool operator==(const Report &) const = default;
};

/// PTX text or a cubin.
struct Module {
  std::string code;
  caa_module_kind kind = CAA_MODULE_PTX;
  caa_target target = CAA_TARGET_SM80;
};

struct Program {
  std::vector<Parameter> parameters;
  std::vector<Kernel> kernels;
  std::vector<Entry> entries;
  std::vector<Loss> losses;
  std::vector<Report> reports;
  std::vector<std::string> constants; // bytes, for buffers of kind CAA_BUFFER_CONSTANT
  std::vector<Module> modules;        // GPU code
};

/// What goes with a program into its image but is not executed.
struct Texts {
  std::string compiler, modelName, source, settings, plainForm, finalIr, analysis;
};

/// Gives every parameter its place in the parameter arena (in order, each at a multiple of 16 elements) and its group's number.
void layOutParameters(Program &program);

/// Makes all kernels and entries those of a target.
void setTarget(Program &program, caa_target target);

/// Adds entries, kernels, constants and modules of `part`, the same model's program for another target. False if their parameters,
/// losses or reports are not the same; an empty program takes over all.
bool append(Program &program, Program part);

void print(llvm::raw_ostream &os, const Size &size);
/// The tables as text, one line per record.
void print(llvm::raw_ostream &os, const Program &program);

} // namespace caa::schedule
