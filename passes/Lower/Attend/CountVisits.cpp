// The interval analysis of Visit.cpp at compile time, on blocks of tiles first: a block that is empty as a whole or full as a whole
// is not looked into, so that a million tiles cost a few thousand evaluations.
#include "passes/Lower/Attend/CountVisits.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/Support/JSON.h"

#include <cmath>
#include <vector>

using namespace mlir;

namespace caa::attend {

using KnownFact = Fact<KnownNumbers>;
using Range = std::pair<std::optional<double>, std::optional<double>>;

//===-- Bounds of tensors --------------------------------------------------------------------------------------------===//

namespace {
class TensorBounds {
public:
  explicit TensorBounds(int64_t length) : length(length) {}

  Range of(Value value) {
    auto known = ranges.find(value);
    if (known != ranges.end())
      return known->second;
    ranges[value] = {}; // whatever comes back to itself is unbounded
    Range range = value.getDefiningOp() ? ofResult(cast<OpResult>(value)) : ofArgument(cast<BlockArgument>(value));
    return ranges[value] = range;
  }

private:
  static Range unite(Range a, Range b) {
    return {a.first && b.first ? std::optional(std::min(*a.first, *b.first)) : std::nullopt,
            a.second && b.second ? std::optional(std::max(*a.second, *b.second)) : std::nullopt};
  }

  Range ofResult(OpResult result) {
    Operation *op = result.getOwner();
    if (isa<SliceOp, ReshapeOp, BroadcastOp, RoundOp, StopOp>(op))
      return of(op->getOperand(0));
    if (isa<IndexOp>(op))
      return {0, double(length - 1)};
    if (auto concat = dyn_cast<ConcatOp>(op)) {
      Range all = of(concat.getValues().front());
      for (Value part : concat.getValues().drop_front())
        all = unite(all, of(part));
      return all;
    }
    if (auto constant = dyn_cast<ConstantOp>(op))
      return ofElements(cast<ElementsAttr>(constant.getValue()));
    if (auto map = dyn_cast<MapOp>(op)) {
      KnownNumbers numbers;
      Intervals<KnownNumbers> intervals(numbers, [&](Value scalar) -> std::optional<KnownFact> {
        auto argument = dyn_cast<BlockArgument>(scalar);
        if (!argument)
          return std::nullopt;
        Range range = of(map.getOperands()[argument.getArgNumber()]);
        return KnownFact{range.first, range.second, false, false, false};
      });
      KnownFact fact = intervals.of(map.getBody().front().getTerminator()->getOperand(result.getResultNumber()));
      return {fact.low, fact.high};
    }
    return {};
  }

  static Range ofElements(ElementsAttr elements) {
    Range range;
    auto add = [&](double x) { range = range.first ? unite(range, {x, x}) : Range(x, x); };
    if (auto reals = elements.tryGetValues<APFloat>()) {
      for (APFloat real : *reals)
        add(real.convertToDouble());
    } else if (auto integers = elements.tryGetValues<APInt>()) {
      for (APInt integer : *integers)
        add(double(integer.getSExtValue()));
    }
    return range;
  }

  /// An argument of a private function is what its callers pass.
  Range ofArgument(BlockArgument argument) {
    auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
    auto module = function ? function->getParentOfType<ModuleOp>() : ModuleOp();
    if (!module || !function.isPrivate())
      return {};
    std::optional<Range> all;
    auto passes = [&](Value passed) { all = all ? unite(*all, of(passed)) : of(passed); };
    module.walk([&](Operation *op) {
      if (auto call = dyn_cast<func::CallOp>(op); call && call.getCallee() == function.getName())
        passes(call.getOperand(argument.getArgNumber()));
      if (auto launch = dyn_cast<LaunchOp>(op); launch && launch.getKernel() == function.getName())
        passes(launch.getOperands()[argument.getArgNumber()]);
    });
    return all.value_or(Range());
  }

  int64_t length;
  llvm::DenseMap<Value, Range> ranges;
};

//===-- Blocks of tiles ----------------------------------------------------------------------------------------------===//

class Counter {
public:
  Counter(AttendOp attend, const Options &options, int64_t length)
      : attend(attend), facts(attend), queries(options.queries), keys(tileOfKeys(attend, options)), length(length), bounds(length) {
    for (auto [n, operand] : llvm::enumerate(attend->getOperands())) {
      BlockArgument argument = attend.getBody().getArgument(2 + n);
      if (!isa<VectorType>(argument.getType())) {
        Range range = bounds.of(operand);
        operands[argument] = {range.first, range.second, false, false, false};
      }
    }
  }

  int64_t count() {
    int64_t side = 1, visited = 0;
    while (side * std::min(queries, keys) < length)
      side *= 2;
    // Level by level, each of blocks half as long. A set that smaller blocks tell nothing new about, such as documents, is given up:
    // what is open then counts as visited.
    std::vector<TileBlock> open = {{0, 0, side * queries, side * keys}};
    double openBefore = 0;
    for (int64_t looks = 0, stuck = 0; !open.empty();) {
      std::vector<TileBlock> next;
      double openNow = 0;
      for (const TileBlock &block : open) {
        if (block.query >= length || block.key >= length)
          continue;
        int64_t lastRow = std::min(block.query + block.rows, length) - 1, lastColumn = std::min(block.key + block.columns, length) - 1;
        int64_t scores = (lastRow - block.query + 1) * (lastColumn - block.key + 1);
        bool givenUp = stuck >= 3 || ++looks > mostLooks;
        State state = givenUp ? State::Full : look({double(block.query), double(lastRow)}, {double(block.key), double(lastColumn)});
        if (state == State::Full || (state == State::Open && block.rows <= queries && block.columns <= keys)) {
          visited += scores;
        } else if (state == State::Open) {
          openNow += double(scores);
          for (int64_t down : {0, 1})
            for (int64_t right : {0, 1})
              next.push_back({block.query + down * block.rows / 2, block.key + right * block.columns / 2, block.rows / 2, block.columns / 2});
        }
      }
      stuck = openNow > 0.95 * openBefore ? stuck + 1 : 0;
      openBefore = openNow;
      open = std::move(next);
    }
    return visited;
  }

private:
  enum class State { Empty, Full, Open };

  /// Tiles from (query, key) on, as many in each direction as a power of two.
  struct TileBlock {
    int64_t query, key, rows, columns;
  };

  static constexpr int64_t mostLooks = 200000;

  State look(std::pair<double, double> rows, std::pair<double, double> columns) {
    KnownNumbers numbers;
    auto operand = [&](Value value) { return operands.lookup(value); };
    Intervals<KnownNumbers> intervals(numbers, positions(facts, rows, columns, operand));
    bool empty = true;
    for (auto [r, reduction] : llvm::enumerate(attend.getReductionList()))
      empty = empty && intervals.isEmpty(reduction, attend.getYields(r));
    if (empty)
      return State::Empty;
    // A comparison with a score rules nothing out, so it is taken to hold: what then holds throughout is visited throughout.
    auto inside = positions(facts, rows, columns, operand);
    Intervals<KnownNumbers> hopeful(numbers, [&](Value value) -> std::optional<KnownFact> {
      if (facts.of(value).dot && isa_and_nonnull<arith::CmpFOp>(value.getDefiningOp()))
        return KnownFact{{}, {}, false, true, false};
      return inside(value);
    });
    for (auto [r, reduction] : llvm::enumerate(attend.getReductionList())) {
      ValueRange yields = attend.getYields(r);
      Value membership = yields.size() == 2 ? yields[1] : yields[0];
      KnownFact fact = hopeful.of(membership);
      if (membership.getType().isInteger(1) ? fact.yes : fact.low && *fact.low > 0)
        return State::Full;
    }
    return State::Open;
  }

  AttendOp attend;
  RegionFacts facts;
  int64_t queries, keys, length;
  TensorBounds bounds;
  llvm::DenseMap<Value, KnownFact> operands;
};
} // namespace

Range boundsOf(Value value, int64_t length) { return TensorBounds(length).of(value); }

VisitCount countVisits(AttendOp attend, const Options &options, int64_t length) {
  return {length, Counter(attend, options, length).count(), length * (length + 1) / 2, length * length};
}

void describeAttends(ModuleOp module, const Options &options, raw_ostream &out) {
  llvm::json::OStream json(out, 1);
  json.array([&] {
    llvm::SmallPtrSet<const void *, 8> seen; // one report per place in the source, however many layers there are
    module.walk([&](AttendOp attend) {
      SmallVector<ReductionAttr> reductions = attend.getReductionList();
      bool sumsOnly = llvm::all_of(reductions, [](ReductionAttr r) { return r.getKind() == ReductionKind::Sum; });
      if (sumsOnly || !seen.insert(attend.getLoc().getAsOpaquePointer()).second)
        return;
      json.object([&] {
        if (auto place = attend.getLoc()->findInstanceOf<FileLineColLoc>())
          json.attribute("location", (place.getFilename().getValue() + ":" + Twine(place.getLine())).str());
        json.attributeArray("reductions", [&] {
          for (ReductionAttr reduction : reductions)
            json.value(stringifyReductionKind(reduction.getKind()));
        });
        json.attributeArray("tile", [&] {
          json.value(options.queries);
          json.value(options.keys);
        });
        json.attributeArray("scores", [&] {
          for (int64_t length = 1024; length <= 65536; length *= 2) {
            VisitCount count = countVisits(attend, options, length);
            json.object([&] {
              json.attribute("length", count.length);
              json.attribute("visited", count.visited);
              json.attribute("causal", count.causal);
            });
          }
        });
      });
    });
  });
}

} // namespace caa::attend
