// Registration of the kernel passes.
#include "passes/Kernels/Passes.h"

namespace caa {

#define GEN_PASS_REGISTRATION
#include "passes/Kernels/Passes.h.inc"

void registerKernelPasses() { registerCaaKernelsPasses(); }

} // namespace caa
