// Rewrites of kernels without products that suit a GPU, before their launches are scheduled.
#pragma once

#include "mlir/Pass/Pass.h"

namespace caa::nvptx {

/// caa-shape-rows, on a module of tile kernels:
/// - Sums that a loop adds to memory round by round are carried in registers and added once behind it.
/// - A loop over single rows that only combines them takes many rows at once.
/// - Gradients of tables are cut into slabs of rows (TableKernel.h).
std::unique_ptr<mlir::Pass> createShapeRows();
void registerShapeRows();

} // namespace caa::nvptx
