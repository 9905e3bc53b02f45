// The tensor-level passes of the compiler; Passes.td describes each.
#pragma once

#include "dialect/Caa/CaaDialect.h"
#include "mlir/Pass/Pass.h"

namespace caa {

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"

/// Makes the passes known to caa-opt and to pipelines given as text.
void registerTensorPasses();

} // namespace caa
