// Rewrites of a kernel in the tile dialect that suit the CPU, before anything is planned.
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace caa::cpu {

/// - A stored concatenation becomes a store of each part, so that no part is copied.
/// - Columns of a map become a map of columns where all its users take columns.
/// - Constants and counters that a product, a loop or a gather takes become maps, which have a place.
/// - Cheap maps of what costs nothing to read (masks, above all) are repeated for each user, so that none is stored.
void prepareKernel(mlir::func::FuncOp kernel);

} // namespace caa::cpu
