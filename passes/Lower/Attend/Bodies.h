// The bodies of a sweep: a general one, and copies that leave out what is known of their tiles.
#pragma once

#include "passes/Lower/Attend/Intervals.h"
#include "passes/Lower/Attend/Numbers.h"
#include "passes/Lower/Attend/RegionFacts.h"
#include "passes/Lower/Attend/ScalarCloner.h"

namespace caa::attend {

/// What a body takes for granted of its tiles: scalars of pairs that are 0 or 1 throughout.
struct Body {
  Known known;
  /// No token of the tile is past the end. Always so in a body with knowledge.
  bool inside = false;
};

/// Body 0 knows nothing. At most `most` in all; those that come up most often in a sample of lengths, widths and documents.
/// The choice is one of speed alone: which body runs is decided at run time from what is certain then.
llvm::SmallVector<Body> chooseBodies(const RegionFacts &facts, const Layout &layout, unsigned most);

/// Facts of a region's positions i in [queries.first, queries.second], j likewise, with `operand` for everything else.
std::function<std::optional<Fact<KnownNumbers>>(mlir::Value)>
positions(const RegionFacts &facts, std::pair<double, double> queries, std::pair<double, double> keys,
          std::function<Fact<KnownNumbers>(mlir::Value)> operand);

} // namespace caa::attend
