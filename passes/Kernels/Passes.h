// The passes between tensors and tile kernels; Passes.td describes each.
#pragma once

#include "dialect/Caa/CaaDialect.h"
#include "dialect/Tile/TileDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/Pass.h"

namespace caa {

#define GEN_PASS_DECL
#include "passes/Kernels/Passes.h.inc"

/// Makes the passes known to caa-opt and to pipelines given as text.
void registerKernelPasses();

} // namespace caa
