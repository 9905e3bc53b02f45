// The arithmetic of both interpreters: scalar ops on numbers, held as doubles and rounded as their type says.
#pragma once

#include "mlir/IR/Operation.h"

#include <vector>

namespace caa::test {

/// Rounds to what a value of this type can hold.
double roundTo(mlir::Type type, double value);

/// The result of a scalar op (arith, math, caa) with one result. Integers up to 2^53. Rounded to the
/// result's type on request. Stops the program at an op it does not know.
double scalarOp(mlir::Operation *op, const std::vector<double> &operands, bool rounded = true);

} // namespace caa::test
