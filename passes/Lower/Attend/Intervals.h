// Interval arithmetic over an attend's region: what is certain of a scalar when its inputs are known to within bounds.
//
// The same rules serve two kinds of numbers: SSA values, for the code that decides at run time whether a tile is visited
// (Visit.h), and constants, for what the compiler wants to know itself (CountVisits.h). `Numbers` provides
//
//   Number, Truth                  default-constructed: unbounded, never certain
//   bool has(Number), sure(Truth)  whether it is there at all; whether it is certainly true
//   constant(Number)               its value where the compiler knows it
//   number(double, Type)
//   apply(Operation *, ArrayRef<Number>)      the op itself on numbers: bounds round as the values do
//   multipleBelow(a, k)                       the largest multiple of k that is not above a, which is at least 0
//   less(a, b), lessEqual(a, b), equal(a, b), subtract(a, b)
//   least(a, b), most(a, b), choose(Truth, a, b)
//   certain(), all(a, b), any(a, b)           of truths
//
// Only ops that are monotone *as computed* are applied to bounds. Of exp, tanh and the like only the range is used: their
// approximations need not be monotone to the last bit.
#pragma once

#include "dialect/Caa/CaaDialect.h"

#include "llvm/ADT/DenseMap.h"
#include "mlir/IR/Matchers.h"

#include <functional>

namespace caa::attend {

/// What is certain of one scalar. Numbers have bounds; `zero` says that one is exactly 0. Truth values are `yes`, `no` or open.
template <typename Numbers> struct Fact {
  typename Numbers::Number low{}, high{};
  typename Numbers::Truth zero{}, yes{}, no{};
};

template <typename Numbers> class Intervals {
public:
  using Number = typename Numbers::Number;
  using Truth = typename Numbers::Truth;
  using F = Fact<Numbers>;

  /// `leaf` gives the facts of region arguments and of other values that are bounded from outside; none for the rest.
  Intervals(Numbers &numbers, std::function<std::optional<F>(mlir::Value)> leaf) : n(numbers), leaf(std::move(leaf)) {}

  F of(mlir::Value value) {
    auto known = facts.find(value);
    if (known != facts.end())
      return known->second;
    std::optional<F> given = leaf(value);
    F fact = given ? *given : value.getDefiningOp() ? compute(value.getDefiningOp(), value) : F{};
    facts[value] = fact;
    return fact;
  }

  /// Certainly exactly 0, or certainly false.
  Truth isZero(mlir::Value value) {
    F f = of(value);
    if (value.getType().isInteger(1))
      return f.no;
    return n.any(f.zero, n.all(atMost(f.high, 0, value), atLeast(f.low, 0, value)));
  }
  /// Certainly exactly 1, or certainly true.
  Truth isOne(mlir::Value value) {
    F f = of(value);
    if (value.getType().isInteger(1))
      return f.yes;
    return n.all(atMost(f.high, 1, value), atLeast(f.low, 1, value));
  }
  /// Certainly no member: false, or a weight of at most 0.
  Truth isNoMember(mlir::Value value) {
    F f = of(value);
    return value.getType().isInteger(1) ? f.no : n.any(isZero(value), atMost(f.high, 0, value));
  }
  /// Whether no pair can contribute to a reduction that was given these scalars.
  Truth isEmpty(ReductionAttr reduction, mlir::ValueRange yields) {
    return reduction.getKind() == ReductionKind::Sum ? isZero(yields[0]) : isNoMember(yields[1]);
  }

private:
  Truth atMost(Number bound, double limit, mlir::Value like) {
    return n.has(bound) ? n.lessEqual(bound, n.number(limit, like.getType())) : Truth{};
  }
  Truth atLeast(Number bound, double limit, mlir::Value like) {
    return n.has(bound) ? n.lessEqual(n.number(limit, like.getType()), bound) : Truth{};
  }
  Number apply(mlir::Operation *op, llvm::ArrayRef<Number> bounds) {
    for (Number bound : bounds)
      if (!n.has(bound))
        return {};
    return n.apply(op, bounds);
  }
  F range(std::optional<double> low, std::optional<double> high, mlir::Type type) {
    F f;
    if (low)
      f.low = n.number(*low, type);
    if (high)
      f.high = n.number(*high, type);
    return f;
  }
  F operand(mlir::Operation *op, unsigned number) { return of(op->getOperand(number)); }

  F compute(mlir::Operation *op, mlir::Value value);
  F product(mlir::Operation *op);
  F quotient(mlir::Operation *op);
  F selection(mlir::arith::SelectOp op);
  F comparison(mlir::Operation *op, unsigned smaller, bool orEqual);
  F equality(mlir::Operation *op, bool negated);
  F compareIntegers(mlir::arith::CmpIOp op);
  F compareFloats(mlir::arith::CmpFOp op);
  F remainder(mlir::Operation *op);

  Numbers &n;
  std::function<std::optional<F>(mlir::Value)> leaf;
  llvm::DenseMap<mlir::Value, F> facts;
};

template <typename Numbers> Fact<Numbers> Intervals<Numbers>::compute(mlir::Operation *op, mlir::Value value) {
  using namespace mlir;
  Type type = value.getType();
  bool truth = type.isInteger(1);
  Attribute constant;
  if (matchPattern(op, m_Constant(&constant))) {
    F f;
    if (auto number = dyn_cast<FloatAttr>(constant))
      f.low = f.high = n.number(number.getValueAsDouble(), type);
    else if (auto number = dyn_cast<IntegerAttr>(constant); number && !truth)
      f.low = f.high = n.number(double(number.getValue().getSExtValue()), type);
    else if (number)
      (number.getValue().getBoolValue() ? f.yes : f.no) = n.certain();
    return f;
  }
  if (truth) {
    if (auto compare = dyn_cast<arith::CmpIOp>(op); compare && !compare.getLhs().getType().isInteger(1))
      return compareIntegers(compare);
    if (auto compare = dyn_cast<arith::CmpFOp>(op))
      return compareFloats(compare);
    if (auto select = dyn_cast<arith::SelectOp>(op))
      return selection(select);
    if (auto any = dyn_cast<UnitAnyOp>(op)) { // bounds are over whole units
      F member = of(any.getMember());
      return {{}, {}, {}, member.yes, member.no};
    }
    if (!isa<arith::AndIOp, arith::OrIOp, arith::XOrIOp>(op))
      return {};
    F a = operand(op, 0), b = operand(op, 1), f;
    if (isa<arith::AndIOp>(op)) {
      f.yes = n.all(a.yes, b.yes);
      f.no = n.any(a.no, b.no);
    } else if (isa<arith::OrIOp>(op)) {
      f.yes = n.any(a.yes, b.yes);
      f.no = n.all(a.no, b.no);
    } else {
      f.yes = n.any(n.all(a.yes, b.no), n.all(a.no, b.yes));
      f.no = n.any(n.all(a.yes, b.yes), n.all(a.no, b.no));
    }
    return f;
  }
  F f;
  if (isa<arith::UIToFPOp, arith::ExtUIOp>(op) && op->getOperand(0).getType().isInteger(1)) {
    F a = operand(op, 0);
    Number zero = n.number(0, type), one = n.number(1, type);
    return {n.choose(a.yes, one, zero), n.choose(a.no, zero, one), a.no, {}, {}};
  }
  if (isa<arith::AddFOp, arith::AddIOp>(op)) {
    F a = operand(op, 0), b = operand(op, 1);
    return {apply(op, {a.low, b.low}), apply(op, {a.high, b.high}), n.all(isZero(op->getOperand(0)), isZero(op->getOperand(1))), {}, {}};
  }
  if (isa<arith::SubFOp, arith::SubIOp>(op)) {
    F a = operand(op, 0), b = operand(op, 1);
    return {apply(op, {a.low, b.high}), apply(op, {a.high, b.low}), n.all(isZero(op->getOperand(0)), isZero(op->getOperand(1))), {}, {}};
  }
  if (isa<arith::MulFOp, arith::MulIOp>(op))
    return product(op);
  if (isa<arith::DivFOp, arith::FloorDivSIOp, arith::DivSIOp, arith::CeilDivSIOp>(op))
    return quotient(op);
  if (isa<arith::RemSIOp>(op))
    return remainder(op);
  if (auto start = dyn_cast<UnitStartOp>(op)) {
    F a = of(start.getToken()), f;
    auto down = [&](Number token) { return n.has(token) ? n.multipleBelow(token, start.getUnit()) : Number{}; };
    return {down(a.low), down(a.high), {}, {}, {}};
  }
  if (auto select = dyn_cast<arith::SelectOp>(op))
    return selection(select);
  if (isa<arith::NegFOp>(op)) {
    F a = operand(op, 0);
    return {apply(op, {a.high}), apply(op, {a.low}), isZero(op->getOperand(0)), {}, {}};
  }
  if (isa<arith::MinSIOp, arith::MinimumFOp, arith::MinNumFOp>(op)) {
    F a = operand(op, 0), b = operand(op, 1);
    f.low = apply(op, {a.low, b.low});
    f.high = n.has(a.high) && n.has(b.high) ? n.apply(op, {a.high, b.high}) : n.has(a.high) ? a.high : b.high;
    return f;
  }
  if (isa<arith::MaxSIOp, arith::MaximumFOp, arith::MaxNumFOp>(op)) {
    F a = operand(op, 0), b = operand(op, 1);
    f.low = n.has(a.low) && n.has(b.low) ? n.apply(op, {a.low, b.low}) : n.has(a.low) ? a.low : b.low;
    f.high = apply(op, {a.high, b.high});
    return f;
  }
  // Monotone: bounds go through the op itself.
  if (isa<arith::SIToFPOp, arith::FPToSIOp, arith::ExtFOp, arith::TruncFOp, arith::ExtSIOp, math::FloorOp, math::CeilOp, math::SqrtOp,
          RoundBf16Op>(op) ||
      (isa<arith::ExtUIOp, arith::IndexCastOp>(op))) {
    F a = operand(op, 0);
    return {apply(op, {a.low}), apply(op, {a.high}), isa<arith::FPToSIOp, arith::ExtUIOp>(op) ? Truth{} : isZero(op->getOperand(0)), {}, {}};
  }
  if (isa<ClipOp>(op)) {
    F a = operand(op, 0), f = range(0, 1, type);
    if (n.has(a.low))
      f.low = n.apply(op, {a.low});
    if (n.has(a.high))
      f.high = n.apply(op, {a.high});
    return f;
  }
  if (isa<SigmoidOp, RandomOp>(op))
    return range(0, 1, type);
  if (isa<math::TanhOp, math::SinOp, math::CosOp>(op))
    return range(-1, 1, type);
  if (isa<math::ExpOp, math::Exp2Op, SoftplusOp, math::AbsFOp>(op))
    return range(0, std::nullopt, type);
  return f;
}

template <typename Numbers> Fact<Numbers> Intervals<Numbers>::product(mlir::Operation *op) {
  F f;
  f.zero = n.any(isZero(op->getOperand(0)), isZero(op->getOperand(1)));
  F a = operand(op, 0), b = operand(op, 1);
  auto constant = [&](const F &side) { return n.has(side.low) && n.has(side.high) ? n.constant(side.low) : std::nullopt; };
  std::optional<double> left = constant(a), right = constant(b);
  if (left && n.constant(a.high) == left)
    std::swap(a, b);
  else if (!right || n.constant(b.high) != right) {
    if (!n.has(a.low) || !n.has(a.high) || !n.has(b.low) || !n.has(b.high))
      return f;
    Number p = n.apply(op, {a.low, b.low}), q = n.apply(op, {a.low, b.high}), r = n.apply(op, {a.high, b.low}),
           s = n.apply(op, {a.high, b.high});
    f.low = n.least(n.least(p, q), n.least(r, s));
    f.high = n.most(n.most(p, q), n.most(r, s));
    return f;
  }
  bool negative = *n.constant(b.low) < 0; // b is a constant: its sign decides which end is which
  f.low = apply(op, {negative ? a.high : a.low, b.low});
  f.high = apply(op, {negative ? a.low : a.high, b.low});
  return f;
}

template <typename Numbers> Fact<Numbers> Intervals<Numbers>::quotient(mlir::Operation *op) {
  F a = operand(op, 0), b = operand(op, 1), f;
  f.zero = isZero(op->getOperand(0));
  if (!n.has(b.low) || !n.has(b.high))
    return f;
  std::optional<double> divisor = n.constant(b.low);
  if (!divisor || n.constant(b.high) != divisor || *divisor == 0)
    return f;
  f.low = apply(op, {*divisor < 0 ? a.high : a.low, b.low});
  f.high = apply(op, {*divisor < 0 ? a.low : a.high, b.low});
  return f;
}

template <typename Numbers> Fact<Numbers> Intervals<Numbers>::remainder(mlir::Operation *op) {
  F a = operand(op, 0), b = operand(op, 1);
  std::optional<double> divisor = n.has(b.low) ? n.constant(b.low) : std::nullopt;
  if (!divisor || n.constant(b.high) != divisor || *divisor <= 0)
    return {};
  mlir::Type type = op->getResult(0).getType();
  F f = range(-(*divisor - 1), *divisor - 1, type);
  if (!n.has(a.low) || !n.has(a.high))
    return f;
  // Within one period, from 0 on, the remainder is monotone: true where it moves as far as the dividend.
  Number zero = n.number(0, type), low = n.apply(op, {a.low, b.low}), high = n.apply(op, {a.high, b.low});
  Truth same = n.all(n.lessEqual(zero, a.low), n.equal(n.subtract(high, low), n.subtract(a.high, a.low)));
  f.low = n.choose(same, low, n.choose(n.lessEqual(zero, a.low), zero, f.low));
  f.high = n.choose(same, high, f.high);
  return f;
}

template <typename Numbers> Fact<Numbers> Intervals<Numbers>::selection(mlir::arith::SelectOp op) {
  F c = of(op.getCondition());
  if (n.sure(c.yes))
    return of(op.getTrueValue());
  if (n.sure(c.no))
    return of(op.getFalseValue());
  F a = of(op.getTrueValue()), b = of(op.getFalseValue()), f;
  auto either = [&](Truth x, Truth y) { return n.any(n.all(x, y), n.any(n.all(c.yes, x), n.all(c.no, y))); };
  if (op.getType().isInteger(1)) {
    f.yes = either(a.yes, b.yes);
    f.no = either(a.no, b.no);
    return f;
  }
  f.zero = either(isZero(op.getTrueValue()), isZero(op.getFalseValue()));
  if (n.has(a.low) && n.has(b.low))
    f.low = n.choose(c.yes, a.low, n.choose(c.no, b.low, n.least(a.low, b.low)));
  if (n.has(a.high) && n.has(b.high))
    f.high = n.choose(c.yes, a.high, n.choose(c.no, b.high, n.most(a.high, b.high)));
  return f;
}

template <typename Numbers>
Fact<Numbers> Intervals<Numbers>::comparison(mlir::Operation *op, unsigned smaller, bool orEqual) {
  F a = operand(op, smaller), b = operand(op, 1 - smaller), f; // a < b, or a <= b
  if (n.has(a.high) && n.has(b.low))
    f.yes = orEqual ? n.lessEqual(a.high, b.low) : n.less(a.high, b.low);
  if (n.has(a.low) && n.has(b.high))
    f.no = orEqual ? n.less(b.high, a.low) : n.lessEqual(b.high, a.low);
  return f;
}

template <typename Numbers> Fact<Numbers> Intervals<Numbers>::equality(mlir::Operation *op, bool negated) {
  F a = operand(op, 0), b = operand(op, 1);
  Truth equal{}, apart{};
  if (n.has(a.low) && n.has(a.high) && n.has(b.low) && n.has(b.high)) {
    equal = n.all(n.lessEqual(a.high, b.low), n.lessEqual(b.high, a.low));
    apart = n.any(n.less(a.high, b.low), n.less(b.high, a.low));
  }
  F f;
  f.yes = negated ? apart : equal;
  f.no = negated ? equal : apart;
  return f;
}

template <typename Numbers> Fact<Numbers> Intervals<Numbers>::compareIntegers(mlir::arith::CmpIOp op) {
  using P = mlir::arith::CmpIPredicate;
  switch (op.getPredicate()) {
  case P::slt: return comparison(op, 0, false);
  case P::sle: return comparison(op, 0, true);
  case P::sgt: return comparison(op, 1, false);
  case P::sge: return comparison(op, 1, true);
  case P::eq: return equality(op, false);
  case P::ne: return equality(op, true);
  default: return {};
  }
}

template <typename Numbers> Fact<Numbers> Intervals<Numbers>::compareFloats(mlir::arith::CmpFOp op) {
  using P = mlir::arith::CmpFPredicate;
  switch (op.getPredicate()) {
  case P::OLT: case P::ULT: return comparison(op, 0, false);
  case P::OLE: case P::ULE: return comparison(op, 0, true);
  case P::OGT: case P::UGT: return comparison(op, 1, false);
  case P::OGE: case P::UGE: return comparison(op, 1, true);
  case P::OEQ: case P::UEQ: return equality(op, false);
  case P::ONE: case P::UNE: return equality(op, true);
  default: return {};
  }
}

} // namespace caa::attend
