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
  /// Register of yielded scalar `n`; arguments are registers 0, 1, ....
  int yielded(size_t n) const { return yield_[n]; }

  /// Runs forward. `registers` has its scalar arguments set; rows[n] is vector argument n.
  void run(double *registers, const double *const *rows) const;
  /// Runs backward: adds to adjoints[n] of every register from those of the yielded ones (all others zero at the start),
  /// and to rowAdjoints[n] of vector arguments (null: not wanted).
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
  std::vector<std::string> types_; ///< per register
  std::vector<bool> vector_;
  std::vector<size_t> width_;
  std::vector<int> yield_;
  size_t arguments_ = 0;
};

} // namespace caa::reference
