// What acts on each component alone: arithmetic, comparisons, logic, `where`. The same rules of heads, widths and exactness
// hold for constants, per-head values, values at a token and pair values.
#include "frontend/Sema/Evaluator.h"

namespace caa {

bool Evaluator::combineHeads(int64_t a, int64_t b, int64_t &out, Loc loc) {
  if (a == 0 || b == 0) { // a state whose shape is being sought
    out = std::max(a, b);
    return true;
  }
  if (a % b == 0 || b % a == 0) {
    out = std::max(a, b);
    return true;
  }
  error(loc, std::to_string(a) + " heads and " + std::to_string(b) + " heads do not combine: neither count divides the other");
  return false;
}

bool Evaluator::combineShapes(const std::vector<Operand> &operands, int64_t &heads, int64_t &width, Loc loc, bool widths) {
  heads = 1;
  width = 1;
  for (const Operand &operand : operands) {
    const Value &v = operand.value;
    if (v.isConstant())
      continue;
    if (!combineHeads(heads, v.heads, heads, loc))
      return false;
    if (!widths)
      continue;
    if (v.width == 0 || width == 0)
      width = std::max(v.width == 1 ? 0 : v.width, width == 1 ? 0 : width);
    else if (v.width == width || v.width == 1)
      continue;
    else if (width == 1)
      width = v.width;
    else {
      error(loc, "widths " + std::to_string(width) + " and " + std::to_string(v.width) +
                     " do not combine: they are neither equal nor is one of them 1");
      return false;
    }
  }
  return true;
}

namespace {

bool isComparison(Fn fn) { return fn >= Fn::Lt && fn <= Fn::Ne; }

Elem constantElem(const Constant &c) {
  if (c.truth())
    return Elem::Bool;
  return c.number() && c.number()->isWhole() ? Elem::Int : Elem::Float;
}

Elem elemOf(const Value &v) { return v.isConstant() ? constantElem(v.constant) : v.elem; }

Elem wider(Elem a, Elem b) {
  if (a == Elem::Real || b == Elem::Real)
    return Elem::Real;
  return a == Elem::Float || b == Elem::Float ? Elem::Float : Elem::Int;
}

} // namespace

std::optional<Elem> Evaluator::resultElem(Fn fn, const std::vector<Operand> &operands, Loc, const char *name) {
  auto notNumber = [&](const Operand &operand) {
    Elem elem = elemOf(operand.value);
    if (elem == Elem::Weight || (operand.value.isPair() && elem == Elem::Bool))
      error(operand.expr->start, std::string("`") + name + "` takes numbers; " + subject(*operand.expr) +
                                     " is a set: it stands after `over`, and sets combine by `& | !`");
    else
      error(operand.expr->start, std::string("`") + name + "` takes numbers; " + subject(*operand.expr) +
                                     " is a truth value: `where(c, 1, 0)` makes a number of it");
    return std::nullopt;
  };
  size_t first = fn == Fn::Where ? 1 : 0;
  bool allBool = true;
  for (size_t k = first; k < operands.size(); ++k)
    allBool &= elemOf(operands[k].value) == Elem::Bool;
  if (fn == Fn::Where) {
    if (elemOf(operands[0].value) != Elem::Bool) {
      error(operands[0].expr->start, "the first argument of `where` is a condition; " + subject(*operands[0].expr) +
                                         " is " + elemName(elemOf(operands[0].value)));
      return std::nullopt;
    }
    if (allBool)
      return Elem::Bool;
  }
  if (fn == Fn::Stop && allBool)
    return Elem::Bool;
  if ((fn == Fn::Eq || fn == Fn::Ne) && allBool)
    return Elem::Bool;
  Elem result = Elem::Int;
  for (size_t k = first; k < operands.size(); ++k) {
    Elem elem = elemOf(operands[k].value);
    if (elem == Elem::Bool || elem == Elem::Weight)
      return notNumber(operands[k]);
    result = wider(result, elem);
  }
  if (isComparison(fn))
    return Elem::Bool;
  switch (fn) {
  case Fn::Add:
  case Fn::Sub:
  case Fn::Mul:
  case Fn::FloorDiv:
  case Fn::Rem:
  case Fn::Neg:
  case Fn::Min:
  case Fn::Max:
  case Fn::Abs:
  case Fn::Relu:
  case Fn::Where:
  case Fn::Stop:
    return result;
  case Fn::Floor:
  case Fn::Ceil:
    return result == Elem::Real ? Elem::Real : Elem::Int;
  case Fn::Pow: {
    const Value &exponent = operands[1].value;
    bool staysWhole = result == Elem::Int && exponent.isConstant() && exponent.constant.number() &&
                      !(*exponent.constant.number() < Number(0));
    return result == Elem::Int && !staysWhole ? Elem::Float : result;
  }
  default:
    return result == Elem::Real ? Elem::Real : Elem::Float;
  }
}

Value Evaluator::apply(Fn fn, const std::vector<Operand> &operands, Loc loc, const char *name) {
  bool hasPair = false, hasState = false, allConstant = true, allExact = true;
  for (const Operand &operand : operands) {
    const Value &v = operand.value;
    if (v.isPoison())
      return v;
    if (v.kind == Value::Kind::Tuple)
      return error(operand.expr->start, subject(*operand.expr) + " gives " + std::to_string(v.parts.size()) +
                                            " values: give them names in a statement of their own");
    if (v.kind == Value::Kind::Keys)
      return error(operand.expr->start, "values joined by `++` stand right of `@` only");
    if (v.isRestricted())
      return error(operand.expr->start, subject(*operand.expr) + " is restricted by `over` or joined by `++`: only a "
                                        "reduction, such as `softmax`, takes that");
    hasPair |= v.isPair();
    hasState |= v.kind == Value::Kind::State;
    allConstant &= v.isConstant();
    allExact &= v.isConstant() || (v.kind == Value::Kind::PerHead && !v.table.empty());
  }
  if (allConstant)
    return applyConstants(fn, operands, loc, name);
  for (const Operand &operand : operands)
    if (operand.value.isConstant() && !operand.value.constant.number() && !operand.value.constant.truth())
      return error(operand.expr->start, std::string("`") + name + "` takes numbers; " + subject(*operand.expr) + " is " +
                                            operand.value.constant.kind());
  if (hasState)
    return stateArithmetic(fn, operands, loc, name);
  if (hasPair)
    return applyPairs(fn, operands, loc, name);
  std::optional<Value> result = vectorLike(operands, loc);
  if (!result)
    return Value::poison();
  std::optional<Elem> elem = resultElem(fn, operands, loc, name);
  if (!elem || !combineShapes(operands, result->heads, result->width, loc))
    return Value::poison();
  result->elem = *elem;
  if (!keepsLinear(fn, operands, result->linearInState, loc, name))
    return Value::poison();
  if (allExact)
    return applyTables(fn, operands, std::move(*result), loc, name);
  if (wants()) {
    std::vector<Value> values;
    for (const Operand &operand : operands)
      values.push_back(operand.value);
    result->ir = emitter.map(fn, values, *result, here(loc));
  }
  return *result;
}

std::optional<Value> Evaluator::vectorLike(const std::vector<Operand> &operands, Loc loc) {
  Value result;
  result.kind = Value::Kind::PerHead;
  result.fromInputs = true;
  for (const Operand &operand : operands) {
    const Value &v = operand.value;
    if (v.isConstant())
      continue;
    result.fromInputs &= v.fromInputs;
    result.coversNext |= v.coversNext;
    if (v.kind == Value::Kind::PerHead)
      continue;
    if (result.kind == Value::Kind::PerHead) {
      result.kind = v.kind;
      result.axis = v.axis;
    } else if (result.kind != v.kind || result.axis != v.axis) {
      SequenceAxis other = v.kind == Value::Kind::Block ? v.axis : SequenceAxis{};
      SequenceAxis mine = result.kind == Value::Kind::Block ? result.axis : SequenceAxis{};
      error(loc, "one side runs over " + mine.str() + ", the other over " + other.str() +
                     ": `hold(x, n)` brings a block's value to tokens");
      return std::nullopt;
    }
  }
  return result;
}

Value Evaluator::applyConstants(Fn fn, const std::vector<Operand> &operands, Loc loc, const char *name) {
  auto at = [&](size_t k) -> const Constant & { return operands[k].value.constant; };
  if (fn == Fn::Eq || fn == Fn::Ne) {
    if (at(0).word() && at(1).word())
      return Value::of(Constant((at(0).word()->text == at(1).word()->text) == (fn == Fn::Eq)));
    if (at(0).truth() && at(1).truth())
      return Value::of(Constant((*at(0).truth() == *at(1).truth()) == (fn == Fn::Eq)));
  }
  if (fn == Fn::Stop)
    return operands[0].value;
  std::vector<Number> numbers;
  for (const Operand &operand : operands) {
    const Number *number = operand.value.constant.number();
    if (!number)
      return error(operand.expr->start, std::string("`") + name + "` takes numbers; " + subject(*operand.expr) + " is " +
                                            operand.value.constant.kind());
    numbers.push_back(*number);
  }
  if (isComparison(fn))
    return Value::of(Constant(compare(fn, numbers[0], numbers[1])));
  std::optional<Number> result = evaluate(fn, numbers);
  if (result)
    return Value::of(Constant(*result));
  bool division = fn == Fn::Div || fn == Fn::FloorDiv || fn == Fn::Rem;
  return error(loc, division && numbers[1].asReal() == 0 ? "division by zero"
                                                         : std::string("`") + name + "` gives no finite number here");
}

// Exact per-head values are known now: one number a head.
Value Evaluator::applyTables(Fn fn, const std::vector<Operand> &operands, Value result, Loc loc, const char *name) {
  auto at = [&](const Operand &operand, int64_t head) {
    const Value &v = operand.value;
    if (v.isConstant())
      return v.constant.truth() ? Number(*v.constant.truth() ? 1 : 0) : *v.constant.number();
    return v.table[head * v.heads / result.heads];
  };
  for (int64_t head = 0; head < result.heads; ++head) {
    std::vector<Number> numbers;
    for (const Operand &operand : operands)
      numbers.push_back(at(operand, head));
    std::optional<Number> value;
    if (isComparison(fn))
      value = Number(compare(fn, numbers[0], numbers[1]) ? 1 : 0);
    else if (fn == Fn::Where)
      value = numbers[0].asInteger() != 0 ? numbers[1] : numbers[2];
    else if (fn == Fn::And)
      value = Number(numbers[0].asInteger() & numbers[1].asInteger());
    else if (fn == Fn::Or)
      value = Number(numbers[0].asInteger() | numbers[1].asInteger());
    else if (fn == Fn::Not)
      value = Number(1 - numbers[0].asInteger());
    else
      value = evaluate(fn, numbers);
    if (!value)
      return error(loc, std::string("`") + name + "` gives no finite number at head " + std::to_string(head));
    result.table.push_back(*value);
  }
  return result;
}

// `& | !` on truth values and sets.
Value Evaluator::logic(Fn fn, const std::vector<Operand> &operands, Loc loc) {
  const char *name = fn == Fn::And ? "&" : fn == Fn::Or ? "|" : "!";
  bool hasPair = false, allConstant = true;
  for (const Operand &operand : operands) {
    const Value &v = operand.value;
    if (v.isPoison())
      return v;
    Elem elem = elemOf(v);
    bool isTruth = v.isConstant() ? v.constant.truth() != nullptr
                                  : (v.isVector() || v.isPair()) && (elem == Elem::Bool || elem == Elem::Weight);
    if (!isTruth)
      return error(operand.expr->start, std::string("`") + name + "` combines truth values and sets; " +
                                            subject(*operand.expr) + " is " +
                                            (v.isConstant() ? v.constant.kind()
                                             : v.isVector() || v.isPair() ? std::string(elemName(elem))
                                                                          : kindName(v)));
    hasPair |= v.isPair();
    allConstant &= v.isConstant();
  }
  auto truth = [&](size_t k) { return operands[k].value.isConstant() ? operands[k].value.constant.truth() : nullptr; };
  if (fn == Fn::Not && truth(0))
    return Value::of(Constant(!*truth(0)));
  if (fn != Fn::Not)
    for (size_t k : {size_t(0), size_t(1)})
      if (const bool *known = truth(k)) // true & x is x, true | x is true
        return *known == (fn == Fn::And) ? operands[1 - k].value : operands[k].value;
  if (hasPair)
    return applyPairs(fn, operands, loc, name);
  std::optional<Value> result = vectorLike(operands, loc);
  if (!result || !combineShapes(operands, result->heads, result->width, loc))
    return Value::poison();
  result->elem = Elem::Bool;
  bool allTables = true;
  for (const Operand &operand : operands)
    allTables &= !operand.value.table.empty();
  if (allTables)
    return applyTables(fn, operands, std::move(*result), loc, name);
  if (wants()) {
    std::vector<Value> values;
    for (const Operand &operand : operands)
      values.push_back(operand.value);
    result->ir = emitter.map(fn, values, *result, here(loc));
  }
  return *result;
}

Value Evaluator::unary(Fn fn, const Expr &call, const Bound &bound) {
  return apply(fn, {{eval(*bound.slot(0)), bound.slot(0)}}, call.loc, call.text.c_str());
}

// `min(a, b, ...)`, `max(a, b, ...)`: at a tie the first argument is followed.
Value Evaluator::fold(Fn fn, const Expr &call, const Bound &bound) {
  std::vector<const Expr *> all = {bound.slot(0), bound.slot(1)};
  all.insert(all.end(), bound.more.begin(), bound.more.end());
  Value result = eval(*all[0]);
  for (size_t k = 1; k < all.size(); ++k)
    result = apply(fn, {{std::move(result), all[0]}, {eval(*all[k]), all[k]}}, call.loc, call.text.c_str());
  return result;
}

// If the condition is constant, the other side does not exist.
Value Evaluator::whereCall(const Expr &call, const Bound &bound) {
  Value condition = eval(*bound.slot(0));
  if (condition.isPoison())
    return condition;
  if (condition.isConstant()) {
    const bool *truth = condition.constant.truth();
    if (!truth)
      return error(bound.slot(0)->start, "the first argument of `where` is a condition; this is " + condition.constant.kind());
    return eval(*bound.slot(*truth ? 1 : 2));
  }
  Value x = eval(*bound.slot(1)), y = eval(*bound.slot(2));
  return apply(Fn::Where, {{std::move(condition), bound.slot(0)}, {std::move(x), bound.slot(1)}, {std::move(y), bound.slot(2)}},
               call.loc, "where");
}

// A constant as a per-head value of one head.
Value Evaluator::constantVector(double value, const Value &) {
  Value result;
  result.kind = Value::Kind::PerHead;
  Number number = Number::of(value);
  result.elem = number.isWhole() ? Elem::Int : Elem::Float;
  result.table = {number};
  result.fromInputs = true;
  return result;
}

} // namespace caa
