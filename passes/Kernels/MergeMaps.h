// Consecutive and parallel maps of a kernel as one.
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace caa {

/// In a kernel function of token-wise ops: merges maps of one shape where one reads the other or both read a value of
/// that shape, so that each value is read once and common scalars are computed once. Cleans up what is unused or twice.
void mergeMaps(mlir::func::FuncOp kernel);

} // namespace caa
