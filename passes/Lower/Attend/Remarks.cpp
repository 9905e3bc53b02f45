// What is said comes from counting: visited tiles at one length, and pairs drawn from them.
#include "passes/Lower/Attend/Remarks.h"

#include "passes/Lower/Attend/CountVisits.h"

#include "mlir/IR/Remarks.h"

#include <cmath>
#include <random>

using namespace mlir;

namespace caa::attend {

using KnownFact = Fact<KnownNumbers>;

static remark::RemarkOpts named(StringRef name) { return remark::RemarkOpts::name(name).category("attention"); }

static std::string percent(double share) { return std::to_string(std::lround(100 * share)) + " %"; }

static KnownFact unknownOperand(Value) { return {}; }

/// Which share of the scores in visited tiles some reduction surely leaves out, of pairs drawn at random.
static double shareLeftOut(AttendOp attend, const RegionFacts &facts, const Options &options) {
  const int64_t tiles = 16, drawn = 4000;
  std::mt19937 random(1); // the same remark each time
  std::uniform_int_distribution<int64_t> query(0, tiles * options.queries - 1), key(0, tiles * options.queries - 1);
  KnownNumbers numbers;
  auto isOut = [&](std::pair<double, double> rows, std::pair<double, double> columns) {
    Intervals<KnownNumbers> intervals(numbers, positions(facts, rows, columns, unknownOperand));
    for (auto [r, reduction] : llvm::enumerate(attend.getReductionList()))
      if (!intervals.isEmpty(reduction, attend.getYields(r)))
        return false;
    return true;
  };
  auto tileOf = [](int64_t token, int64_t size) { return std::pair<double, double>(token / size * size, token / size * size + size - 1); };
  int64_t visited = 0, out = 0;
  for (int64_t n = 0; n < drawn; ++n) {
    int64_t i = query(random), j = key(random);
    if (isOut(tileOf(i, options.queries), tileOf(j, options.keys)))
      continue;
    ++visited;
    out += isOut({i, i}, {j, j});
  }
  return visited ? double(out) / double(visited) : 0;
}

static void remarkOnConditions(AttendOp attend, const RegionFacts &facts) {
  KnownNumbers numbers;
  std::pair<double, double> tokens(0, 63);
  Intervals<KnownNumbers> intervals(numbers, positions(facts, tokens, tokens, [](Value value) -> KnownFact {
    return value.getType().isInteger(1) ? KnownFact{} : KnownFact{0.0, 1.0, false, false, false}; // as if read from a tile
  }));
  auto unbounded = [&](Value value) {
    KnownFact fact = intervals.of(value);
    return facts.of(value).isPair() && !fact.low && !fact.high;
  };
  for (Operation &op : attend.getBody().front()) {
    if (!isa<arith::CmpIOp, arith::CmpFOp>(op) || facts.of(op.getResult(0)).dot)
      continue;
    if (unbounded(op.getOperand(0)) || unbounded(op.getOperand(1)))
      remark::missed(op.getLoc(), named("unbounded-condition"))
          << "no tile can be skipped by this condition: nothing bounds what it compares over a tile of tokens";
  }
}

/// Whether no product of a query and a single key is taken: blocks are ranked by one row each, or by positions.
static bool looksAtUnitsOnly(AttendOp attend) {
  return attend.getUnit() > 1 && llvm::all_of(attend.getBody().getOps<DotOp>(), [](DotOp dot) {
           return dot.getQuery().getDefiningOp<UnitRowOp>() || dot.getKey().getDefiningOp<UnitRowOp>();
         });
}

void remarkOn(AttendOp attend, const Options &options) {
  if (!attend.getContext()->getRemarkEngine())
    return; // nobody listens
  RegionFacts facts(attend);
  const int64_t length = 16384;
  for (ReductionAttr reduction : attend.getReductionList()) {
    if (reduction.getKind() != ReductionKind::Kth || looksAtUnitsOnly(attend))
      continue;
    VisitCount count = countVisits(attend, options, length);
    if (count.visited > count.causal / 4)
      remark::missed(attend.getLoc(), named("quadratic-rank"))
          << "ranking tokens looks at " + percent(double(count.visited) / double(count.causal)) +
                 " of all earlier keys at 16k, in a sweep of its own: rank blocks (`unit`, `pool`) or restrict the set that is ranked";
  }
  double out = shareLeftOut(attend, facts, options);
  if (out > 0.75)
    remark::missed(attend.getLoc(), named("strided-set"))
        << "only " + percent(1 - out) + " of the scores in the tiles it visits belong to its set: tiles are " +
               std::to_string(options.queries) + " queries by " + std::to_string(options.keys) + " keys, a set of whole blocks would fill them";
  remarkOnConditions(attend, facts);
}

} // namespace caa::attend
