// `state S = e`: e is linear in S. Its shape follows from e itself, so e is evaluated twice: once in silence with the shape
// unknown (sizes 0), then with what that gave.
#include "frontend/Sema/Evaluator.h"

namespace caa {

// Whether the state being defined passes through `fn` in a linear way.
bool Evaluator::keepsLinear(Fn fn, const std::vector<Operand> &operands, bool &linear, Loc loc, const char *name) {
  int holders = 0;
  for (const Operand &operand : operands)
    holders += operand.value.linearInState;
  linear = holders > 0;
  if (!holders)
    return true;
  bool good = fn == Fn::Add || fn == Fn::Sub || fn == Fn::Neg || (fn == Fn::Mul && holders == 1) ||
              (fn == Fn::Div && holders == 1 && operands[0].value.linearInState) ||
              (fn == Fn::Where && !operands[0].value.linearInState);
  if (!good)
    error(loc, std::string("a state is linear in itself: `") + name + "` of what holds it is not");
  return good;
}

Value Evaluator::stateArithmetic(Fn fn, const std::vector<Operand> &operands, Loc loc, const char *name) {
  auto isState = [](const Operand &o) { return o.value.kind == Value::Kind::State; };
  Value result;
  result.kind = Value::Kind::State;
  if (!keepsLinear(fn, operands, result.linearInState, loc, name))
    return Value::poison();
  auto match = [&](int64_t a, int64_t b, const char *what, int64_t &out) {
    if (a != 0 && b != 0 && a != b) {
      error(loc, std::string("states of ") + what + " " + std::to_string(a) + " and " + std::to_string(b) + " do not add");
      return false;
    }
    out = std::max(a, b);
    return true;
  };
  if ((fn == Fn::Add || fn == Fn::Sub) && isState(operands[0]) && isState(operands[1])) {
    const Value &a = operands[0].value, &b = operands[1].value;
    if (!combineHeads(a.heads, b.heads, result.heads, loc) || !match(a.rows, b.rows, "key width", result.rows) ||
        !match(a.width, b.width, "value width", result.width))
      return Value::poison();
    return result;
  }
  if (fn == Fn::Neg) {
    Value negated = operands[0].value;
    negated.ir = nullptr;
    return negated;
  }
  size_t at = isState(operands[0]) ? 0 : 1;
  bool scales = (fn == Fn::Mul || (fn == Fn::Div && at == 0)) && operands.size() == 2 && !isState(operands[1 - at]);
  if (!scales)
    return error(loc, std::string("a state is made of `c * S`, `outer(a, b)` and their sums; `") + name + "` does not fit");
  const Value &state = operands[at].value, &factor = operands[1 - at].value;
  if (factor.isPair())
    return error(operands[1 - at].expr->start, "a pair value cannot scale a state");
  if (factor.kind == Value::Kind::Block)
    return error(operands[1 - at].expr->start, "a state runs over tokens; this is a value per block");
  if (!factor.isConstant()) {
    if (factor.elem == Elem::Bool)
      return error(operands[1 - at].expr->start, "a decay is a number; this is a truth value");
    if (factor.width != 1 && state.rows != 0 && factor.width != state.rows)
      return error(operands[1 - at].expr->start, "a decay has width 1 or the state's key width " + std::to_string(state.rows) +
                                                     "; this has width " + std::to_string(factor.width));
  } else if (!factor.constant.number()) {
    return error(operands[1 - at].expr->start, "a decay is a number; this is " + factor.constant.kind());
  }
  Value scaled = state;
  scaled.ir = nullptr;
  scaled.linearInState = result.linearInState;
  if (!factor.isConstant()) {
    if (!combineHeads(state.heads, factor.heads, scaled.heads, loc))
      return Value::poison();
    if (scaled.rows == 0 && factor.width > 1)
      scaled.rows = factor.width;
  }
  return scaled;
}

Value Evaluator::outerCall(const Expr &call, const Bound &bound) {
  if (!inAttention(call.loc, "`outer`, of a state,"))
    return Value::poison();
  Value a = wantToken(*bound.slot(0), "an operand of `outer`", true);
  Value b = eval(*bound.slot(1));
  bool one = b.isConstant() && b.constant.number();
  if (!one)
    b = wantToken(std::move(b), *bound.slot(1), "an operand of `outer`", true);
  if (a.isPoison() || b.isPoison())
    return Value::poison();
  for (const auto &[value, e] : {std::pair<const Value &, const Expr *>(a, bound.slot(0)), {b, bound.slot(1)}})
    if (value.kind == Value::Kind::Block)
      return error(e->start, "a state runs over tokens; this is a value per block");
  if (a.linearInState)
    return error(bound.slot(0)->start, "in `outer(a, b)` the state may enter by b only, as `outer(a, b @ S)`");
  Value result;
  result.kind = Value::Kind::State;
  result.rows = a.width;
  result.width = one ? 1 : b.width;
  result.linearInState = b.linearInState;
  if (!combineHeads(a.heads, one ? 1 : b.heads, result.heads, call.loc))
    return Value::poison();
  return result;
}

Value Evaluator::readState(const Expr &e, const Value &left, const Value &state) {
  const Expr &x = *e.parts[0];
  if (left.isPair())
    return error(x.start, "a state is read by a value at one token, as `x @ S`; " + subject(x) + " is a pair value");
  Value token = wantToken(left, x, "what reads a state");
  if (token.isPoison())
    return token;
  if (token.kind == Value::Kind::Block)
    return error(x.start, "a state is read at tokens; this is a value per block");
  if (token.linearInState)
    return error(x.start, "a state is linear in itself: it cannot read itself by itself");
  if (state.rows != 0 && token.width != state.rows)
    return error(e.loc, subject(x) + " has width " + std::to_string(token.width) + ", the state's keys have width " +
                            std::to_string(state.rows));
  Value result;
  result.kind = Value::Kind::Token;
  result.width = state.width;
  result.linearInState = state.linearInState;
  if (!combineHeads(token.heads, state.heads, result.heads, e.loc))
    return Value::poison();
  return result; // nothing is written: the `state` statement has been refused
}

void Evaluator::stateStatement(const Stmt &stmt) {
  const std::string &name = stmt.names[0].text;
  const Expr &e = *stmt.exprs[0];
  if (!scope || !scope->isAttention) {
    error(stmt.loc, "a `state` runs along the tokens: it lives in an attention");
    frame->vars[name] = Value::poison();
    return;
  }
  Value before;
  before.kind = Value::Kind::State;
  before.heads = before.rows = before.width = 0;
  before.linearInState = true;
  // In silence: how large is it?
  ++dry;
  diagnostics.mute();
  Naming kept = *naming;
  frame->vars[name] = before;
  Value sought = eval(e);
  *naming = kept;
  diagnostics.unmute();
  --dry;
  if (sought.kind == Value::Kind::State) {
    before.heads = sought.heads;
    before.rows = sought.rows;
    before.width = sought.width;
  }
  frame->vars[name] = before;
  Value after = eval(e);
  if (after.isPoison()) {
    frame->vars[name] = after;
    return;
  }
  if (after.kind != Value::Kind::State) {
    frame->vars[name] = error(e.start, "a state is made of `c * S`, `outer(a, b)` and their sums; this is " + kindName(after));
    return;
  }
  if (after.heads == 0 || after.rows == 0 || after.width == 0) {
    frame->vars[name] = error(e.start, "nothing here gives the state a size: add an `outer(a, b)`");
    return;
  }
  after.linearInState = false;
  if (wants())
    emitter.refuse(here(stmt.loc), "`state`");
  frame->vars[name] = after;
}

} // namespace caa
