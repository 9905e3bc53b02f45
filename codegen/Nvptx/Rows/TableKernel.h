// Kernels that add rows to a table at run-time indices (gradients of embeddings), deterministically and without atomics.
//
// The CPU's form walks all rows in order, a slab of columns per work item: too little work at once for a GPU. Here a work item
// owns a slab of the table's rows (every so many-th): it reads all indices, lists those that fall into its slab in their order, and adds up what
// belongs to each of its rows. So each element of the table is touched by one thread, in the order of rows.
#pragma once

#include "codegen/Nvptx/Core/Nvptx.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace caa::nvptx {

/// Whether a kernel is of this kind.
bool isTableKernel(mlir::func::FuncOp kernel);
/// Makes `tile.grid` the number of slabs. Before the kernel's launches are scheduled.
void setTableGrid(mlir::func::FuncOp kernel);
mlir::FailureOr<LaunchInfo> emitTableKernel(mlir::func::FuncOp kernel, mlir::ModuleOp module, caa_target target);

} // namespace caa::nvptx
