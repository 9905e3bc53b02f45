// Tile kernels without products: a team of threads holds each tile in registers, rows over groups of threads and columns over
// the threads of a group, in vectors of 16 bytes.
#pragma once

#include "codegen/Nvptx/Core/Nvptx.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace caa::nvptx {

bool takesRows(mlir::func::FuncOp kernel, caa_target target);
mlir::FailureOr<LaunchInfo> emitRows(mlir::func::FuncOp kernel, mlir::ModuleOp module, caa_target target);

} // namespace caa::nvptx
