// What a pair must satisfy to count at all.
#pragma once

#include "passes/Lower/Attend/RegionFacts.h"
#include "passes/Lower/Attend/ScalarCloner.h"

namespace caa::attend {

/// Truth values of the region without all of which no reduction gets anything from a pair, as far as selects, products and
/// conjunctions show it; `known` is taken for granted. Only those that depend on a dot product: the others are seen by intervals.
/// A tile without a pair that satisfies them needs no more than the products behind them: far from its window, an attention with a
/// selection does little more than compare scores with thresholds.
ValueSet commonGuards(const RegionFacts &facts, const Known &known);

/// The dot products that `values` are made of.
llvm::SmallVector<DotOp> productsBehind(const ValueSet &values);

} // namespace caa::attend
