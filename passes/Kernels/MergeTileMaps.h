// Maps of tiles that only another map reads become part of it.
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace caa {

/// In a tile kernel: inlines every tile.map into the one map of the same shape that reads it.
void mergeTileMaps(mlir::func::FuncOp kernel);

} // namespace caa
