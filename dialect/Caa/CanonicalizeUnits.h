// Canonical forms of ops that look at all keys of a unit.
#pragma once

#include "mlir/IR/PatternMatch.h"

namespace caa {

/// What is the same for all keys of a unit, or holds for its first key if it holds for any, is asked of the first key alone:
/// then no kernel has to have a whole unit in one tile.
void addUnitPatterns(mlir::RewritePatternSet &patterns);

} // namespace caa
