// Held-and-swept kernels on Hopper: bulk tensor copies by a producer warp, wgmma by consumer warpgroups. See KernelEmitter.h.
#pragma once

#include "codegen/Nvptx/Core/Emitter.h"

namespace caa::nvptx {

/// Whether the kernel is a held-and-swept one whose types and sizes fit (sm_90a only).
bool takesHopper(mlir::func::FuncOp kernel, caa_target target);
mlir::FailureOr<LaunchInfo> emitHopper(mlir::func::FuncOp kernel, mlir::ModuleOp module, caa_target target);

} // namespace caa::nvptx
