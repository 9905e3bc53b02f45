// Interval analysis of sets, emitted as scalar code: see Intervals.h for the rules.
#include "passes/Lower/Attend/Visit.h"

using namespace mlir;

namespace caa::attend {

std::pair<Value, Value> Visits::tokens(OpBuilder &builder, Value start, int64_t size) const {
  Location location = facts.attend().getLoc();
  auto integer = [&](Value index) { return builder.createOrFold<arith::IndexCastOp>(location, builder.getI64Type(), index); };
  auto constant = [&](int64_t value) { return arith::ConstantIntOp::create(builder, location, value, 64); };
  Value low = integer(start);
  Value last = builder.createOrFold<arith::AddIOp>(location, low, constant(size - 1));
  Value end = builder.createOrFold<arith::SubIOp>(location, integer(length), constant(1));
  return {low, builder.createOrFold<arith::MinSIOp>(location, last, end)};
}

HeldFacts Visits::hold(OpBuilder &builder, const AxisTile &held) const {
  HeldFacts result{&held, {}, {}, {}};
  std::tie(result.low, result.high) = tokens(builder, held.start, layout.size(held.axis));
  for (Value value : facts.deciding(held.axis))
    result.scalars[value] = loader.bounds(builder, held, value);
  return result;
}

Visits::Leaf Visits::leaves(OpBuilder &builder, const HeadValues &head, const HeldFacts &held, Value sweptLow, Value sweptHigh,
                            Value sweptStart) const {
  Block &block = facts.attend().getBody().front();
  Axis swept = layout.swept();
  Value heldToken = block.getArgument(layout.held == Axis::Queries ? 0 : 1), sweptToken = block.getArgument(swept == Axis::Queries ? 0 : 1);
  return [=, this, &builder, &head, &held](Value value) -> std::optional<Fact<RuntimeNumbers>> {
    using F = Fact<RuntimeNumbers>;
    if (value == heldToken)
      return F{held.low, held.high, {}, {}, {}};
    if (value == sweptToken)
      return F{sweptLow, sweptHigh, {}, {}, {}};
    if (Value scalar = head.scalars.lookup(value)) {
      if (!value.getType().isInteger(1))
        return F{scalar, scalar, {}, {}, {}};
      return F{{}, {}, {}, scalar, RuntimeNumbers(builder, value.getLoc()).negate(scalar)};
    }
    Dependence on = facts.of(value);
    if (on.isOnly(layout.held) && facts.crossing(layout.held).contains(value) && on.operand)
      return held.scalars.lookup(value); // unbounded unless it decides
    if (on.isOnly(swept) && facts.crossing(swept).contains(value) && on.operand) {
      if (!sweptStart || !facts.deciding(swept).contains(value))
        return F{};
      ValueSet one;
      one.insert(value);
      AxisTile tile{swept, sweptStart, {}};
      loader.load(builder, head, tile, one, on.dot ? facts.vectors(swept) : ValueSet());
      return loader.bounds(builder, tile, value);
    }
    if (isa<BlockArgument>(value))
      return F{};
    return std::nullopt;
  };
}

Value Visits::emptiness(RuntimeNumbers &numbers, Intervals<RuntimeNumbers> &intervals) const {
  Value empty = numbers.certain();
  AttendOp attend = facts.attend();
  for (auto [r, reduction] : llvm::enumerate(attend.getReductionList()))
    empty = numbers.all(empty, intervals.isEmpty(reduction, attend.getYields(r)));
  return empty;
}

Value Visits::visit(OpBuilder &builder, const HeadValues &head, const HeldFacts &held, Value start) const {
  Location location = facts.attend().getLoc();
  auto [low, high] = tokens(builder, start, layout.size(layout.swept()));
  RuntimeNumbers numbers(builder, location);
  Intervals<RuntimeNumbers> intervals(numbers, leaves(builder, head, held, low, high, start));

  auto fits = [&](Value start, int64_t size) {
    Value end = arith::AddIOp::create(builder, location, start, arith::ConstantIndexOp::create(builder, location, size));
    return arith::CmpIOp::create(builder, location, arith::CmpIPredicate::ule, end, length);
  };
  Value inside = fits(start, layout.size(layout.swept()));
  if (heldMustBeInside)
    inside = numbers.all(inside, fits(held.tile->start, layout.size(layout.held)));

  auto number = [&](int64_t body) { return arith::ConstantIntOp::create(builder, location, body, 32); };
  Value chosen = number(0);
  // The more a body knows the later it is asked, so that the one that knows most wins.
  auto order = llvm::to_vector(llvm::seq<unsigned>(1, bodies.size()));
  llvm::stable_sort(order, [&](unsigned a, unsigned b) { return bodies[a].known.size() < bodies[b].known.size(); });
  for (unsigned body : order) {
    Value fits = inside;
    for (Operation &op : facts.attend().getBody().front()) // in their order, so that the same code comes out each time
      if (TypedAttr known = op.getNumResults() ? bodies[body].known.lookup(op.getResult(0)) : TypedAttr()) {
        Value condition = op.getResult(0);
        bool one = isa<FloatAttr>(known) ? cast<FloatAttr>(known).getValueAsDouble() == 1 : cast<BoolAttr>(known).getValue();
        fits = numbers.all(fits, one ? intervals.isOne(condition) : intervals.isZero(condition));
      }
    chosen = numbers.choose(fits, number(body), chosen);
  }
  return numbers.choose(emptiness(numbers, intervals), number(-1), chosen);
}

std::pair<Value, Value> Visits::limits(OpBuilder &builder, const HeadValues &head, const HeldFacts &held) const {
  Location location = facts.attend().getLoc();
  auto one = [&] { return arith::ConstantIntOp::create(builder, location, 1, 64); };
  auto index = [&](Value integer) { return arith::IndexCastOp::create(builder, location, builder.getIndexType(), integer); };
  RuntimeNumbers numbers(builder, location);
  auto emptyBetween = [&](Value low, Value high) {
    Intervals<RuntimeNumbers> intervals(numbers, leaves(builder, head, held, low, high, Value()));
    return emptiness(numbers, intervals);
  };
  Value next = arith::AddIOp::create(builder, location, held.high, one());
  Value upper = numbers.choose(emptyBetween(next, Value()), index(next), length);

  Value zero = arith::ConstantIntOp::create(builder, location, 0, 64);
  Value before = emptyBetween(zero, arith::SubIOp::create(builder, location, held.low, one()));
  Value step = arith::ConstantIndexOp::create(builder, location, layout.size(layout.swept()));
  Value start = arith::MulIOp::create(builder, location, arith::DivUIOp::create(builder, location, index(held.low), step), step);
  Value lower = numbers.choose(before, start, arith::ConstantIndexOp::create(builder, location, 0));
  return {lower, upper};
}

} // namespace caa::attend
