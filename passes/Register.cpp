// Registration of the tensor-level passes.
#include "passes/Passes.h"

namespace caa {

#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"

void registerTensorPasses() { registerCaaTensorPasses(); }

} // namespace caa
