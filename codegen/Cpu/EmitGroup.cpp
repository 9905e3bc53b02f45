// One loop nest for a group of maps, reductions, stores and rankings over tiles of one shape. See Plan.h.
//
// The nest goes row by row (as the tiles lie) with vectors along the inner axis; sums along the inner axis stay in up to
// four vectors per row, which are added in a fixed order at the row's end. If the group only reduces along the outer axis,
// the nest is turned: a few vectors' width of columns at a time, down all rows. What does not change in a loop is loaded
// before it.
#include "codegen/Cpu/KernelEmitter.h"
#include "codegen/Cpu/Narrow.h"
#include "codegen/Cpu/ScalarOps.h"

#include "llvm/ADT/MapVector.h"

using namespace mlir;
using LLVM::ICmpPredicate;

namespace caa::cpu {

namespace {

/// Vectors of one pass: [first, first + lanes) of the inner axis.
struct Step {
  Value first;
  int64_t lanes;
  int64_t number; ///< within its pass
};

} // namespace

class GroupEmitter {
public:
  GroupEmitter(KernelEmitter &kernel, const Node &node)
      : kernel(kernel), code(kernel.code), plan(kernel.plan), node(node), lanes(kernel.code.target.lanes()) {}
  LogicalResult run();

private:
  bool alongInner(tile::ReduceOp reduce) {
    return innerOf(reduce.getResult().getType(), node.layout) == 1 && node.inner > 1;
  }
  void prepareStores();
  void runByRows();
  void runByColumns();
  void emitStep(Value p, const Step &step, function_ref<void(unsigned, Value)> reduced);
  void emitMap(tile::MapOp map, Value p, const Step &step);
  void emitStore(tile::StoreOp store, Value p, const Step &step);
  void emitRank(tile::RankOp rank, Value p, const Step &step);
  Value fetch(OpOperand &operand, Value p, const Step &step, bool narrow = false);
  Value loadScalar(Value tile, Value p);
  void cacheScalars(Value p, bool perRow);
  void cacheVectors(ArrayRef<Step> steps);
  Value combine(tile::ReduceOp reduce, Value a, Value b);
  Value identity(tile::ReduceOp reduce, int64_t count);
  void storeInner(tile::ReduceOp reduce, Value p, Value value, bool first);

  KernelEmitter &kernel;
  Code &code;
  const KernelPlan &plan;
  const Node &node;
  int64_t lanes;
  LogicalResult status = success();
  SmallVector<tile::ReduceOp> reduces;
  DenseMap<Value, Value> vectors;                         ///< what members computed at the present place
  DenseMap<std::pair<Value, int64_t>, Value> cached;      ///< loaded before the loop: by tile and step number
  DenseMap<Value, Value> cachedScalars;
  DenseMap<Value, Value> fetched;                         ///< at the present step
  llvm::MapVector<Operation *, std::pair<Value, Value>> targets; ///< of stores: address of the tile, valid rows
  Value rowLimit;                                         ///< if no row from here on matters
};

LogicalResult KernelEmitter::emitGroup(const Node &node) { return GroupEmitter(*this, node).run(); }

//===-- The nest ------------------------------------------------------------------------------------------------------===//

LogicalResult GroupEmitter::run() {
  code.loc = node.ops.front()->getLoc();
  bool byColumns = false, byRows = false;
  for (Operation *op : node.ops)
    if (auto reduce = dyn_cast<tile::ReduceOp>(op)) {
      reduces.push_back(reduce);
      (alongInner(reduce) ? byRows : byColumns) = true;
    }
  prepareStores();
  cacheScalars(code.index(0), /*perRow=*/false);
  if (byColumns && !byRows)
    runByColumns();
  else
    runByRows();
  for (Operation *op : node.ops)
    if (auto rank = dyn_cast<tile::RankOp>(op)) {
      Ranking ranking = kernel.rankings[rank.getRanking()];
      ranking.count = code.add(ranking.count, code.index(rank.getScores().getType().getColumns()));
      kernel.rankings[rank.getResult()] = ranking;
    }
  return status;
}

// Vectors of a row: whole ones in runs of `width`, those left over, and one of fewer lanes.
void GroupEmitter::runByRows() {
  int64_t whole = node.inner / lanes, tail = node.inner % lanes;
  int64_t weight = 0;
  for (Operation *op : node.ops)
    if (auto map = dyn_cast<tile::MapOp>(op))
      weight += int64_t(map.getBody().front().getOperations().size());
  int64_t width = std::min<int64_t>(whole, weight > 80 ? 1 : weight > 30 ? 2 : 4);
  int64_t runs = width ? whole / width : 0, left = width ? whole % width : 0;

  SmallVector<unsigned> inner;
  for (auto [n, reduce] : llvm::enumerate(reduces))
    if (alongInner(reduce))
      inner.push_back(unsigned(n));
    else // added up in memory, row by row
      code.loop(0, node.inner, 1, [&](Value q) {
        Place place = kernel.placeOf(reduce.getResult());
        code.store(identity(reduce, 1), code.address(place.base, place.element, q));
      });

  auto row = [&](Value p) {
    cacheScalars(p, /*perRow=*/true);
    SmallVector<Value> sums; // of member n: `width` vectors
    for (unsigned n : inner)
      for (int64_t w = 0; w < width; ++w)
        sums.push_back(identity(reduces[n], lanes));
    auto reduceInto = [&](SmallVector<Value> &into, int64_t w) {
      return [&, w](unsigned n, Value value) {
        if (!alongInner(reduces[n])) {
          return; // emitStep's caller below adds those in memory
        }
        auto at = size_t(llvm::find(inner, n) - inner.begin()) * size_t(width) + size_t(w);
        into[at] = combine(reduces[n], into[at], value);
      };
    };
    sums = code.loop(code.index(0), code.index(runs * width * lanes), width * lanes, sums,
                     [&](Value q, ValueRange carried) {
                       SmallVector<Value> next(carried);
                       for (int64_t w = 0; w < width; ++w)
                         emitStep(p, {code.add(q, code.index(w * lanes)), lanes, w}, reduceInto(next, w));
                       return next;
                     });
    for (int64_t w = 0; w < left; ++w)
      emitStep(p, {code.index((runs * width + w) * lanes), lanes, w}, reduceInto(sums, w));
    SmallVector<Value> tails(inner.size());
    if (tail)
      emitStep(p, {code.index(whole * lanes), tail, 0}, [&](unsigned n, Value value) {
        if (alongInner(reduces[n]))
          tails[size_t(llvm::find(inner, n) - inner.begin())] = value;
      });
    for (auto [m, n] : llvm::enumerate(inner)) {
      auto both = [&, n = n](Value a, Value b) { return combine(reduces[n], a, b); };
      Value total;
      if (width) {
        SmallVector<Value> own(sums.begin() + m * width, sums.begin() + (m + 1) * width);
        for (int64_t step = 1; step < width; step *= 2)
          for (int64_t w = 0; w + step < width; w += 2 * step)
            own[w] = both(own[w], own[w + step]);
        total = code.reduceLanes(own[0], both);
      }
      if (tail) {
        Value rest = code.reduceLanes(tails[m], both);
        total = total ? both(total, rest) : rest;
      }
      storeInner(reduces[n], p, total, false);
    }
  };
  // A tile that shrinks to one value: rows add up in memory.
  for (unsigned n : inner)
    if (node.outer > 1 && outerOf(reduces[n].getResult().getType(), node.layout) == 1)
      storeInner(reduces[n], code.index(0), identity(reduces[n], 1), true);
  code.loop(code.index(0), rowLimit ? rowLimit : code.index(node.outer), 1, row);
}

void GroupEmitter::runByColumns() {
  int64_t whole = node.inner / lanes, tail = node.inner % lanes, width = std::min<int64_t>(whole, 4);
  int64_t runs = width ? whole / width : 0;
  auto pass = [&](ArrayRef<Step> steps) {
    cached.clear();
    cacheVectors(steps);
    SmallVector<Value> sums;
    for (tile::ReduceOp reduce : reduces)
      for (const Step &step : steps)
        sums.push_back(identity(reduce, step.lanes));
    sums = code.loop(code.index(0), code.index(node.outer), 1, sums, [&](Value p, ValueRange carried) {
      SmallVector<Value> next(carried);
      cacheScalars(p, /*perRow=*/true);
      for (auto [w, step] : llvm::enumerate(steps))
        emitStep(p, step, [&, w = w](unsigned n, Value value) {
          size_t at = n * steps.size() + w;
          next[at] = combine(reduces[n], next[at], value);
        });
      return next;
    });
    for (auto [n, reduce] : llvm::enumerate(reduces)) {
      Place place = kernel.placeOf(reduce.getResult());
      for (auto [w, step] : llvm::enumerate(steps))
        code.store(sums[n * steps.size() + w], code.address(place.base, place.element, step.first));
    }
    cached.clear();
  };
  code.loop(0, runs * width * lanes, width * lanes, [&](Value q) {
    SmallVector<Step> steps;
    for (int64_t w = 0; w < width; ++w)
      steps.push_back({code.add(q, code.index(w * lanes)), lanes, w});
    pass(steps);
  });
  SmallVector<Step> rest;
  for (int64_t n = runs * width; n < whole; ++n)
    rest.push_back({code.index(n * lanes), lanes, int64_t(rest.size())});
  if (tail)
    rest.push_back({code.index(whole * lanes), tail, int64_t(rest.size())});
  if (!rest.empty())
    pass(rest);
}

//===-- Members -------------------------------------------------------------------------------------------------------===//

void GroupEmitter::emitStep(Value p, const Step &step, function_ref<void(unsigned, Value)> reduced) {
  vectors.clear();
  fetched.clear();
  unsigned number = 0;
  for (Operation *op : node.ops) {
    if (failed(status))
      return;
    if (auto map = dyn_cast<tile::MapOp>(op)) {
      emitMap(map, p, step);
    } else if (auto store = dyn_cast<tile::StoreOp>(op)) {
      emitStore(store, p, step);
    } else if (auto rank = dyn_cast<tile::RankOp>(op)) {
      emitRank(rank, p, step);
    } else if (auto reduce = dyn_cast<tile::ReduceOp>(op)) {
      Value value = fetch(reduce->getOpOperand(0), p, step);
      bool inMemory = node.inner > 1 && !alongInner(reduce) && llvm::any_of(reduces, [&](auto r) { return alongInner(r); });
      if (inMemory) {
        Place place = kernel.placeOf(reduce.getResult());
        Value address = code.address(place.base, place.element, step.first);
        code.store(combine(reduce, code.load(address, place.element, step.lanes), value), address);
      } else {
        reduced(number, value);
      }
      ++number;
    }
  }
}

void GroupEmitter::emitMap(tile::MapOp map, Value p, const Step &step) {
  bool narrow = mayNarrow(map);
  Block &body = map.getBody().front();
  DenseMap<Value, Value> values;
  for (OpOperand &operand : map->getOpOperands())
    values[body.getArgument(operand.getOperandNumber())] = fetch(operand, p, step, narrow);
  auto valueOf = [&](Value value) -> Value {
    if (auto found = values.find(value); found != values.end())
      return found->second;
    Value outside = kernel.scalar(value);
    if (narrow && outside.getType().isInteger(64))
      outside = LLVM::TruncOp::create(code.builder, code.loc, code.i32, outside);
    return values[value] = code.splat(outside, step.lanes);
  };
  for (Operation &op : body.without_terminator()) {
    SmallVector<Value> operands;
    for (Value operand : op.getOperands())
      operands.push_back(valueOf(operand));
    FailureOr<SmallVector<Value>> results = emitScalarOp(code, &op, operands, step.lanes, narrow);
    if (failed(results)) {
      status = failure();
      return;
    }
    for (auto [from, to] : llvm::zip(op.getResults(), *results))
      values[from] = to;
  }
  for (auto [yielded, result] : llvm::zip(body.getTerminator()->getOperands(), map.getResults())) {
    Value value = valueOf(yielded);
    vectors[result] = value;
    if (!plan.slotOf(result))
      continue;
    Place place = kernel.placeOf(result);
    code.store(value, kernel.elementAddress(place, node.outer == 1 ? code.index(0) : p, step.first));
  }
}

// Addresses and bounds of stores, before the nest. If nothing but stores of one bound leaves the group, its rows end there.
void GroupEmitter::prepareStores() {
  bool onlyStores = node.outer > 1;
  for (Operation *op : node.ops) {
    auto store = dyn_cast<tile::StoreOp>(op);
    if (!store) {
      onlyStores &= isa<tile::MapOp>(op) && llvm::none_of(op->getResults(), [&](Value v) { return plan.slotOf(v).has_value(); });
      continue;
    }
    targets[op] = {kernel.bufferAddress(accessOf(store)), kernel.validRows(accessOf(store))};
  }
  if (!onlyStores || targets.empty())
    return;
  // Rows past every store's end matter to nobody; the single stores still test their own end if the ends differ.
  for (auto &[op, target] : targets)
    rowLimit = rowLimit ? code.maximum(rowLimit, target.second) : target.second;
  if (targets.size() == 1)
    targets.begin()->second.second = code.index(node.outer);
}

void GroupEmitter::emitStore(tile::StoreOp store, Value p, const Step &step) {
  auto [base, valid] = targets[store];
  Access access = accessOf(store);
  Type element = registerType(access.type().getElementType());
  Value value = fetch(store->getOpOperand(0), p, step);
  bool column = access.columns == 1 && access.rows > 1; // contiguous, or it would be no member
  Value address = base;
  if (!column && node.outer > 1)
    address = code.address(base, element, code.mul(p, code.index(access.rowStride())));
  address = code.address(address, element, step.first);
  auto add = [&](Value old) { return isa<FloatType>(element) ? code.fadd(old, value) : code.add(old, value); };
  auto write = [&] { code.store(store.getAccumulate() ? add(code.load(address, element, step.lanes)) : value, address); };
  auto whole = Code::known(valid);
  if (whole && *whole == access.rows)
    return write();
  if (!column)
    return code.when(code.compare(ICmpPredicate::slt, node.outer > 1 ? p : code.index(0), valid), write);
  // A column's end may lie within the vector: then its lanes go one by one.
  Value last = code.add(step.first, code.index(step.lanes));
  code.choose(
      code.compare(ICmpPredicate::sle, last, valid), {}, [&]() -> SmallVector<Value> { return write(), SmallVector<Value>(); },
      [&]() -> SmallVector<Value> {
        for (int64_t n = 0; n < step.lanes; ++n)
          code.when(code.compare(ICmpPredicate::slt, code.add(step.first, code.index(n)), valid), [&] {
            Value target = code.address(address, element, n), single = code.lane(value, n);
            if (store.getAccumulate()) {
              Value old = code.load(target, element, 1);
              single = isa<FloatType>(element) ? code.fadd(old, single) : code.add(old, single);
            }
            code.store(single, target);
          });
        return {};
      });
}

// The panel has one row for each key shown. What is no member gets the place of -inf.
void GroupEmitter::emitRank(tile::RankOp rank, Value p, const Step &step) {
  Ranking ranking = kernel.rankings[rank.getRanking()];
  Value scores = fetch(rank->getOpOperand(1), p, step);
  scores = code.fadd(scores, code.real(0, scores.getType())); // -0 is +0
  if (rank.getMembers())
    scores = code.select(fetch(rank->getOpOperand(2), p, step), scores, code.real(-HUGE_VAL, scores.getType()));
  // By columns: row p of the tile is key p. A single row of scores lies along its keys.
  Value key = node.layout == Layout::Columns ? code.add(ranking.count, p) : ranking.count;
  Value offset = code.add(code.mul(key, code.index(ranking.rows)), step.first);
  code.store(scores, code.address(ranking.panel, code.f32, offset));
}

//===-- Operands ------------------------------------------------------------------------------------------------------===//

static void forTileOperands(const Node &node, function_ref<void(OpOperand &)> visit) {
  for (Operation *op : node.ops)
    for (OpOperand &operand : op->getOpOperands())
      if (tileOf(operand.get()) && !operand.get().getDefiningOp<tile::SplatOp>() && !operand.get().getDefiningOp<tile::IotaOp>())
        visit(operand);
}

Value GroupEmitter::loadScalar(Value tile, Value p) {
  Place place = kernel.placeOf(tile);
  bool moves = outerOf(tileOf(tile), node.layout) > 1;
  return code.load(moves ? code.address(place.base, place.element, p) : place.base, place.element, 1);
}

// Scalars that a row's vectors share: those of the whole tile, or those of row p.
void GroupEmitter::cacheScalars(Value p, bool perRow) {
  forTileOperands(node, [&](OpOperand &operand) {
    tile::TileType type = tileOf(operand.get());
    bool moves = outerOf(type, node.layout) > 1;
    if (node.inner > 1 && innerOf(type, node.layout) == 1 && moves == perRow && !plan.isFused(operand))
      cachedScalars[operand.get()] = loadScalar(operand.get(), p);
  });
}

// Vectors that all rows share.
void GroupEmitter::cacheVectors(ArrayRef<Step> steps) {
  forTileOperands(node, [&](OpOperand &operand) {
    tile::TileType type = tileOf(operand.get());
    if (innerOf(type, node.layout) == 1 || outerOf(type, node.layout) > 1 || node.outer == 1 || plan.isFused(operand))
      return;
    Place place = kernel.placeOf(operand.get());
    for (const Step &step : steps)
      cached[{operand.get(), step.number}] =
          code.load(code.address(place.base, place.element, step.first), place.element, step.lanes);
  });
}

Value GroupEmitter::fetch(OpOperand &operand, Value p, const Step &step, bool narrow) {
  Value value = operand.get();
  if (plan.isFused(operand))
    return vectors[value];
  auto narrowed = [&](Value scalar) {
    return narrow && scalar.getType().isInteger(64) ? LLVM::TruncOp::create(code.builder, code.loc, code.i32, scalar) : scalar;
  };
  tile::TileType type = tileOf(value);
  if (!type)
    return code.splat(narrowed(kernel.scalar(value)), step.lanes);
  if (auto splat = value.getDefiningOp<tile::SplatOp>())
    return code.splat(narrowed(kernel.scalar(splat.getValue())), step.lanes);
  bool isInner = innerOf(type, node.layout) > 1, isOuter = outerOf(type, node.layout) > 1;
  if (auto iota = value.getDefiningOp<tile::IotaOp>()) {
    Value start = kernel.scalar(iota.getStart());
    if (isOuter)
      start = code.add(start, p);
    if (isInner)
      start = code.add(start, step.first);
    Value splat = code.splat(narrowed(start), step.lanes);
    return isInner ? code.add(splat, code.counting(splat.getType())) : splat;
  }
  if (auto found = cached.find({value, step.number}); found != cached.end())
    return found->second;
  if (auto found = cachedScalars.find(value); found != cachedScalars.end())
    return code.splat(found->second, step.lanes);
  Value &vector = fetched[value];
  if (!vector) {
    Place place = kernel.placeOf(value, plan.layouts.required(operand));
    if (isInner)
      vector = code.load(kernel.elementAddress(place, isOuter ? p : code.index(0), step.first), place.element, step.lanes);
    else
      vector = code.splat(loadScalar(value, p), step.lanes);
  }
  return vector;
}

//===-- Reductions ----------------------------------------------------------------------------------------------------===//

Value GroupEmitter::combine(tile::ReduceOp reduce, Value a, Value b) {
  bool isFloat = isa<FloatType>(Code::elementOf(a.getType()));
  switch (reduce.getCombine()) {
  case tile::Combine::Add:
    return isFloat ? code.fadd(a, b) : code.add(a, b);
  case tile::Combine::Max:
    return isFloat ? code.fmaxFast(a, b) : code.maximum(a, b);
  case tile::Combine::Min:
    return isFloat ? code.fminFast(a, b) : code.minimum(a, b);
  }
  llvm_unreachable("a way to combine");
}

Value GroupEmitter::identity(tile::ReduceOp reduce, int64_t count) {
  Type element = registerType(reduce.getTile().getType().getElement()), type = code.vector(element, count);
  bool isFloat = isa<FloatType>(element);
  if (reduce.getCombine() == tile::Combine::Add)
    return isFloat ? code.real(0, type) : code.integer(0, type);
  bool most = reduce.getCombine() == tile::Combine::Max;
  if (isFloat)
    return code.real(most ? -HUGE_VAL : HUGE_VAL, type);
  unsigned bits = element.getIntOrFloatBitWidth();
  return code.integer((most ? llvm::APInt::getSignedMinValue(bits) : llvm::APInt::getSignedMaxValue(bits)).getSExtValue(), type);
}

// The reduction of row p; a tile's single value takes up the rows one after the other, from its `first` value on.
void GroupEmitter::storeInner(tile::ReduceOp reduce, Value p, Value value, bool first) {
  Place place = kernel.placeOf(reduce.getResult());
  bool perRow = outerOf(reduce.getResult().getType(), node.layout) > 1;
  Value address = perRow ? code.address(place.base, place.element, p) : place.base;
  if (!perRow && node.outer > 1 && !first)
    value = combine(reduce, code.load(address, place.element, 1), value);
  code.store(value, address);
}

} // namespace caa::cpu
