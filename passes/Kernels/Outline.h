// Kernel functions: built from groups of ops, kept once per structure.
#pragma once

#include "dialect/Caa/CaaDialect.h"
#include "passes/Kernels/Grouping.h"

namespace caa {

/// The kernel functions of a module, one per structure.
class KernelTable {
public:
  explicit KernelTable(mlir::ModuleOp module);

  /// Takes a function with attribute `caa.kernel` that is in no module. Gives the one with the same body, types and
  /// attributes, wherever in the source its ops come from; a new one is named `prefix` and a number.
  mlir::func::FuncOp add(mlir::func::FuncOp candidate, llvm::StringRef prefix);

  unsigned getNumKernels() const { return count; }

private:
  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  llvm::DenseMap<size_t, llvm::SmallVector<mlir::func::FuncOp, 1>> byHash;
  llvm::StringMap<unsigned> numbers;
  unsigned count = 0;
};

/// An empty kernel function with an entry block for `inputs`.
mlir::func::FuncOp createKernel(mlir::Location location, mlir::TypeRange inputs);
/// Ends a kernel function with its outputs and gives it its type. Output r adds to its buffer where `accumulates` holds
/// r.
void finishKernel(mlir::func::FuncOp kernel, mlir::ValueRange outputs, llvm::ArrayRef<int64_t> accumulates);

/// Replaces the groups of an entry by launches and orders what is left. Returns the number of launches.
unsigned outlineGroups(EntryGroups &groups, KernelTable &kernels);

} // namespace caa
