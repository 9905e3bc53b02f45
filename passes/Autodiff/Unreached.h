// Diagnostics for parameters that no gradient reaches.
#pragma once

#include "dialect/Caa/CaaDialect.h"

namespace caa {

/// Reports, at its place in the source, every parameter that is not in `reached`, and why no gradient gets there; those
/// of equal layers together. `sources`: the functions as written. Fails if there is one.
mlir::LogicalResult reportUnreached(mlir::ModuleOp module, llvm::ArrayRef<mlir::func::FuncOp> sources,
                                    const llvm::DenseSet<mlir::StringAttr> &reached);

} // namespace caa
