// The loops of an attention kernel. What happens to a pair tile is in Reductions.cpp, which tiles are visited in Visit.cpp.
#include "passes/Lower/Attend/KernelBuilder.h"

#include "passes/Lower/Attend/Guards.h"
#include "passes/Lower/Attend/Reductions.h"
#include "passes/Lower/Attend/Visit.h"

#include <limits>
#include <numeric>

using namespace mlir;

namespace caa::attend {

namespace {

using States = SmallVector<SmallVector<Value>>; // per reduction

/// What is at hand for a pair tile: the products grow as they are asked for.
struct PairWork {
  const Body &body;
  const HeadValues &head;
  const AxisTile &held;
  AxisTile swept;
  llvm::DenseMap<Value, Value> products, units; // units: one number per query, of the unit that the tile's keys are

  const AxisTile &keys() const { return held.axis == Axis::Keys ? held : swept; }
  const AxisTile &queries() const { return held.axis == Axis::Keys ? swept : held; }
};

class KernelBuilder {
public:
  KernelBuilder(AttendOp attend, const Buffers &buffers, const Options &options, const Layout &layout, OpBuilder &builder)
      : attend(attend), location(attend.getLoc()), facts(attend), layout(layout), buffers(buffers), b(builder),
        bodies(chooseBodies(facts, layout, options.bodies)), length(tile::ExtentOp::create(b, location, b.getIndexType(), tile::Extent::Length)),
        loader(facts, this->layout, buffers.operands, length) {
    for (unsigned r = 0; r < attend.getReductionList().size(); ++r) {
      reductions.emplace_back(facts, this->layout, r);
      group = std::lcm(group, reductions.back().groupSize());
      addsToMemory |= !reductions.back().isCarried();
    }
  }

  ArrayAttr build();

private:
  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, location, value); }
  int64_t groups() { return attend.getNumHeads() / group; }

  /// How the results of a reduction come together over the heads of a group.
  enum class Sharing { PerHead, WholeGroup, PartOfGroup };
  Sharing sharing(const Reduction &reduction) {
    int64_t size = reduction.groupSize();
    return size == 1 && group > 1 ? Sharing::PerHead : size == group ? Sharing::WholeGroup : Sharing::PartOfGroup;
  }

  void zeroResults(Value batch, Value groupNumber, Value only);
  void holdTile(Value batch, Value groupNumber, Value start);
  States sweep(const HeadValues &head, const AxisTile &held, const States &states);
  SmallVector<Value> visitTile(const Body &body, const HeadValues &head, const AxisTile &held, Value start, ValueRange carried);
  SmallVector<Value> reduceTile(const Body &body, PairWork &work, ValueRange carried);
  Value holdsSomewhere(const Body &body, PairWork &work, const ValueSet &guards);
  Value scalarAtHand(MapBuilder &map, PairWork &work, Value value);
  Value pairScalar(MapBuilder &map, PairWork &work, Value value);
  Value isInside(MapBuilder &map, const AxisTile &tile);
  Value ofUnit(PairWork &work, Value value);
  Value reducedUnit(MapBuilder &map, PairWork &work, Operation *op);
  Value product(DotOp dot, PairWork &work);
  Value unitProduct(DotOp dot, UnitRowOp row, PairWork &work);
  Value unitStart(PairWork &work);
  void store(const HeadValues &head, const Reduction &reduction, unsigned n, Value tile, Value start, bool accumulate);
  void storeStates(const HeadValues &head, Value start, const States &states, bool shared, const AxisTile &held);
  SmallVector<Value> loop(Value count, ValueRange inits, llvm::function_ref<SmallVector<Value>(Value, ValueRange)> write);

  SmallVector<Value> flatten(const States &states) {
    SmallVector<Value> flat;
    for (const SmallVector<Value> &state : states)
      flat.append(state);
    return flat;
  }
  States split(ValueRange flat) {
    States states;
    for (const Reduction &reduction : reductions) {
      unsigned size = reduction.isCarried() ? reduction.stateTypes().size() : 0;
      states.emplace_back(flat.take_front(size));
      flat = flat.drop_front(size);
    }
    return states;
  }

  AttendOp attend;
  Location location;
  RegionFacts facts;
  Layout layout;
  const Buffers &buffers;
  OpBuilder &b;
  SmallVector<Body> bodies;
  Value length;
  Loader loader;
  SmallVector<Reduction> reductions;
  int64_t group = 1;         // heads that one work item does, one after the other, because a result sums over them
  bool addsToMemory = false; // some reduction runs over the held axis
};

ArrayAttr KernelBuilder::build() {
  Value item = tile::ItemOp::create(b, location, b.getIndexType());
  int64_t step = layout.size(layout.held);
  if (addsToMemory) {
    Value batch = arith::DivUIOp::create(b, location, item, index(groups())), number = arith::RemUIOp::create(b, location, item, index(groups()));
    zeroResults(batch, number, {});
    Value tiles = arith::CeilDivUIOp::create(b, location, length, index(step));
    loop(tiles, {}, [&](Value tile, ValueRange) -> SmallVector<Value> {
      holdTile(batch, number, arith::MulIOp::create(b, location, tile, index(step)));
      return {};
    });
    return b.getArrayAttr({tile::TermAttr::get(b.getContext(), groups(), 1, 0, 1, 0, 1)});
  }
  // Tiles of one head are neighbours, so that workers that take neighbouring items share what they sweep over.
  Value tiles = arith::CeilDivUIOp::create(b, location, length, index(step));
  Value tile = arith::RemUIOp::create(b, location, item, tiles), rest = arith::DivUIOp::create(b, location, item, tiles);
  Value number = arith::RemUIOp::create(b, location, rest, index(groups())), batch = arith::DivUIOp::create(b, location, rest, index(groups()));
  Value start = arith::MulIOp::create(b, location, tile, index(step));
  zeroResults(batch, number, start);
  holdTile(batch, number, start);
  return b.getArrayAttr({tile::TermAttr::get(b.getContext(), groups(), 1, 1, step, 0, 1)});
}

/// A counted loop with carried values; `write` gives the next ones.
SmallVector<Value> KernelBuilder::loop(Value count, ValueRange inits, llvm::function_ref<SmallVector<Value>(Value, ValueRange)> write) {
  auto loop = scf::ForOp::create(b, location, index(0), count, index(1), inits);
  OpBuilder::InsertionGuard guard(b);
  if (inits.empty()) { // its terminator is there already
    b.setInsertionPoint(loop.getBody()->getTerminator());
    write(loop.getInductionVar(), {});
  } else {
    b.setInsertionPointToEnd(loop.getBody());
    scf::YieldOp::create(b, location, write(loop.getInductionVar(), loop.getRegionIterArgs()));
  }
  return SmallVector<Value>(loop.getResults());
}

/// Clears what this work item will add to: the whole sequence, or (`only`) the tile that it holds.
void KernelBuilder::zeroResults(Value batch, Value groupNumber, Value only) {
  for (const Reduction &reduction : reductions) {
    bool adds = !reduction.isCarried() || (sharing(reduction) == Sharing::PartOfGroup && group > 1);
    if (!adds || !buffers.results[reduction.firstResult()] || buffers.accumulates[reduction.firstResult()])
      continue;
    Value result = attend.getResult(reduction.firstResult());
    int64_t heads = shapeOf(result).heads / groups(), step = layout.size(other(reduction.attribute().getAxis()));
    auto type = tile::TileType::get(b.getContext(), step, shapeOf(result).width, elementOf(result));
    auto clearHead = [&](Value head, ValueRange) -> SmallVector<Value> {
      Value stored = arith::AddIOp::create(b, location, arith::MulIOp::create(b, location, groupNumber, index(heads)), head);
      auto clear = [&](Value start) -> SmallVector<Value> {
        Value zero = arith::ConstantOp::create(b, location, b.getZeroAttr(type.getElement()));
        Value zeros = tile::SplatOp::create(b, location, type, zero);
        tile::StoreOp::create(b, location, zeros, buffers.results[reduction.firstResult()], ValueRange{batch, start, stored, index(0)});
        return {};
      };
      if (only)
        return clear(only);
      return loop(arith::CeilDivUIOp::create(b, location, length, index(step)), {}, [&](Value tile, ValueRange) {
        return clear(arith::MulIOp::create(b, location, tile, index(step)));
      });
    };
    if (heads == 1)
      clearHead(index(0), {});
    else
      loop(index(heads), {}, clearHead);
  }
}

void KernelBuilder::store(const HeadValues &head, const Reduction &reduction, unsigned n, Value tile, Value start, bool accumulate) {
  unsigned number = reduction.firstResult() + n;
  if (!buffers.results[number])
    return;
  Value stored = loader.servingHead(b, head.head, shapeOf(attend.getResult(number)).heads);
  Value indices[] = {head.batch, start, stored, index(0)};
  auto store = tile::StoreOp::create(b, location, tile, buffers.results[number], indices);
  Axis axis = other(reduction.attribute().getAxis());
  bool vector = shapeOf(attend.getResult(number)).width != 1;
  store.setTransposed(!vector && layout.isColumns(axis));
  store.setAccumulate(accumulate || buffers.accumulates[number]);
}

/// Stores what the heads of a group share (`shared`), or what each has of its own.
void KernelBuilder::storeStates(const HeadValues &head, Value start, const States &states, bool shared, const AxisTile &held) {
  for (auto [reduction, state] : llvm::zip(reductions, states)) {
    if (!reduction.isCarried() || (sharing(reduction) == Sharing::WholeGroup) != shared)
      continue;
    bool part = sharing(reduction) == Sharing::PartOfGroup;
    for (auto [n, tile] : llvm::enumerate(reduction.finish(b, state, held)))
      store(head, reduction, n, tile, start, part);
  }
}

/// One held tile of one group of heads, whole: head after head, with what they share carried along.
void KernelBuilder::holdTile(Value batch, Value groupNumber, Value start) {
  States states;
  for (const Reduction &reduction : reductions)
    states.push_back(reduction.isCarried() ? reduction.start(b) : SmallVector<Value>());
  auto isShared = [&](const Reduction &reduction) { return reduction.isCarried() && sharing(reduction) == Sharing::WholeGroup; };

  auto doHead = [&](Value number) -> HeadValues {
    HeadValues head = loader.loadHead(b, batch, number);
    AxisTile held{layout.held, start, {}};
    loader.loadAll(b, head, held);
    states = sweep(head, held, states);
    storeStates(head, start, states, group == 1, held);
    return head;
  };
  if (group == 1) {
    doHead(groupNumber);
    return;
  }
  SmallVector<Value> shared;
  for (auto [reduction, state] : llvm::zip(reductions, states))
    if (isShared(reduction))
      shared.append(state);
  Value first = arith::MulIOp::create(b, location, groupNumber, index(group));
  shared = loop(index(group), shared, [&](Value number, ValueRange carried) {
    for (auto [reduction, state] : llvm::zip(reductions, states)) {
      if (!reduction.isCarried())
        continue;
      if (isShared(reduction)) {
        state.assign(carried.begin(), carried.begin() + state.size());
        carried = carried.drop_front(state.size());
      } else {
        state = reduction.start(b);
      }
    }
    doHead(arith::AddIOp::create(b, location, first, number));
    SmallVector<Value> next;
    for (auto [reduction, state] : llvm::zip(reductions, states))
      if (isShared(reduction))
        next.append(state);
    return next;
  });
  ValueRange rest = shared;
  for (auto [reduction, state] : llvm::zip(reductions, states))
    if (isShared(reduction)) {
      state.assign(rest.begin(), rest.begin() + state.size());
      rest = rest.drop_front(state.size());
    }
  storeStates(HeadValues{batch, first, {}}, start, states, true, AxisTile{});
}

States KernelBuilder::sweep(const HeadValues &head, const AxisTile &held, const States &states) {
  Visits visits(facts, layout, loader, bodies, length, addsToMemory);
  HeldFacts heldFacts = visits.hold(b, held);
  auto [lower, upper] = visits.limits(b, head, heldFacts);
  SmallVector<Value> inits = flatten(states);
  auto sweep = tile::SweepOp::create(b, location, TypeRange(ValueRange(inits)), lower, upper, inits,
                                     uint64_t(layout.size(layout.swept())), bodies.size());
  OpBuilder::InsertionGuard guard(b);
  Block *visit = b.createBlock(&sweep.getVisit(), {}, {b.getIndexType()}, {location});
  tile::VisitOp::create(b, location, visits.visit(b, head, heldFacts, visit->getArgument(0)));

  SmallVector<Type> types = {b.getIndexType()};
  llvm::append_range(types, sweep.getResultTypes());
  for (auto [body, region] : llvm::zip(bodies, sweep.getBodies())) {
    Block *block = b.createBlock(&region, {}, types, SmallVector<Location>(types.size(), location));
    SmallVector<Value> next = visitTile(body, head, held, block->getArgument(0), block->getArguments().drop_front());
    tile::NextOp::create(b, location, next);
  }
  return split(sweep.getResults());
}

/// One pair tile. Where pairs count only if something holds that takes a product to know, that comes first, and the rest is left out
/// if it holds nowhere.
SmallVector<Value> KernelBuilder::visitTile(const Body &body, const HeadValues &head, const AxisTile &held, Value start, ValueRange carried) {
  PairWork work{body, head, held, {layout.swept(), start, {}}, {}, {}};
  ValueSet guards = commonGuards(facts, body.known);
  if (guards.empty()) {
    loader.loadAll(b, head, work.swept);
    return reduceTile(body, work, carried);
  }
  ValueSet vectors;
  for (DotOp dot : productsBehind(guards))
    for (Value vector : dot->getOperands())
      if (facts.of(vector).isOnly(layout.swept()))
        vectors.insert(vector);
  loader.load(b, head, work.swept, facts.crossing(layout.swept()), vectors);
  auto choice = scf::IfOp::create(b, location, TypeRange(carried), holdsSomewhere(body, work, guards), /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  auto write = [&](Region &region, llvm::function_ref<SmallVector<Value>()> next) {
    region.getBlocks().clear();
    b.createBlock(&region);
    scf::YieldOp::create(b, location, next());
  };
  write(choice.getThenRegion(), [&] {
    loader.loadAll(b, head, work.swept);
    return reduceTile(body, work, carried);
  });
  write(choice.getElseRegion(), [&] { return SmallVector<Value>(carried); });
  return SmallVector<Value>(choice.getResults());
}

/// Whether a tile's tokens are before the sequence's end.
Value KernelBuilder::isInside(MapBuilder &map, const AxisTile &tile) {
  Value end = arith::IndexCastOp::create(b, location, b.getI64Type(), length);
  Value tokens = tile.tiles.lookup(attend.getBody().getArgument(tile.axis == Axis::Queries ? 0 : 1));
  tokens = map.scalar(tokens ? tokens : loader.tokens(b, tile.axis, tile.start));
  return arith::CmpIOp::create(map.body(), location, arith::CmpIPredicate::slt, tokens, end);
}

/// The scalar of a region's value in a map over pairs, where it is at hand: what is the same for a unit's keys is computed once for all.
Value KernelBuilder::pairScalar(MapBuilder &map, PairWork &work, Value value) {
  if (Value scalar = scalarAtHand(map, work, value))
    return scalar;
  if (!facts.of(value).isOfUnit() || isa<VectorType>(value.getType()))
    return {};
  Value tile = ofUnit(work, value);
  Attribute constant;
  return matchPattern(tile, m_Constant(&constant)) ? arith::ConstantOp::create(map.body(), location, cast<TypedAttr>(constant)) : map.scalar(tile);
}

/// One number per query of the unit that the tile's keys are; a constant where it is one.
Value KernelBuilder::ofUnit(PairWork &work, Value value) {
  if (Value known = work.units.lookup(value))
    return known;
  tile::TileType shape = layout.scalars(Axis::Queries, b.getF32Type());
  MapBuilder map(b, location, shape.getRows(), shape.getColumns());
  ScalarCloner cloner(map.body(), [&](Value inner) { return scalarAtHand(map, work, inner); }, &work.body.known);
  Value scalar = cloner.get(value), result;
  Attribute constant;
  if (matchPattern(scalar, m_Constant(&constant))) {
    result = arith::ConstantOp::create(b, location, cast<TypedAttr>(constant));
  } else {
    map.yield(scalar);
    result = map.finish().front();
  }
  return work.units[value] = result;
}

/// What the keys of the tile, which are a unit, give together: in a map with a number per query.
Value KernelBuilder::reducedUnit(MapBuilder &map, PairWork &work, Operation *op) {
  tile::TileType shape = layout.pairs(b.getF32Type());
  MapBuilder pairs(b, location, shape.getRows(), shape.getColumns());
  OpBuilder &inside = pairs.body();
  ScalarCloner cloner(inside, [&](Value value) { return pairScalar(pairs, work, value); }, &work.body.known);
  auto reduceOp = dyn_cast<UnitReduceOp>(op);
  Value member = cloner.get(reduceOp ? reduceOp.getMember() : cast<UnitAnyOp>(op).getMember());
  auto real = [&](OpBuilder &at, double value) -> Value { return arith::ConstantOp::create(at, location, at.getF32FloatAttr(float(value))); };
  if (!reduceOp && (isConstant(member, 0) || isConstant(member, 1))) // a tile holds a key at least
    return arith::ConstantOp::create(map.body(), location, map.body().getBoolAttr(isConstant(member, 1)));
  if (!work.body.inside)
    member = arith::AndIOp::create(inside, location, member, isInside(pairs, work.keys()));
  auto along = [&](tile::Combine combine, Value tile) {
    Type element = cast<tile::TileType>(tile.getType()).getElement();
    return map.scalar(tile::ReduceOp::create(b, location, layout.scalars(Axis::Queries, element), combine, tile));
  };
  auto count = [&] { return pairs.yield(arith::UIToFPOp::create(inside, location, b.getF32Type(), member)); };
  if (!reduceOp) {
    count();
    Value most = along(tile::Combine::Max, pairs.finish().front());
    return arith::CmpFOp::create(map.body(), location, arith::CmpFPredicate::OGT, most, real(map.body(), 0));
  }
  Value score = cloner.get(reduceOp.getScore());
  if (reduceOp.getKind() == UnitReduction::Max) {
    pairs.yield(arith::SelectOp::create(inside, location, member, score, real(inside, -std::numeric_limits<double>::infinity())));
    return along(tile::Combine::Max, pairs.finish().front());
  }
  // Sums of integers, as forward and backward may add up in different orders and must agree to the last bit.
  const double one = 4294967296.0, most = 524288.0;
  score = arith::MinimumFOp::create(inside, location, arith::MaximumFOp::create(inside, location, score, real(inside, -most)), real(inside, most));
  score = arith::FPToSIOp::create(inside, location, b.getI64Type(), arith::MulFOp::create(inside, location, score, real(inside, one)));
  pairs.yield(arith::SelectOp::create(inside, location, member, score, arith::ConstantIntOp::create(inside, location, 0, 64)));
  if (reduceOp.getKind() == UnitReduction::Mean)
    count();
  SmallVector<Value> tiles = pairs.finish();
  OpBuilder &outside = map.body();
  Value total = along(tile::Combine::Add, tiles[0]);
  total = arith::MulFOp::create(outside, location, arith::SIToFPOp::create(outside, location, b.getF32Type(), total), real(outside, 1 / one));
  if (reduceOp.getKind() == UnitReduction::Sum)
    return total;
  return arith::DivFOp::create(outside, location, total, along(tile::Combine::Add, tiles[1]));
}

/// The scalar of a region's value that a map need not compute.
Value KernelBuilder::scalarAtHand(MapBuilder &map, PairWork &work, Value value) {
  if (Value scalar = work.head.scalars.lookup(value))
    return scalar;
  for (const AxisTile *tile : {&work.held, static_cast<const AxisTile *>(&work.swept)})
    if (Value known = tile->tiles.lookup(value))
      return map.scalar(known);
  Operation *op = value.getDefiningOp();
  if (auto dot = dyn_cast_or_null<DotOp>(op))
    return map.scalar(product(dot, work));
  if (isa_and_nonnull<UnitStartOp>(op))
    return arith::IndexCastOp::create(b, location, b.getI64Type(), unitStart(work));
  return isa_and_nonnull<UnitReduceOp, UnitAnyOp>(op) ? reducedUnit(map, work, op) : Value();
}

/// Whether all guards hold for some pair.
Value KernelBuilder::holdsSomewhere(const Body &body, PairWork &work, const ValueSet &guards) {
  tile::TileType shape = layout.pairs(b.getF32Type());
  MapBuilder map(b, location, shape.getRows(), shape.getColumns());
  ScalarCloner cloner(map.body(), [&](Value value) { return pairScalar(map, work, value); }, &body.known);
  cloner.allowInverses([&](Value value) { return facts.of(value).dot; });
  Value holds;
  for (Value guard : guards) {
    Value one = cloner.get(guard);
    holds = holds ? arith::AndIOp::create(map.body(), location, holds, one).getResult() : one;
  }
  map.yield(arith::UIToFPOp::create(map.body(), location, b.getF32Type(), holds));
  Type one = tile::TileType::get(b.getContext(), 1, 1, b.getF32Type());
  Value most = tile::ReduceOp::create(b, location, one, tile::Combine::Max, map.finish().front());
  Value zero = arith::ConstantOp::create(b, location, b.getF32FloatAttr(0));
  return arith::CmpFOp::create(b, location, arith::CmpFPredicate::OGT, tile::ExtractOp::create(b, location, b.getF32Type(), most), zero);
}

/// Products, one map for all that reductions take from pairs, then the reductions.
SmallVector<Value> KernelBuilder::reduceTile(const Body &body, PairWork &work, ValueRange carried) {
  const AxisTile &held = work.held, &swept = work.swept;
  tile::TileType shape = layout.pairs(b.getF32Type());
  MapBuilder map(b, location, shape.getRows(), shape.getColumns());
  ScalarCloner cloner(map.body(), [&](Value value) { return pairScalar(map, work, value); }, &body.known);
  cloner.allowInverses([&](Value value) { return facts.of(value).dot; });

  // Past the sequence's end: swept tokens must not count. Held ones give rows that are never stored, unless they add to memory.
  Value inside;
  if (!body.inside) {
    inside = isInside(map, swept);
    if (addsToMemory)
      inside = arith::AndIOp::create(map.body(), location, inside, isInside(map, held));
  }
  PairTile pairs{b, held, swept, map, cloner, inside, [&](Value value) { return ofUnit(work, value); }};

  SmallVector<Reduction::Request> requests;
  for (const Reduction &reduction : reductions)
    requests.push_back(reduction.request(pairs));
  SmallVector<Value> mapped = map.finish();
  States states = split(carried);
  for (auto [reduction, request, state] : llvm::zip(reductions, requests, states)) {
    if (reduction.isCarried())
      state = reduction.step(b, request, mapped, pairs, state);
    else if (!request.nothing)
      store(work.head, reduction, 0, reduction.share(b, request, mapped, pairs), swept.start, true);
  }
  return flatten(states);
}

/// The matrix product behind a dot of a query and a key. Every kernel of an attend takes the same operands in the same order of
/// summation, so that a score has the same bits wherever it is computed.
Value KernelBuilder::product(DotOp dot, PairWork &work) {
  Value &known = work.products[dot];
  if (known)
    return known;
  Value left = dot.getQuery(), right = dot.getKey();
  for (Value side : {left, right})
    if (auto row = side.getDefiningOp<UnitRowOp>())
      return known = unitProduct(dot, row, work);
  if (!facts.of(left).isOnly(layout.rows))
    std::swap(left, right);
  auto tileOf = [&](Value value) { return (facts.of(value).isOnly(layout.held) ? work.held : work.swept).tiles.lookup(value); };
  return known = tile::DotOp::create(b, dot.getLoc(), layout.pairs(b.getF32Type()), tileOf(left), tileOf(right), Value(), false, true);
}

/// The first token of the unit that the tile's keys are, or are a part of.
Value KernelBuilder::unitStart(PairWork &work) {
  int64_t unit = attend.getUnit();
  Value start = work.keys().start;
  if (unit == layout.keys)
    return start;
  return arith::MulIOp::create(b, location, arith::DivUIOp::create(b, location, start, index(unit)), index(unit));
}

/// The product of a tile of queries and the one row of the keys' unit: a number per query.
Value KernelBuilder::unitProduct(DotOp dot, UnitRowOp row, PairWork &work) {
  Value queries = work.queries().tiles.lookup(dot.getQuery() == row.getResult() ? dot.getKey() : dot.getQuery());
  unsigned operand = *facts.operandNumber(row.getRow());
  Shape shape = shapeOf(attend->getOperand(operand));
  Value indices[] = {work.head.batch, unitStart(work), loader.servingHead(b, work.head.head, shape.heads), index(0)};
  Type element = cast<MemRefType>(buffers.operands[operand].getType()).getElementType();
  Value key = tile::LoadOp::create(b, location, tile::TileType::get(b.getContext(), 1, shape.width, element), buffers.operands[operand], indices);
  bool columns = layout.isColumns(Axis::Queries);
  return tile::DotOp::create(b, dot.getLoc(), layout.scalars(Axis::Queries, b.getF32Type()), columns ? key : queries, columns ? queries : key,
                             Value(), false, true);
}

} // namespace

/// What no kernel can be written for.
static LogicalResult check(AttendOp attend, const Layout &layout) {
  RegionFacts facts(attend);
  for (auto dot : attend.getBody().getOps<DotOp>()) {
    Dependence query = facts.of(AttendOp::getArgumentOf(dot.getQuery())), key = facts.of(AttendOp::getArgumentOf(dot.getKey()));
    bool sameAxis = (query.queries && key.queries) || (query.keys && key.keys) || (query.isHead() && key.isHead());
    if (sameAxis || query.isPair() || key.isPair())
      return dot.emitError("the product of two vectors of one token belongs outside the attention");
  }
  for (ReductionAttr reduction : attend.getReductionList())
    if (reduction.getAxis() == layout.held && reduction.getKind() != ReductionKind::Sum)
      return attend.emitError("an attention that reduces over queries may reduce over keys by sums only");
  return success();
}

int64_t tileOfKeys(AttendOp attend, const Options &options) {
  int64_t unit = attend.getUnit();
  if (!unit || unit <= options.keys || !options.splitsUnits)
    return unit ? unit : options.keys;
  // A ranking visits each unit once.
  Block &body = attend.getBody().front();
  if (!body.getOps<UnitReduceOp>().empty() || !body.getOps<UnitAnyOp>().empty() ||
      llvm::any_of(attend.getReductionList(), [](ReductionAttr r) { return r.getKind() == ReductionKind::Kth; }))
    return unit;
  int64_t part = options.keys;
  while (unit % part)
    --part;
  return part >= 16 ? part : unit;
}

static Layout layoutOf(AttendOp attend, const Options &options) {
  Layout layout{.queries = options.queries, .keys = tileOfKeys(attend, options)};
  if (llvm::any_of(attend.getReductionList(), [](ReductionAttr r) { return r.getAxis() == Axis::Queries; })) {
    layout.held = Axis::Keys;
    layout.rows = options.keysAsRows ? Axis::Keys : Axis::Queries;
  }
  return layout;
}

FailureOr<ArrayAttr> buildKernel(AttendOp attend, const Buffers &buffers, const Options &options, OpBuilder &builder) {
  Layout layout = layoutOf(attend, options);
  if (failed(check(attend, layout)))
    return failure();
  return KernelBuilder(attend, buffers, options, layout, builder).build();
}

double flopsPerItem(AttendOp attend, const Options &options) {
  const double length = 1024;
  double perPair = 0;
  for (auto dot : attend.getBody().getOps<DotOp>())
    perPair += 2.0 * cast<VectorType>(dot.getQuery().getType()).getDimSize(0);
  for (ReductionAttr reduction : attend.getReductionList())
    if (reduction.getValue() >= 0)
      perPair += 2.0 * shapeOf(attend.getResult(0)).width;
  // A kernel that holds keys has an item per tile of them where they are rows, else one per batch row and head.
  Layout layout = layoutOf(attend, options);
  double held = layout.held != Axis::Keys ? double(layout.queries) : options.keysAsRows ? double(layout.keys) : length;
  return perPair * length / 2 * held;
}

} // namespace caa::attend
