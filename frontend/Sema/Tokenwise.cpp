// Operations at one token without parameters, and those that pool or shift along the sequence.
#include "frontend/Sema/Evaluator.h"

namespace caa {

namespace {

// A fresh result of the kind of `x`.
Value like(const Value &x) {
  Value result = x;
  result.parameter = nullptr;
  result.table.clear();
  result.isRounded = result.isFp32 = false;
  result.ir = nullptr;
  return result;
}

} // namespace

Value Evaluator::ropeCall(const Expr &call, const Bound &bound) {
  Value x = wantToken(*bound.slot(0), "what `rope` turns");
  std::optional<Number> theta = wantNumber(*bound.slot(1), "`theta`");
  if (x.isPoison() || !theta)
    return Value::poison();
  if (!(Number(0) < *theta))
    return error(bound.slot(1)->start, "`theta` is positive; this is " + theta->str());
  if (x.elem == Elem::Bool)
    return error(bound.slot(0)->start, "`rope` takes numbers; this is a truth value");
  if (x.width % 2 != 0)
    return error(call.loc, "`rope` turns pairs of components: the width is even; here it is " + std::to_string(x.width));
  if (x.linearInState)
    return error(call.loc, "the state being defined may enter by `+ - * /` and `@` only");
  Value result = like(x);
  result.elem = Elem::Real;
  result.fromInputs = false;
  if (wants() && x.kind == Value::Kind::Block)
    emitter.refuse(here(call.loc), "`rope` of blocks");
  else if (wants())
    result.ir = emitter.rope(x, theta->asReal(), result, here(call.loc));
  return result;
}

Value Evaluator::splitCall(const Expr &call, const Bound &bound) {
  Value x = wantToken(*bound.slot(0), "what is split", true);
  std::vector<const Expr *> exprs = {bound.slot(1)};
  exprs.insert(exprs.end(), bound.more.begin(), bound.more.end());
  std::vector<int64_t> sizes;
  int64_t total = 0;
  for (const Expr *e : exprs) {
    std::optional<int64_t> size = wantSize(*e, "a size");
    if (!size)
      return Value::poison();
    sizes.push_back(*size);
    total += *size;
  }
  if (x.isPoison())
    return x;
  if (total != x.width)
    return error(call.loc, "the sizes add up to " + std::to_string(total) + ", the width is " + std::to_string(x.width));
  if (x.linearInState)
    return error(call.loc, "the state being defined may enter by `+ - * /` and `@` only");
  Value tuple;
  tuple.kind = Value::Kind::Tuple;
  int64_t start = 0;
  for (int64_t size : sizes) {
    Value part = like(x);
    part.width = size;
    part.table = x.table;
    if (wants() && x.table.empty())
      part.ir = emitter.slice(x, start, part, here(call.loc));
    start += size;
    tuple.parts.push_back(std::move(part));
  }
  return tuple.parts.size() == 1 ? tuple.parts[0] : tuple;
}

Value Evaluator::concatCall(const Expr &call, const Bound &bound) {
  std::vector<const Expr *> exprs = {bound.slot(0)};
  exprs.insert(exprs.end(), bound.more.begin(), bound.more.end());
  std::vector<Operand> operands;
  bool good = true, allConstant = true;
  for (const Expr *e : exprs) {
    Value value = eval(*e);
    if (value.isConstant() && value.constant.number())
      value = constantVector(value.constant.number()->asReal(), value);
    else {
      value = wantToken(std::move(value), *e, "what is joined", true);
      allConstant = false;
    }
    good &= !value.isPoison();
    if (value.isVector() && value.elem == Elem::Bool) {
      error(e->start, "`concat` takes numbers; this is a truth value");
      good = false;
    }
    operands.push_back({std::move(value), e});
  }
  if (!good)
    return Value::poison();
  if (allConstant)
    return error(call.loc, "`concat` needs a vector; here are constants alone");
  std::optional<Value> result = vectorLike(operands, call.loc);
  if (!result || !combineShapes(operands, result->heads, result->width, call.loc, /*widths=*/false))
    return Value::poison();
  result->width = 0;
  std::vector<Value> values;
  for (const Operand &operand : operands) {
    if (operand.value.linearInState)
      return error(operand.expr->start, "the state being defined may enter by `+ - * /` and `@` only");
    result->width += operand.value.width;
    values.push_back(operand.value);
  }
  if (wants())
    result->ir = emitter.concat(values, *result, here(call.loc));
  return *result;
}

Value Evaluator::reshapeCall(const Expr &call, const Bound &bound) {
  Value x = wantToken(*bound.slot(0), "what is reshaped", true);
  std::optional<Size> shape = wantShape(*bound.slot(1));
  if (x.isPoison() || !shape)
    return Value::poison();
  if (x.linearInState)
    return error(call.loc, "the state being defined may enter by `+ - * /` and `@` only");
  if (x.heads * x.width != shape->heads * shape->width)
    return error(call.loc, std::to_string(x.heads) + (x.heads == 1 ? " head" : " heads") + " of width " + std::to_string(x.width) + " are " +
                               std::to_string(x.heads * x.width) + " components; [" + std::to_string(shape->heads) + ", " +
                               std::to_string(shape->width) + "] are " + std::to_string(shape->heads * shape->width));
  Value result = like(x);
  result.heads = shape->heads;
  result.width = shape->width;
  if (!x.table.empty()) // exact per-head values have width 1: they become what their heads were
    result.elem = x.elem;
  if (wants())
    result.ir = emitter.reshape(x, result, here(call.loc));
  return result;
}

Value Evaluator::kronCall(const Expr &call, const Bound &bound) {
  std::vector<Operand> operands;
  for (size_t k : {0, 1})
    operands.push_back({wantToken(*bound.slot(k), "an operand of `kron`", true), bound.slot(k)});
  if (operands[0].value.isPoison() || operands[1].value.isPoison())
    return Value::poison();
  std::optional<Value> result = vectorLike(operands, call.loc);
  if (!result || !combineShapes(operands, result->heads, result->width, call.loc, /*widths=*/false))
    return Value::poison();
  bool linear = false;
  if (!keepsLinear(Fn::Mul, operands, linear, call.loc, "kron"))
    return Value::poison();
  if (linear)
    return error(call.loc, "the state being defined may enter by `+ - * /` and `@` only");
  result->width = operands[0].value.width * operands[1].value.width;
  result->ir = wants() ? emitter.refuse(here(call.loc), "`kron`") : nullptr;
  return *result;
}

// x / sqrt(sum x^2 + 1e-6)
Value Evaluator::unitNormCall(const Expr &call, const Bound &bound) {
  Value x = wantToken(*bound.slot(0), "what is normed", true);
  if (x.isPoison())
    return x;
  if (x.linearInState)
    return error(call.loc, "a state is linear in itself: `unit_norm` of what holds it is not");
  if (x.elem == Elem::Bool)
    return error(bound.slot(0)->start, "`unit_norm` takes numbers; this is a truth value");
  Value result = like(x);
  result.elem = Elem::Real;
  result.fromInputs = false;
  if (wants())
    result.ir = emitter.unitNorm(x, result, here(call.loc));
  return result;
}

Value Evaluator::stopCall(const Expr &call, const Bound &bound) {
  Value x = eval(*bound.slot(0));
  if (x.linearInState)
    return error(call.loc, "what holds the state being defined cannot be stopped: its gradient runs through time");
  bool weights = x.isWeights;
  Value result = apply(Fn::Stop, {{std::move(x), bound.slot(0)}}, call.loc, "stop");
  result.isWeights = weights;
  return result;
}

// The value itself; a new name and a product leave it as it is.
Value Evaluator::fp32Call(const Expr &call, const Bound &bound) {
  Value x = eval(*bound.slot(0));
  if (x.isConstant() || x.isPair())
    return x; // exact, and fp32 already
  x = wantToken(std::move(x), *bound.slot(0), "what stays `fp32`", true);
  if (x.isPoison() || x.elem != Elem::Real)
    return x;
  x.isFp32 = true;
  x.parameter = nullptr;
  return x;
}

Value Evaluator::shiftCall(const Expr &call, const Bound &bound) {
  Value x = wantToken(*bound.slot(0), "what is shifted");
  std::optional<int64_t> n = wantSize(*bound.slot(1), "a shift", 0);
  if (x.isPoison() || !n)
    return Value::poison();
  if (x.linearInState)
    return error(call.loc, "the state being defined may enter by `+ - * /` and `@` only");
  if (x.elem == Elem::Bool)
    return error(bound.slot(0)->start, "`shift` takes numbers; this is a truth value");
  Value result = like(x);
  result.elem = Elem::Real;
  result.fromInputs = false;
  if (wants()) // a block's value is at all of its tokens
    result.ir = emitter.shift(x, *n * (x.kind == Value::Kind::Block ? x.axis.stride : 1), here(call.loc));
  return result;
}

Value Evaluator::poolCall(const Expr &call, const Bound &bound) {
  if (!inAttention(call.loc, "`pool`"))
    return Value::poison();
  Value x = wantToken(*bound.slot(0), "what is pooled");
  std::optional<int64_t> block = wantSize(*bound.slot(1), "a block");
  const Expr *strideExpr = bound.option("stride"), *byExpr = bound.option("by");
  std::optional<int64_t> stride = strideExpr ? wantSize(*strideExpr, "a stride") : block;
  std::optional<std::string> by;
  if (byExpr)
    by = wantWord(*byExpr, "by", {"mean", "max", "sum", "concat"});
  else
    error(call.loc, "`pool` needs `by`: one of mean, max, sum, concat");
  if (x.isPoison() || !block || !stride || !by)
    return Value::poison();
  if (x.kind == Value::Kind::Block)
    return error(bound.slot(0)->start, "`pool` takes a value at tokens; this is a value per block already");
  if (x.linearInState)
    return error(call.loc, "the state being defined may enter by `+ - * /` and `@` only");
  if (x.elem == Elem::Bool)
    return error(bound.slot(0)->start, "`pool` takes numbers; this is a truth value");
  Value result = like(x);
  result.kind = Value::Kind::Block;
  result.axis = {*block, *stride};
  result.elem = Elem::Real;
  result.fromInputs = false;
  if (*by == "concat")
    result.width = x.width * *block;
  if (wants())
    result.ir = *by == "concat"       ? emitter.refuse(here(call.loc), "`pool` by `concat`")
                : *stride != *block ? emitter.refuse(here(call.loc), "`pool` into blocks that overlap or leave gaps")
                                    : emitter.pool(x, *block, *by, here(call.loc));
  return result;
}

Value Evaluator::holdCall(const Expr &call, const Bound &bound) {
  if (!inAttention(call.loc, "`hold`"))
    return Value::poison();
  Value x = eval(*bound.slot(0));
  std::optional<int64_t> n = wantSize(*bound.slot(1), "what `hold` counts");
  if (x.isPoison() || !n)
    return Value::poison();
  if (x.kind == Value::Kind::State) {
    if (wants())
      emitter.refuse(here(call.loc), "`hold`");
    return x;
  }
  x = wantToken(std::move(x), *bound.slot(0), "what is held");
  if (x.isPoison())
    return x;
  if (x.kind == Value::Kind::Block && x.axis.stride != *n)
    return error(call.loc, "`hold` keeps a block's value for the tokens up to the next: n is the stride " +
                               std::to_string(x.axis.stride) + "; here it is " + std::to_string(*n));
  if (x.linearInState)
    return error(call.loc, "hold the state itself, as `hold(S, n)`");
  Value result = like(x);
  result.kind = Value::Kind::Token;
  result.axis = {};
  result.fromInputs = false;
  result.elem = Elem::Real;
  if (wants())
    result.ir = emitter.hold(x, *n, here(call.loc));
  return result;
}

Value Evaluator::cumsumCall(const Expr &call, const Bound &bound) {
  if (!inAttention(call.loc, "`cumsum`"))
    return Value::poison();
  Value x = wantToken(*bound.slot(0), "what is summed along the tokens");
  if (x.isPoison())
    return x;
  if (x.linearInState)
    return error(call.loc, "the state being defined may enter by `+ - * /` and `@` only");
  if (x.elem == Elem::Bool)
    return error(bound.slot(0)->start, "`cumsum` takes numbers; this is a truth value");
  Value result = like(x);
  result.elem = Elem::Real;
  result.isFp32 = true;
  result.fromInputs = false;
  if (wants())
    result.ir = x.kind == Value::Kind::Block ? emitter.refuse(here(call.loc), "`cumsum` over blocks") : emitter.cumsum(x, here(call.loc));
  return result;
}

// cross_entropy(logits, next(tokens))
Value Evaluator::crossEntropyCall(const Expr &call, const Bound &bound) {
  const Expr &target = *bound.slot(1);
  bool isNext = target.kind == Expr::Kind::Call && target.text == "next" && target.args.size() == 1 &&
                target.args[0].value->kind == Expr::Kind::Name && target.args[0].value->text == "tokens";
  if (!isNext)
    error(target.start, "`cross_entropy` predicts `next(tokens)`");
  Value logits = wantToken(*bound.slot(0), "what `cross_entropy` takes");
  if (logits.isPoison() || !isNext)
    return Value::poison();
  if (logits.kind == Value::Kind::Block)
    return error(bound.slot(0)->start, "logits are values at tokens; this is a value per block");
  if (logits.heads != 1)
    return error(bound.slot(0)->start, "logits have one head; these have " + std::to_string(logits.heads));
  if (vocab && logits.width != *vocab)
    return error(bound.slot(0)->start, "logits have the width of `vocab`, " + std::to_string(*vocab) + "; these have " +
                                           std::to_string(logits.width));
  if (logits.elem == Elem::Bool)
    return error(bound.slot(0)->start, "logits are numbers; these are truth values");
  Value result = like(logits);
  result.width = 1;
  result.elem = Elem::Real;
  result.fromInputs = false;
  result.coversNext = true;
  if (wants()) {
    result.logits = emitter.real(logits, here(call.loc));
    result.ir = emitter.crossEntropy(result.logits, here(call.loc));
  }
  return result;
}

} // namespace caa
