// Which conditions deserve a body of their own: seen by walking over the tiles of a few made-up sequences.
#include "passes/Lower/Attend/Bodies.h"

#include <cmath>
#include <map>

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

/// Conditions that are truth values, or weights that are never outside [0, 1].
static SmallVector<Value> specialisable(const RegionFacts &facts) {
  std::pair<double, double> anywhere(0, 2147483647.0);
  KnownNumbers numbers;
  Intervals<KnownNumbers> intervals(numbers, positions(facts, anywhere, anywhere, [](Value) { return KnownFact{}; }));
  SmallVector<Value> result;
  for (Value condition : facts.conditions()) {
    bool weight = false;
    if (isa<FloatType>(condition.getType())) {
      KnownFact fact = intervals.of(condition);
      weight = fact.low && fact.high && *fact.low >= 0 && *fact.high <= 1;
    }
    if (weight || condition.getType().isInteger(1))
      result.push_back(condition);
  }
  return result;
}

namespace {
/// One made-up sequence: what operands are at a token. Integers are document numbers, floats are one of a few widths.
struct Sample {
  double documentLength, width;

  KnownFact operator()(Value value, Axis axis, std::pair<double, double> tokens) const {
    if (isa<VectorType>(value.getType()) || value.getType().isInteger(1))
      return {};
    if (isa<FloatType>(value.getType()))
      return {width, width, false, false, false};
    return {std::floor(tokens.first / documentLength), std::floor(tokens.second / documentLength), false, false, false};
  }
};
} // namespace

SmallVector<Body> chooseBodies(const RegionFacts &facts, const Layout &layout, unsigned most) {
  SmallVector<Value> conditions = specialisable(facts);
  const int64_t tiles = 16;
  const Sample samples[] = {{300, 0}, {300, 1}, {1e9, 40}, {500, 300}, {1e9, 384}, {700, 640}};
  // What is known of each condition (-1: nothing), and in how many tiles just that is known.
  std::map<SmallVector<int>, unsigned> patterns;
  AttendOp attend = facts.attend();
  SmallVector<ReductionAttr> reductions = attend.getReductionList();
  KnownNumbers numbers;
  for (const Sample &sample : samples)
    for (int64_t q = 0; q < tiles; ++q)
      for (int64_t k = 0, keyTiles = llvm::divideCeil(tiles * layout.queries, layout.keys); k < keyTiles; ++k) {
        std::pair<double, double> queries(q * layout.queries, (q + 1) * layout.queries - 1), keys(k * layout.keys, (k + 1) * layout.keys - 1);
        Intervals<KnownNumbers> intervals(numbers, positions(facts, queries, keys, [&](Value value) {
          bool key = facts.of(value).keys;
          return sample(value, key ? Axis::Keys : Axis::Queries, key ? keys : queries);
        }));
        bool empty = true;
        for (auto [r, reduction] : llvm::enumerate(reductions))
          empty = empty && intervals.isEmpty(reduction, attend.getYields(r));
        if (empty)
          continue;
        SmallVector<int> pattern;
        for (Value condition : conditions)
          pattern.push_back(intervals.isZero(condition) ? 0 : intervals.isOne(condition) ? 1 : -1);
        ++patterns[pattern];
      }

  SmallVector<std::pair<SmallVector<int>, unsigned>> ranked(patterns.begin(), patterns.end());
  llvm::stable_sort(ranked, [](auto &a, auto &b) { return a.second > b.second; });
  SmallVector<Body> bodies(1);
  for (auto &[pattern, count] : ranked) {
    if (bodies.size() == most)
      break;
    Body body{{}, true};
    for (auto [condition, known] : llvm::zip(conditions, pattern))
      if (known >= 0) {
        Builder builder(condition.getContext());
        body.known[condition] = isa<FloatType>(condition.getType())
                                    ? TypedAttr(builder.getFloatAttr(condition.getType(), known))
                                    : TypedAttr(builder.getBoolAttr(known));
      }
    if (!body.known.empty() || conditions.empty()) // without conditions, one that spares the masks of the sequence's end
      bodies.push_back(body);
  }
  return bodies;
}

} // namespace caa::attend
