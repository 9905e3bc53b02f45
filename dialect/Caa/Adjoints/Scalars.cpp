// Reverse-mode differentiation of scalar code. See Scalars.h.
//
// A cotangent travels with a guard, the condition outside of which it is 0. Multiplying 0 by an infinite slope would
// give NaN, so every nonlinear rule computes its contribution and then selects 0 outside the guard: that is how the
// untaken side of a select, or a pair outside an attention's set, contributes nothing at all.
#include "dialect/Caa/Adjoints/Scalars.h"

#include "llvm/ADT/TypeSwitch.h"
#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;

namespace caa {
namespace {

struct Cotangent {
  Value value, guard;
};

class ScalarAdjoint {
public:
  ScalarAdjoint(OpBuilder &builder, Block &block, const IRMapping &forward)
      : scalars(builder, block.getTerminator()->getLoc()), block(block), forward(forward) {}

  void findActive(ArrayRef<bool> wanted);
  void seed(ArrayRef<ScalarSeed> seeds);
  LogicalResult run();
  ScalarGradients finish();

private:
  LogicalResult visit(Operation *op, Cotangent c);
  LogicalResult visitPower(math::PowFOp op, Cotangent c);
  void visitSelection(Value a, Value b, Value takesA, Cotangent c);

  Value clone(Value original) const { return forward.lookupOrDefault(original); }
  bool isActive(Value original) const { return active.contains(original); }

  /// Adds a contribution that is 0 outside its guard.
  void push(Value original, Value contribution, Value guard);
  /// Adds cotangent * slope, made 0 outside the guard; `slope` is only called if anyone needs the result.
  void pushSlope(Value original, Cotangent c, llvm::function_ref<Value()> slope);
  /// Makes a contribution 0 outside the guard and adds it.
  void pushGuarded(Value original, Value contribution, Value guard) {
    push(original, guard ? scalars.select(guard, contribution) : contribution, guard);
  }
  Value both(Value guard, Value condition) { return guard ? scalars.logicalAnd(guard, condition) : condition; }
  Value either(Value a, Value b);

  ScalarBuilder scalars;
  Block &block;
  const IRMapping &forward;
  DenseSet<Value> active;
  DenseMap<Value, Cotangent> cotangents;
  DenseMap<Value, SmallVector<VectorTerm>> terms;
};

} // namespace

/// A value is active if it is a float that depends on a wanted argument.
void ScalarAdjoint::findActive(ArrayRef<bool> wanted) {
  for (auto [argument, want] : llvm::zip(block.getArguments(), wanted))
    if (want && isa<FloatType>(getElementTypeOrSelf(argument.getType())))
      active.insert(argument);
  for (Operation &op : block.without_terminator())
    if (llvm::any_of(op.getOperands(), [&](Value operand) { return isActive(operand); }))
      for (Value result : op.getResults())
        if (isa<FloatType>(result.getType()))
          active.insert(result);
}

void ScalarAdjoint::seed(ArrayRef<ScalarSeed> seeds) {
  for (const ScalarSeed &seed : seeds)
    push(seed.yielded, seed.cotangent, seed.guard);
}

Value ScalarAdjoint::either(Value a, Value b) {
  if (!a || !b)
    return {};
  if (a == b)
    return a;
  auto negates = [](Value x, Value y) {
    auto flip = x.getDefiningOp<arith::XOrIOp>();
    return flip && flip.getLhs() == y && matchPattern(flip.getRhs(), m_One());
  };
  return negates(a, b) || negates(b, a) ? Value() : scalars.logicalOr(a, b);
}

void ScalarAdjoint::push(Value original, Value contribution, Value guard) {
  if (!isActive(original))
    return;
  auto [entry, isNew] = cotangents.try_emplace(original, Cotangent{contribution, guard});
  if (!isNew)
    entry->second = {scalars.add(entry->second.value, contribution), either(entry->second.guard, guard)};
}

void ScalarAdjoint::pushSlope(Value original, Cotangent c, llvm::function_ref<Value()> slope) {
  if (!isActive(original))
    return;
  Value factor = slope();
  Value product = scalars.mul(c.value, factor);
  std::optional<double> known = constantOf(factor);
  if (known && std::isfinite(*known))
    push(original, product, c.guard); // 0 stays 0
  else
    pushGuarded(original, product, c.guard);
}

LogicalResult ScalarAdjoint::run() {
  for (Operation &op : llvm::reverse(block.without_terminator())) {
    if (op.getNumResults() != 1)
      continue;
    auto entry = cotangents.find(op.getResult(0));
    if (entry == cotangents.end())
      continue;
    scalars.setLocation(op.getLoc());
    if (failed(visit(&op, Cotangent(entry->second))))
      return failure();
  }
  return success();
}

/// max and min: the whole gradient to the operand that is taken.
void ScalarAdjoint::visitSelection(Value a, Value b, Value takesA, Cotangent c) {
  Value guardA = both(c.guard, takesA);
  push(a, scalars.select(takesA, c.value), guardA);
  if (isActive(b)) {
    Value takesB = scalars.logicalNot(takesA);
    push(b, scalars.select(takesB, c.value), both(c.guard, takesB));
  }
}

LogicalResult ScalarAdjoint::visitPower(math::PowFOp op, Cotangent c) {
  Value base = clone(op.getLhs()), exponent = clone(op.getRhs()), result = clone(op.getResult());
  auto power = [&](Value x, Value y) -> Value { return math::PowFOp::create(scalars.getBuilder(), op.getLoc(), x, y); };
  pushSlope(op.getLhs(), c, [&]() -> Value {
    std::optional<double> n = constantOf(op.getRhs());
    Type type = base.getType();
    if (n && (*n == 0 || *n == 1))
      return scalars.constant(*n, type);
    if (n && *n == 2)
      return scalars.add(base, base);
    Value slope = scalars.mul(exponent, power(base, scalars.sub(exponent, scalars.constant(1, type))));
    if (n)
      return slope;
    Value zero = scalars.constant(0, type);
    return scalars.select(scalars.compare(arith::CmpFPredicate::UNE, exponent, zero), slope, zero);
  });
  if (isActive(op.getRhs())) {
    Value positive = scalars.compare(arith::CmpFPredicate::OGT, base, scalars.constant(0, base.getType()));
    Value guard = both(c.guard, positive);
    pushGuarded(op.getRhs(), scalars.mul(c.value, scalars.mul(result, scalars.unary<math::LogOp>(base))), guard);
  }
  return success();
}

LogicalResult ScalarAdjoint::visit(Operation *op, Cotangent c) {
  using P = arith::CmpFPredicate;
  Value result = clone(op->getResult(0));
  Type type = result.getType();
  Value first = op->getNumOperands() > 0 ? op->getOperand(0) : Value();
  Value x = first ? clone(first) : Value();
  auto number = [&](double value) { return scalars.constant(value, type); };
  auto slope = [&](llvm::function_ref<Value()> compute) {
    pushSlope(first, c, compute);
    return success();
  };
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](arith::AddFOp add) {
        push(add.getLhs(), c.value, c.guard);
        push(add.getRhs(), c.value, c.guard);
        return success();
      })
      .Case([&](arith::SubFOp sub) {
        push(sub.getLhs(), c.value, c.guard);
        if (isActive(sub.getRhs()))
          push(sub.getRhs(), scalars.neg(c.value), c.guard);
        return success();
      })
      .Case([&](arith::NegFOp neg) {
        push(neg.getOperand(), scalars.neg(c.value), c.guard);
        return success();
      })
      .Case([&](arith::MulFOp mul) {
        if (mul.getLhs() == mul.getRhs())
          return slope([&] { return scalars.add(x, x); });
        pushSlope(mul.getLhs(), c, [&] { return clone(mul.getRhs()); });
        pushSlope(mul.getRhs(), c, [&] { return clone(mul.getLhs()); });
        return success();
      })
      .Case([&](arith::DivFOp div) {
        Value divisor = clone(div.getRhs());
        if (std::optional<double> n = constantOf(divisor)) {
          pushSlope(div.getLhs(), c, [&] { return number(1 / *n); });
          return success();
        }
        Value quotient = scalars.div(c.value, divisor);
        if (isActive(div.getLhs()))
          pushGuarded(div.getLhs(), quotient, c.guard);
        if (isActive(div.getRhs()))
          pushGuarded(div.getRhs(), scalars.neg(scalars.mul(quotient, result)), c.guard);
        return success();
      })
      .Case([&](math::FmaOp fma) {
        pushSlope(fma.getA(), c, [&] { return clone(fma.getB()); });
        pushSlope(fma.getB(), c, [&] { return clone(fma.getA()); });
        push(fma.getC(), c.value, c.guard);
        return success();
      })
      .Case([&](math::PowFOp power) { return visitPower(power, c); })
      .Case([&](math::ExpOp) { return slope([&] { return result; }); })
      .Case([&](math::Exp2Op) { return slope([&] { return scalars.mul(result, number(std::log(2.0))); }); })
      .Case([&](math::LogOp) { return slope([&] { return scalars.div(number(1), x); }); })
      .Case([&](math::Log2Op) { return slope([&] { return scalars.div(number(1 / std::log(2.0)), x); }); })
      .Case([&](math::Log1pOp) { return slope([&] { return scalars.div(number(1), scalars.add(number(1), x)); }); })
      .Case([&](math::SqrtOp) { // slope 0 at 0
        Value positive = scalars.compare(P::OGT, x, number(0));
        pushGuarded(first, scalars.div(c.value, scalars.add(result, result)), both(c.guard, positive));
        return success();
      })
      .Case([&](math::RsqrtOp) {
        return slope([&] { return scalars.mul(number(-0.5), scalars.mul(result, scalars.mul(result, result))); });
      })
      .Case([&](math::TanhOp) { return slope([&] { return scalars.sub(number(1), scalars.mul(result, result)); }); })
      .Case([&](SigmoidOp) { return slope([&] { return scalars.mul(result, scalars.sub(number(1), result)); }); })
      .Case([&](SoftplusOp) { return slope([&] { return scalars.unary<SigmoidOp>(x); }); })
      .Case([&](math::AbsFOp) { // 0 at 0
        Value positive = scalars.compare(P::OGT, x, number(0)), negative = scalars.compare(P::OLT, x, number(0));
        push(first, scalars.select(positive, c.value, scalars.select(negative, scalars.neg(c.value))), c.guard);
        return success();
      })
      .Case([&](ClipOp) { // strictly inside (0, 1) only
        Value above = scalars.compare(P::OGT, x, number(0)), below = scalars.compare(P::OLT, x, number(1));
        Value inside = scalars.logicalAnd(above, below);
        push(first, scalars.select(inside, c.value), both(c.guard, inside));
        return success();
      })
      .Case<math::FloorOp, math::CeilOp, math::RoundOp, math::RoundEvenOp, math::TruncOp>(
          [](auto) { return success(); })
      .Case([&](arith::SelectOp select) {
        Value condition = clone(select.getCondition());
        if (isActive(select.getTrueValue()))
          push(select.getTrueValue(), scalars.select(condition, c.value), both(c.guard, condition));
        if (isActive(select.getFalseValue())) {
          Value opposite = scalars.logicalNot(condition);
          push(select.getFalseValue(), scalars.select(opposite, c.value), both(c.guard, opposite));
        }
        return success();
      })
      .Case<arith::MaximumFOp, arith::MaxNumFOp>([&](auto max) { // at a tie the first operand
        visitSelection(max.getLhs(), max.getRhs(), scalars.compare(P::OGE, x, clone(max.getRhs())), c);
        return success();
      })
      .Case<arith::MinimumFOp, arith::MinNumFOp>([&](auto min) {
        visitSelection(min.getLhs(), min.getRhs(), scalars.compare(P::OLE, x, clone(min.getRhs())), c);
        return success();
      })
      .Case([&](RoundBf16Op round) {
        push(round.getValue(), c.value, c.guard);
        return success();
      })
      .Case([&](arith::ExtFOp extend) {
        push(first, arith::TruncFOp::create(scalars.getBuilder(), op->getLoc(), x.getType(), c.value), c.guard);
        return success();
      })
      .Case([&](arith::TruncFOp truncate) {
        push(first, arith::ExtFOp::create(scalars.getBuilder(), op->getLoc(), x.getType(), c.value), c.guard);
        return success();
      })
      .Case([&](DotOp dot) {
        for (auto [row, other] : {std::pair(dot.getQuery(), dot.getKey()), std::pair(dot.getKey(), dot.getQuery())}) {
          if (!isActive(row))
            continue;
          SmallVector<VectorTerm> &list = terms[row];
          auto same = llvm::find_if(list, [&](const VectorTerm &term) { return term.other == other; });
          if (same == list.end())
            list.push_back({c.value, other});
          else
            same->weight = scalars.add(same->weight, c.value);
        }
        return success();
      })
      .Default([](Operation *unknown) { return unknown->emitError("this operation has no derivative rule"); });
}

ScalarGradients ScalarAdjoint::finish() {
  ScalarGradients gradients;
  for (Value argument : block.getArguments()) {
    gradients.scalars.push_back(cotangents.lookup(argument).value);
    gradients.vectors.push_back(terms.lookup(argument));
  }
  return gradients;
}

void cloneScalars(OpBuilder &builder, Block &block, IRMapping &forward) {
  for (Operation &op : block.without_terminator())
    builder.clone(op, forward);
}

FailureOr<ScalarGradients> differentiateScalars(OpBuilder &builder, Block &block, const IRMapping &forward,
                                                ArrayRef<ScalarSeed> seeds, ArrayRef<bool> wanted) {
  ScalarAdjoint adjoint(builder, block, forward);
  adjoint.findActive(wanted);
  adjoint.seed(seeds);
  if (failed(adjoint.run()))
    return failure();
  return adjoint.finish();
}

} // namespace caa
