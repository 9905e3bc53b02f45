// The passes that turn attends into kernels of the tile dialect.
#pragma once

#include "mlir/Pass/Pass.h"

namespace caa::attend {

#define GEN_PASS_DECL
#include "passes/Lower/Attend/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/Lower/Attend/Passes.h.inc"

} // namespace caa::attend

namespace caa {
/// Registers the passes of this folder with caa-opt.
inline void registerLowerAttendPasses() { attend::registerLowerAttendPasses(); }
} // namespace caa
