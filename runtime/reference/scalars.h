// Scalar regions (of map and attend) as straight-line programs with a reverse-mode tape of their own.
#pragma once

#include "runtime/reference/plain.h"

namespace caa::reference {

/// A region, ready to run at one component or one pair. Registers hold doubles; vector arguments are rows read by dot.
class ScalarProgram {
public:
  /// Compiles a region; fails at an op that the oracle does not know.
  static Result<ScalarProgram> compile(const Body &body);

  size_t registers() const { return types_.size(); }
  size_t arguments() const { return arguments_; }
  bool isVector(size_t argument) const { return vector_[argument]; }
  size_t width(size_t argument) const { return width_[argument]; }
  /// An op that looks at the other keys of a key's unit of `unit` tokens.
  struct UnitOp {
    enum Kind { Max, Sum, Mean, Any, Row } kind;
    int out, score, member; ///< registers; a row's `score` is the argument that it reads at the unit's first token
    int64_t unit;
    size_t before; ///< how many instructions come first
  };
  const std::vector<UnitOp> &unitOps() const { return unitOps_; }
  /// Register of yielded scalar `n`; arguments are registers 0, 1, ....
  int yielded(size_t n) const { return yield_[n]; }

  /// Runs forward. `registers` has its scalar arguments set; rows[n] is vector argument n.
  void run(double *registers, const double *const *rows) const { run(registers, rows, 0, instructions_.size()); }
  /// The instructions from number `from` to before `to`, as there are unit ops between.
  void run(double *registers, const double *const *rows, size_t from, size_t to) const;
  size_t instructions() const { return instructions_.size(); }
  /// Runs backward: adds to adjoints[n] of every register from those of the yielded ones (all others zero at the start),
  /// and to rowAdjoints[n] of vector registers (null: not wanted). `rows` and `rowAdjoints` go by register.
  void reverse(const double *registers, const double *const *rows, double *adjoints, double *const *rowAdjoints) const;

private:
  enum class Code : uint8_t;
  struct Instruction {
    Code code;
    int out, a, b, c;
    double constant;
    std::vector<int> integers; ///< what `random` hashes
  };
  static bool lookUp(const Op &op, Instruction &instruction);

  std::vector<Instruction> instructions_;
  std::vector<UnitOp> unitOps_;
  std::vector<std::string> types_; ///< per register
  std::vector<bool> vector_;
  std::vector<size_t> width_;
  std::vector<int> yield_;
  size_t arguments_ = 0;
};

} // namespace caa::reference
