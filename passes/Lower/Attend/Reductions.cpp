// Online softmax, sums, maxima and rankings over the tiles of a sweep.
//
// Softmax after Milakov and Gimelshein (2018): a running maximum M, the sum of m e^(s - M) and of m e^(s - M) v; when M grows both
// shrink by e^(old - new). Until a member comes M is -inf; 0 stands for it in exponents, so that nothing is ever inf - inf.
#include "passes/Lower/Attend/Reductions.h"

#include <limits>

using namespace mlir;

namespace caa::attend {

static Value real(OpBuilder &builder, Location location, double value) {
  return arith::ConstantOp::create(builder, location, builder.getF32FloatAttr(float(value)));
}
static Value minusInfinity(OpBuilder &builder, Location location) {
  return real(builder, location, -std::numeric_limits<double>::infinity());
}
static Value greater(OpBuilder &builder, Location location, Value a, Value b) {
  return builder.createOrFold<arith::CmpFOp>(location, arith::CmpFPredicate::OGT, a, b);
}
static Value larger(OpBuilder &builder, Location location, Value a, Value b) {
  return arith::SelectOp::create(builder, location, greater(builder, location, a, b), a, b);
}
static Value isMinusInfinity(OpBuilder &builder, Location location, Value a) {
  return arith::CmpFOp::create(builder, location, arith::CmpFPredicate::OEQ, a, minusInfinity(builder, location));
}
static Value both(OpBuilder &builder, Location location, Value a, Value b) {
  return !a ? b : !b ? a : builder.createOrFold<arith::AndIOp>(location, a, b);
}
static Value zeroOf(OpBuilder &builder, Location location, Type type) {
  return arith::ConstantOp::create(builder, location, builder.getZeroAttr(type));
}

/// A number as one of a narrower or the same type.
static Value rounded(OpBuilder &builder, Location location, Value number, Type type) {
  return number.getType() == type ? number : Value(arith::TruncFOp::create(builder, location, type, number));
}

Reduction::Reduction(const RegionFacts &facts, const Layout &layout, unsigned number)
    : facts(facts), layout(layout), attr(facts.attend().getReductionList()[number]), location(facts.attend().getLoc()), number(number),
      result(facts.attend().getFirstResult(number)), value(facts.valueOf(attr)), count(facts.countOf(attr)) {}

int64_t Reduction::groupSize() const { return facts.attend().getNumHeads() / shapeOf(facts.attend().getResult(result)).heads; }

tile::TileType Reduction::vectorType(Axis axis, Type element) const {
  return layout.vectors(axis, cast<VectorType>(value.getType()).getDimSize(0), element ? element : Float32Type::get(location.getContext()));
}

SmallVector<Type> Reduction::stateTypes() const {
  Type f32 = Float32Type::get(location.getContext());
  switch (attr.getKind()) {
  case ReductionKind::Softmax: {
    SmallVector<Type> types = {scalars(f32), scalars(f32)};
    if (value)
      types.push_back(hasVector() ? vectorType(layout.held) : scalars(f32));
    return types;
  }
  case ReductionKind::Sum:
    return {hasVector() ? vectorType(layout.held) : scalars(elementOf(facts.attend().getResult(result)))};
  case ReductionKind::Max:
    return {scalars(f32), scalars(f32)}; // the largest; 1 once there was a member
  case ReductionKind::Kth:
    return {tile::RankingType::get(location.getContext(), layout.size(layout.held))};
  }
  llvm_unreachable("unknown reduction");
}

SmallVector<Value> Reduction::start(OpBuilder &builder) const {
  SmallVector<Value> state;
  bool fromBelow = attr.getKind() == ReductionKind::Softmax || attr.getKind() == ReductionKind::Max;
  for (auto [n, type] : llvm::enumerate(stateTypes())) {
    if (isa<tile::RankingType>(type)) {
      state.push_back(tile::RankingOp::create(builder, location, type));
      continue;
    }
    Type element = cast<tile::TileType>(type).getElement();
    Value first = fromBelow && n == 0 ? minusInfinity(builder, location) : zeroOf(builder, location, element);
    state.push_back(tile::SplatOp::create(builder, location, type, first));
  }
  return state;
}

/// Whether a truth value says that key j is the first one of its unit.
static bool isFirstOfUnit(Value value) {
  auto equal = value.getDefiningOp<arith::CmpIOp>();
  auto start = equal && equal.getPredicate() == arith::CmpIPredicate::eq ? equal.getRhs().getDefiningOp<UnitStartOp>() : UnitStartOp();
  return start && equal.getLhs() == start.getToken();
}

/// Units are ranked where only their first keys count and the rest is the same for all of a unit: then a tile is one score per query.
bool Reduction::requestUnits(PairTile &pairs, Request &request) const {
  ValueRange yields = facts.attend().getYields(number);
  auto both = yields[1].getDefiningOp<arith::AndIOp>();
  if (!both || !isFirstOfUnit(both.getRhs()) || !facts.of(yields[0]).isOfUnit() || !facts.of(both.getLhs()).isOfUnit())
    return false;
  OpBuilder &builder = pairs.builder;
  auto tileOf = [&](Value value) -> Value {
    Value tile = pairs.ofUnit(value);
    return isa<tile::TileType>(tile.getType()) ? tile : tile::SplatOp::create(builder, location, layout.scalars(Axis::Queries, tile.getType()), tile);
  };
  Value member = pairs.ofUnit(both.getLhs());
  if (isConstant(member, 0)) {
    request.nothing = true;
    return true;
  }
  if (!isConstant(member, 1))
    request.unitMembers = tileOf(both.getLhs());
  request.unitScores = tileOf(yields[0]);
  return true;
}

Reduction::Request Reduction::request(PairTile &pairs) const {
  OpBuilder &inside = pairs.map.body();
  ValueRange yields = facts.attend().getYields(number);
  Request request;
  Value scalar = value && !hasVector() ? pairs.cloner.get(value) : Value();
  if (attr.getKind() == ReductionKind::Sum) {
    Value weight = pairs.cloner.get(yields[0]);
    if (isConstant(weight, 0)) {
      request.nothing = true;
      return request;
    }
    if (scalar)
      weight = arith::MulFOp::create(inside, location, weight, scalar);
    if (pairs.inside)
      weight = arith::SelectOp::create(inside, location, pairs.inside, weight, zeroOf(inside, location, weight.getType()));
    request.weights = pairs.map.yield(hasVector() ? asFactor(inside, weight) : weight);
    return request;
  }
  if (attr.getKind() == ReductionKind::Kth && requestUnits(pairs, request))
    return request;
  Value membership = pairs.cloner.get(yields[1]), member = membership;
  if (isConstant(membership, 0)) {
    request.nothing = true;
    return request;
  }
  Value score = pairs.cloner.get(yields[0]);
  if (membership.getType().isF32())
    member = isConstant(membership, 1) ? Value() : greater(inside, location, membership, zeroOf(inside, location, membership.getType()));
  if (member && isConstant(member, 1))
    member = {};
  member = both(inside, location, member, pairs.inside);
  if (attr.getKind() == ReductionKind::Kth) {
    request.scores = pairs.map.yield(score);
    if (member)
      request.members = pairs.map.yield(member);
    return request;
  }
  if (member)
    score = arith::SelectOp::create(inside, location, member, score, minusInfinity(inside, location));
  request.scores = pairs.map.yield(score);
  if (attr.getKind() == ReductionKind::Max && member)
    request.members = pairs.map.yield(arith::UIToFPOp::create(inside, location, inside.getF32Type(), member));
  if (attr.getKind() == ReductionKind::Softmax && membership.getType().isF32() && !isConstant(membership, 1))
    request.weights = pairs.map.yield(membership);
  if (scalar)
    request.values = pairs.map.yield(scalar);
  return request;
}

/// A weight as the product with the values takes it: in their type.
Value Reduction::asFactor(OpBuilder &builder, Value weight) const {
  return rounded(builder, location, weight, cast<VectorType>(value.getType()).getElementType());
}

Value Reduction::weighted(OpBuilder &builder, Value weights, Value values, Value accumulator, Axis reduced) const {
  // Weights are pairs: the reduced axis must be their columns, or they are taken transposed.
  return tile::DotOp::create(builder, location, vectorType(other(reduced)), weights, values, accumulator,
                             /*transposeA=*/!layout.isColumns(reduced), /*transposeB=*/false);
}

Value Reduction::along(OpBuilder &builder, tile::Combine combine, Value pairs, Axis reduced) const {
  return tile::ReduceOp::create(builder, location, layout.scalars(other(reduced), cast<tile::TileType>(pairs.getType()).getElement()),
                                combine, pairs);
}

SmallVector<Value> Reduction::stepSoftmax(OpBuilder &builder, const Request &request, ValueRange mapped, const PairTile &pairs,
                                          ValueRange state) const {
  tile::TileType perToken = scalars(builder.getF32Type());
  Value score = mapped[*request.scores];
  Value highest = along(builder, tile::Combine::Max, score, layout.swept());
  MapBuilder move(builder, location, perToken.getRows(), perToken.getColumns());
  OpBuilder &inside = move.body();
  Value old = move.scalar(state[0]), now = larger(inside, location, move.scalar(highest), old);
  Value origin = arith::SelectOp::create(inside, location, isMinusInfinity(inside, location, now), real(inside, location, 0), now);
  move.yield(now);
  move.yield(origin);
  move.yield(math::ExpOp::create(inside, location, arith::SubFOp::create(inside, location, old, origin)));
  SmallVector<Value> moved = move.finish();

  MapBuilder weigh(builder, location, layout.pairs(builder.getF32Type()).getRows(), layout.pairs(builder.getF32Type()).getColumns());
  OpBuilder &within = weigh.body();
  Value e = math::ExpOp::create(within, location, arith::SubFOp::create(within, location, weigh.scalar(score), weigh.scalar(moved[1])));
  if (request.weights)
    e = arith::MulFOp::create(within, location, e, weigh.scalar(mapped[*request.weights]));
  weigh.yield(e);
  unsigned last = 0; // what meets the values
  if (request.values)
    last = weigh.yield(arith::MulFOp::create(within, location, e, weigh.scalar(mapped[*request.values])));
  else if (hasVector())
    last = weigh.yield(asFactor(within, e));
  SmallVector<Value> weights = weigh.finish();

  auto shrunkPlus = [&](Value before, Value more) { // before * e^(old - new) + more
    SmallVector<Value> operands = {before, moved[2]};
    if (more)
      operands.push_back(more);
    return map(builder, location, cast<tile::TileType>(before.getType()), operands, [&](OpBuilder &at, ValueRange x) -> Value {
      Value shrunk = arith::MulFOp::create(at, location, x[0], x[1]);
      return more ? arith::AddFOp::create(at, location, shrunk, x[2]) : shrunk;
    });
  };
  SmallVector<Value> next = {moved[0], shrunkPlus(state[1], along(builder, tile::Combine::Add, weights[0], layout.swept()))};
  if (hasVector())
    next.push_back(weighted(builder, weights[last], pairs.swept.tiles.lookup(value), shrunkPlus(state[2], Value()), layout.swept()));
  else if (value)
    next.push_back(shrunkPlus(state[2], along(builder, tile::Combine::Add, weights[last], layout.swept())));
  return next;
}

SmallVector<Value> Reduction::step(OpBuilder &builder, const Request &request, ValueRange mapped, const PairTile &pairs,
                                   ValueRange state) const {
  if (request.nothing)
    return SmallVector<Value>(state);
  auto combine = [&](Value a, Value b, llvm::function_ref<Value(OpBuilder &, Value, Value)> write) {
    return map(builder, location, cast<tile::TileType>(a.getType()), {a, b}, [&](OpBuilder &inside, ValueRange x) { return write(inside, x[0], x[1]); });
  };
  auto largest = [&](OpBuilder &inside, Value a, Value b) { return larger(inside, location, a, b); };
  switch (attr.getKind()) {
  case ReductionKind::Softmax:
    return stepSoftmax(builder, request, mapped, pairs, state);
  case ReductionKind::Sum: {
    Value weights = mapped[*request.weights];
    if (hasVector())
      return {weighted(builder, weights, pairs.swept.tiles.lookup(value), state[0], layout.swept())};
    Value sum = along(builder, tile::Combine::Add, weights, layout.swept());
    return {combine(state[0], sum, [&](OpBuilder &inside, Value a, Value b) -> Value {
      return isa<FloatType>(a.getType()) ? arith::AddFOp::create(inside, location, a, b).getResult()
                                         : arith::AddIOp::create(inside, location, a, b).getResult();
    })};
  }
  case ReductionKind::Max: {
    Value highest = combine(state[0], along(builder, tile::Combine::Max, mapped[*request.scores], layout.swept()), largest);
    if (!request.members)
      return {highest, tile::SplatOp::create(builder, location, state[1].getType(), real(builder, location, 1))};
    return {highest, combine(state[1], along(builder, tile::Combine::Max, mapped[*request.members], layout.swept()), largest)};
  }
  case ReductionKind::Kth:
    if (request.unitScores)
      return {tile::RankOp::create(builder, location, state[0].getType(), state[0], request.unitScores, request.unitMembers)};
    return {tile::RankOp::create(builder, location, state[0].getType(), state[0], mapped[*request.scores],
                                 request.members ? mapped[*request.members] : Value())};
  }
  llvm_unreachable("unknown reduction");
}

Value Reduction::share(OpBuilder &builder, const Request &request, ValueRange mapped, const PairTile &pairs) const {
  Value weights = mapped[*request.weights];
  return hasVector() ? weighted(builder, weights, pairs.held.tiles.lookup(value), Value(), layout.held)
                     : along(builder, tile::Combine::Add, weights, layout.held);
}

SmallVector<Value> Reduction::finish(OpBuilder &builder, ValueRange state, const AxisTile &held) const {
  switch (attr.getKind()) {
  case ReductionKind::Sum:
    if (!elementOf(facts.attend().getResult(result)).isBF16())
      return {state[0]};
    return {map(builder, location, vectorType(layout.held, builder.getBF16Type()), {state[0]},
                [&](OpBuilder &inside, ValueRange x) { return rounded(inside, location, x[0], inside.getBF16Type()); })};
  case ReductionKind::Kth:
    return {tile::ThresholdOp::create(builder, location, scalars(builder.getF32Type()), state[0], held.tiles.lookup(count))};
  case ReductionKind::Max:
    return {map(builder, location, cast<tile::TileType>(state[0].getType()), {state[0], state[1]}, [&](OpBuilder &inside, ValueRange x) -> Value {
      Value seen = greater(inside, location, x[1], real(inside, location, 0));
      return arith::SelectOp::create(inside, location, seen, x[0], real(inside, location, 0));
    })};
  case ReductionKind::Softmax:
    break;
  }
  // 1 / sum (0 for an empty set), and the log-sum-exp (-inf for an empty set).
  tile::TileType perToken = scalars(builder.getF32Type());
  MapBuilder end(builder, location, perToken.getRows(), perToken.getColumns());
  OpBuilder &inside = end.body();
  Value sum = end.scalar(state[1]), zero = real(inside, location, 0);
  Value empty = arith::CmpFOp::create(inside, location, arith::CmpFPredicate::OEQ, sum, zero);
  Value inverse = arith::DivFOp::create(inside, location, real(inside, location, 1), sum);
  end.yield(arith::SelectOp::create(inside, location, empty, zero, inverse));
  Value sumOrOne = arith::SelectOp::create(inside, location, empty, real(inside, location, 1), sum);
  Value lse = arith::AddFOp::create(inside, location, end.scalar(state[0]), math::LogOp::create(inside, location, sumOrOne));
  end.yield(arith::SelectOp::create(inside, location, empty, minusInfinity(inside, location), lse));
  SmallVector<Value> ends = end.finish();
  if (!value)
    return {ends[1]};
  auto carried = cast<tile::TileType>(state[2].getType());
  Type element = elementOf(facts.attend().getResult(result));
  auto stored = hasVector() ? vectorType(layout.held, element) : carried;
  Value output = map(builder, location, stored, {state[2], ends[0]}, [&](OpBuilder &at, ValueRange x) -> Value {
    return rounded(at, location, arith::MulFOp::create(at, location, x[0], x[1]), element);
  });
  return {output, ends[1]};
}

} // namespace caa::attend
