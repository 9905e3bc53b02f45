// The two kinds of numbers for Intervals.h: SSA values, for code that runs, and constants, for the compiler itself.
#pragma once

#include "mlir/IR/Builders.h"

#include <cmath>
#include <optional>

namespace caa::attend {

/// Numbers are f32, f64 or integer values, truths are i1; null where nothing is known. Code goes to the builder's insertion point.
class RuntimeNumbers {
public:
  using Number = mlir::Value;
  using Truth = mlir::Value;

  RuntimeNumbers(mlir::OpBuilder &builder, mlir::Location location) : builder(builder), location(location) {}

  bool has(Number number) const { return bool(number); }
  bool sure(Truth truth) const;
  std::optional<double> constant(Number number) const;
  Number number(double value, mlir::Type type);
  Number apply(mlir::Operation *op, llvm::ArrayRef<Number> operands);
  Number multipleBelow(Number a, int64_t k);
  Number subtract(Number a, Number b);
  Truth less(Number a, Number b);
  Truth lessEqual(Number a, Number b);
  Truth equal(Number a, Number b) { return all(lessEqual(a, b), lessEqual(b, a)); }
  Number least(Number a, Number b) { return choose(lessEqual(a, b), a, b); }
  Number most(Number a, Number b) { return choose(lessEqual(a, b), b, a); }
  Number choose(Truth truth, Number a, Number b);
  Truth certain();
  Truth negate(Truth truth);
  Truth all(Truth a, Truth b);
  Truth any(Truth a, Truth b);

private:
  Truth compare(Number a, Number b, bool orEqual);

  mlir::OpBuilder &builder;
  mlir::Location location;
};

/// Numbers are doubles, rounded to f32 where the value is one.
class KnownNumbers {
public:
  using Number = std::optional<double>;
  using Truth = bool;

  bool has(Number number) const { return number.has_value(); }
  bool sure(Truth truth) const { return truth; }
  std::optional<double> constant(Number number) const { return number; }
  Number number(double value, mlir::Type) const { return value; }
  Number apply(mlir::Operation *op, llvm::ArrayRef<Number> operands) const;
  Number multipleBelow(Number a, int64_t k) const { return std::floor(*a / double(k)) * double(k); }
  Number subtract(Number a, Number b) const { return *a - *b; }
  Truth less(Number a, Number b) const { return *a < *b; }
  Truth lessEqual(Number a, Number b) const { return *a <= *b; }
  Truth equal(Number a, Number b) const { return *a == *b; }
  Number least(Number a, Number b) const { return std::min(*a, *b); }
  Number most(Number a, Number b) const { return std::max(*a, *b); }
  Number choose(Truth truth, Number a, Number b) const { return truth ? a : b; }
  Truth certain() const { return true; }
  Truth all(Truth a, Truth b) const { return a && b; }
  Truth any(Truth a, Truth b) const { return a || b; }
};

} // namespace caa::attend
