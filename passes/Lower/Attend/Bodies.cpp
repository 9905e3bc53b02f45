// Which conditions deserve a body of their own: seen by walking over the tiles of a few made-up sequences.
#include "passes/Lower/Attend/Bodies.h"

#include <cmath>
#include <map>
#include <set>

using namespace mlir;

namespace caa::attend {

using KnownFact = Fact<KnownNumbers>;

std::function<std::optional<KnownFact>(Value)> positions(const RegionFacts &facts, std::pair<double, double> queries,
                                                         std::pair<double, double> keys,
                                                         std::function<KnownFact(Value)> operand) {
  Block &block = facts.attend().getBody().front();
  Value i = block.getArgument(0), j = block.getArgument(1);
  return [=, &facts](Value value) -> std::optional<KnownFact> {
    if (value == i)
      return KnownFact{queries.first, queries.second, false, false, false};
    if (value == j)
      return KnownFact{keys.first, keys.second, false, false, false};
    if (isa<BlockArgument>(value))
      return operand(value);
    return std::nullopt;
  };
}

/// Scalars of pairs that a body may take for known: what crosses into the scores' part, and what that is made of, so that half of a
/// conjunction can be known. Truth values, and weights that are never outside [0, 1].
static SmallVector<Value> specialisable(const RegionFacts &facts) {
  std::pair<double, double> anywhere(0, 2147483647.0);
  KnownNumbers numbers;
  Intervals<KnownNumbers> intervals(numbers, positions(facts, anywhere, anywhere, [](Value) { return KnownFact{}; }));
  ValueSet candidates;
  for (Operation &op : facts.attend().getBody().front().without_terminator())
    if (isa<arith::CmpIOp, arith::CmpFOp, ClipOp>(op))
      candidates.insert(op.getResult(0));
  candidates.insert(facts.conditions().begin(), facts.conditions().end());
  SmallVector<Value> result;
  for (Value candidate : candidates) {
    if (!facts.of(candidate).isPair() || facts.of(candidate).dot)
      continue;
    KnownFact fact = intervals.of(candidate);
    bool weight = isa<FloatType>(candidate.getType()) && fact.low && fact.high && *fact.low >= 0 && *fact.high <= 1;
    if (weight || candidate.getType().isInteger(1))
      result.push_back(candidate);
  }
  return result;
}

/// What is known of each condition: 0, 1, or -1 for nothing.
using Pattern = SmallVector<int>;

static unsigned countKnown(const Pattern &pattern) {
  return llvm::count_if(pattern, [](int known) { return known >= 0; });
}

/// Whether a body that takes `body` for granted may run where `tile` is known.
static bool fits(const Pattern &body, const Pattern &tile) {
  return llvm::all_of(llvm::zip(body, tile), [](auto pair) { return std::get<0>(pair) < 0 || std::get<0>(pair) == std::get<1>(pair); });
}

static Pattern common(const Pattern &a, const Pattern &b) {
  Pattern result;
  for (auto [x, y] : llvm::zip(a, b))
    result.push_back(x == y ? x : -1);
  return result;
}

/// The few patterns that together know most of most tiles, greedily.
static SmallVector<Pattern> choosePatterns(const std::map<Pattern, unsigned> &tiles, unsigned most) {
  std::set<Pattern> candidates;
  for (auto &[a, countA] : tiles)
    for (auto &[b, countB] : tiles)
      if (Pattern both = common(a, b); countKnown(both) > 0)
        candidates.insert(both);
  SmallVector<Pattern> chosen;
  std::map<Pattern, unsigned> knownNow; // of each kind of tile, by the best body so far
  while (chosen.size() < most) {
    const Pattern *best = nullptr;
    unsigned bestGain = 0;
    for (const Pattern &candidate : candidates) {
      unsigned gain = 0;
      for (auto &[tile, count] : tiles)
        if (fits(candidate, tile) && countKnown(candidate) > knownNow[tile])
          gain += count * (countKnown(candidate) - knownNow[tile]);
      if (gain > bestGain)
        bestGain = gain, best = &candidate;
    }
    if (!best)
      break;
    chosen.push_back(*best);
    for (auto &[tile, count] : tiles)
      if (fits(*best, tile))
        knownNow[tile] = std::max(knownNow[tile], countKnown(*best));
  }
  return chosen;
}

namespace {
/// One made-up sequence: what operands are at a token. Integers are document numbers, floats are one of a few widths.
struct Sample {
  double documentLength, width;

  KnownFact operator()(Value value, Dependence on, std::pair<double, double> queries, std::pair<double, double> keys) const {
    if (isa<VectorType>(value.getType()) || value.getType().isInteger(1))
      return {};
    if (isa<FloatType>(value.getType()) || on.isHead())
      return {width, width, false, false, false};
    auto [first, last] = on.keys ? keys : queries;
    return {std::floor(first / documentLength), std::floor(last / documentLength), false, false, false};
  }
};
} // namespace

SmallVector<Body> chooseBodies(const RegionFacts &facts, const Layout &layout, unsigned most) {
  SmallVector<Value> conditions = specialisable(facts);
  const int64_t tiles = 16;
  const Sample samples[] = {{300, 0}, {300, 1}, {1e9, 40}, {500, 300}, {1e9, 384}, {700, 640}};
  std::map<Pattern, unsigned> patterns; // and in how many tiles just that is known
  AttendOp attend = facts.attend();
  SmallVector<ReductionAttr> reductions = attend.getReductionList();
  KnownNumbers numbers;
  for (const Sample &sample : samples)
    for (int64_t q = 0; q < tiles; ++q)
      for (int64_t k = 0, keyTiles = llvm::divideCeil(tiles * layout.queries, layout.keys); k < keyTiles; ++k) {
        std::pair<double, double> queries(q * layout.queries, (q + 1) * layout.queries - 1), keys(k * layout.keys, (k + 1) * layout.keys - 1);
        Intervals<KnownNumbers> intervals(numbers, positions(facts, queries, keys, [&](Value value) {
          return sample(value, facts.of(value), queries, keys);
        }));
        bool empty = true;
        for (auto [r, reduction] : llvm::enumerate(reductions))
          empty = empty && intervals.isEmpty(reduction, attend.getYields(r));
        if (empty)
          continue;
        Pattern pattern;
        for (Value condition : conditions)
          pattern.push_back(intervals.isZero(condition) ? 0 : intervals.isOne(condition) ? 1 : -1);
        ++patterns[pattern];
      }

  SmallVector<Body> bodies(1);
  for (const Pattern &pattern : choosePatterns(patterns, most - 1)) {
    Body body{{}, true};
    for (auto [condition, known] : llvm::zip(conditions, pattern))
      if (known >= 0) {
        Builder builder(condition.getContext());
        body.known[condition] = isa<FloatType>(condition.getType())
                                    ? TypedAttr(builder.getFloatAttr(condition.getType(), known))
                                    : TypedAttr(builder.getBoolAttr(known));
      }
    bodies.push_back(body);
  }
  if (conditions.empty() && most > 1) // then one that spares the masks of the sequence's end
    bodies.push_back({{}, true});
  return bodies;
}

} // namespace caa::attend
