// What the compiler found out about a model, for `caa-run inspect`.
#pragma once

#include "mlir/IR/BuiltinOps.h"

#include <string>

namespace caa {

/// JSON for the image's `analysis`, from the module after its tensor passes:
///   {"attends": [{"location", "function", "calls", "heads", "reductions", "tile": [queries, keys],
///                 "visited": [{"length", "scores", "causal"}]}]}
/// One record for all layers' attentions of one place in the text that compute the same; `scores` are those of the tiles that the
/// kernel visits, per head and row, at most so many where a set depends on data.
std::string analyse(mlir::ModuleOp module);

} // namespace caa
