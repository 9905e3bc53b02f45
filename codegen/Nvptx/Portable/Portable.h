// Tile kernels with products on any GPU from sm_80 on: held tiles in shared memory, swept tiles through a ring of stages there
// (cp.async), products by mma.sync on fragments in registers (ldmatrix).
#pragma once

#include "codegen/Nvptx/Core/Nvptx.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace caa::nvptx {

bool takesPortable(mlir::func::FuncOp kernel, caa_target target);
mlir::FailureOr<LaunchInfo> emitPortable(mlir::func::FuncOp kernel, mlir::ModuleOp module, caa_target target);

} // namespace caa::nvptx
