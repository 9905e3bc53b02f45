// Pair values and sets: graphs over i and j that a reduction will take.
#include "frontend/Sema/Evaluator.h"

namespace caa {

std::shared_ptr<PairNode> Evaluator::node(PairNode::Op op, Loc loc) {
  auto n = std::make_shared<PairNode>(op, loc, here(loc));
  if (op == PairNode::Op::I || op == PairNode::Op::Causal)
    n->usesI = true;
  if (op == PairNode::Op::J || op == PairNode::Op::Causal)
    n->usesJ = true;
  if (op == PairNode::Op::I || op == PairNode::Op::J)
    n->elem = Elem::Int;
  if (op == PairNode::Op::Causal)
    n->elem = Elem::Bool;
  return n;
}

namespace {

constexpr int deepestPair = 1000; // graphs are walked recursively

} // namespace

// The axes of the values that a node indexes must agree: i over one, j over one.
bool Evaluator::mergeAxes(PairNode &into, Loc loc) {
  for (const PairRef &arg : into.args) {
    into.depth = std::max(into.depth, arg->depth + 1);
    into.usesI |= arg->usesI;
    into.usesJ |= arg->usesJ;
    into.hasWeights |= arg->hasWeights;
    // A set is read at positions, so it fits every axis.
    if (arg->elem == Elem::Bool || arg->elem == Elem::Weight)
      continue;
    for (bool query : {true, false}) {
      const std::optional<SequenceAxis> &from = query ? arg->queries : arg->keys;
      std::optional<SequenceAxis> &to = query ? into.queries : into.keys;
      if (!from)
        continue;
      if (to && *to != *from) {
        error(loc, std::string(query ? "`i`" : "`j`") + " runs over " + to->str() + " on one side and over " +
                       from->str() + " on the other");
        return false;
      }
      to = from;
    }
  }
  return true;
}

PairRef Evaluator::finishNode(std::shared_ptr<PairNode> n) {
  if (!mergeAxes(*n, n->loc))
    return nullptr;
  if (n->depth > deepestPair) {
    error(n->loc, "this pair value is made by more than " + std::to_string(deepestPair) + " operations in a row");
    return nullptr;
  }
  return n;
}

PairRef Evaluator::toPair(const Value &value, const Expr &e) {
  switch (value.kind) {
  case Value::Kind::Poison:
    return nullptr;
  case Value::Kind::Pair:
    if (value.isRestricted()) {
      error(e.start, subject(e) + " is restricted by `over` or joined by `++`: only a reduction, such as `softmax`, takes that");
      return nullptr;
    }
    return value.pairs.front().node;
  case Value::Kind::Constant: {
    if (!value.constant.number() && !value.constant.truth()) {
      error(e.start, "expected a number, found " + value.constant.kind());
      return nullptr;
    }
    auto n = node(PairNode::Op::Constant, e.loc);
    n->elem = value.constant.truth() ? Elem::Bool : value.constant.number()->isWhole() ? Elem::Int : Elem::Float;
    n->leaf = value;
    return n;
  }
  case Value::Kind::PerHead: {
    auto n = node(PairNode::Op::PerHead, e.loc);
    n->heads = value.heads;
    n->width = value.width;
    n->elem = value.elem;
    n->leaf = value;
    return n;
  }
  case Value::Kind::Token:
  case Value::Kind::Block: {
    std::string name = e.kind == Expr::Kind::Name ? e.text : e.kind == Expr::Kind::Call ? e.text + "(...)" : "(...)";
    error(e.start, subject(e) + " is " + kindName(value) + ", in a pair expression: write `" + name +
                       "[i]` (the query's) or `" + name + "[j]` (the key's)");
    return nullptr;
  }
  default:
    error(e.start, "a pair expression takes no " + kindName(value).substr(value.kind == Value::Kind::State ? 2 : 0));
    return nullptr;
  }
}

PairRef Evaluator::toSet(const Value &value, const Expr &e) {
  if (value.isPoison())
    return nullptr;
  Elem elem = value.isConstant() ? (value.constant.truth() ? Elem::Bool : Elem::Real) : value.elem;
  bool isTruth = elem == Elem::Bool || elem == Elem::Weight;
  if (!isTruth && !value.atToken()) {
    error(e.start, "a set is a condition, `window`, `soft`, `top` or `mass`, or these under `& | !`; " + subject(e) +
                       " is " + (value.isConstant() ? value.constant.kind() : value.isPair() ? elemName(elem) : kindName(value)));
    return nullptr;
  }
  PairRef set = toPair(value, e);
  if (!set)
    return nullptr;
  if (set->elem != Elem::Bool && set->elem != Elem::Weight) {
    error(e.start, "a set is a condition; " + subject(e) + " is " + elemName(set->elem));
    return nullptr;
  }
  if (set->width != 1) {
    error(e.start, "a set has width 1; this has width " + std::to_string(set->width));
    return nullptr;
  }
  return set;
}

Value Evaluator::applyPairs(Fn fn, const std::vector<Operand> &operands, Loc loc, const char *name) {
  auto n = node(PairNode::Op::Apply, loc);
  n->fn = fn;
  for (const Operand &operand : operands) {
    PairRef arg = toPair(operand.value, *operand.expr);
    if (!arg)
      return Value::poison();
    n->args.push_back(arg);
  }
  if (fn == Fn::And || fn == Fn::Or || fn == Fn::Not) {
    n->elem = Elem::Bool;
    for (const PairRef &arg : n->args)
      if (arg->elem == Elem::Weight)
        n->elem = Elem::Weight;
  } else {
    std::optional<Elem> elem = resultElem(fn, operands, loc, name);
    if (!elem)
      return Value::poison();
    n->elem = *elem;
  }
  if (!combineShapes(operands, n->heads, n->width, loc))
    return Value::poison();
  PairRef done = finishNode(n);
  return done ? pairValue(done) : Value::poison();
}

// A value that may depend on the query, not on the key.
bool Evaluator::queryOnly(const Value &value, const Expr &e, const char *what) {
  if (value.isPair() && value.pair().usesJ) {
    error(e.start, std::string(what) + " belongs to the query and cannot depend on `j`");
    return false;
  }
  return true;
}

Value Evaluator::windowCall(const Expr &call, const Bound &bound) {
  if (!inAttention(call.loc, "`window`"))
    return Value::poison();
  Value w = eval(*bound.slot(0));
  const Expr *rampExpr = bound.option("ramp");
  Value ramp = rampExpr ? eval(*rampExpr) : Value::of(Constant(Number(1)));
  if (w.isPoison() || ramp.isPoison())
    return Value::poison();
  auto n = node(PairNode::Op::Window, call.loc);
  std::vector<Operand> operands = {{w, bound.slot(0)}};
  if (rampExpr)
    operands.push_back({ramp, rampExpr});
  for (const Operand &operand : operands) {
    PairRef arg = toPair(operand.value, *operand.expr);
    if (!arg)
      return Value::poison();
    if (arg->elem == Elem::Bool || arg->elem == Elem::Weight)
      return error(operand.expr->start, "`window` takes numbers; this is " + std::string(elemName(arg->elem)));
    if (arg->width != 1)
      return error(operand.expr->start, "a window's width is one number per query; this has width " + std::to_string(arg->width));
    n->args.push_back(arg);
  }
  if (rampExpr && ramp.isConstant() && !(Number(0) < *ramp.constant.number()))
    return error(rampExpr->start, "a ramp is positive; this is " + ramp.constant.str());
  if (!combineShapes(operands, n->heads, n->width, call.loc))
    return Value::poison();
  n->elem = rampExpr ? Elem::Weight : Elem::Bool;
  n->usesI = n->usesJ = true;
  PairRef done = finishNode(n);
  return done ? pairValue(done) : Value::poison();
}

Value Evaluator::softCall(const Expr &call, const Bound &bound) {
  if (!inAttention(call.loc, "`soft`"))
    return Value::poison();
  Value x = eval(*bound.slot(0));
  PairRef arg = toPair(x, *bound.slot(0));
  if (!arg)
    return Value::poison();
  if (arg->elem == Elem::Bool || arg->elem == Elem::Weight)
    return error(bound.slot(0)->start, "`soft` makes a set of a number; this is " + std::string(elemName(arg->elem)) + " already");
  if (arg->width != 1)
    return error(bound.slot(0)->start, "a set has width 1; this has width " + std::to_string(arg->width));
  auto n = node(PairNode::Op::Apply, call.loc);
  n->fn = Fn::Clip;
  n->heads = arg->heads;
  n->elem = Elem::Weight;
  n->args = {arg};
  PairRef done = finishNode(n);
  return done ? pairValue(done) : Value::poison();
}

Value Evaluator::randomCall(const Expr &call, const Bound &bound) {
  std::vector<const Expr *> exprs = {bound.slot(0)};
  exprs.insert(exprs.end(), bound.more.begin(), bound.more.end());
  std::vector<Operand> operands;
  std::vector<int64_t> integers;
  bool hasPair = false, allConstant = true, good = true;
  for (const Expr *e : exprs) {
    Value value = eval(*e);
    if (value.isPoison()) {
      good = false;
      continue;
    }
    Elem elem = value.elem;
    if (value.isConstant())
      elem = value.constant.number() && value.constant.number()->isWhole() ? Elem::Int : Elem::Real;
    if (elem != Elem::Int || !(value.isConstant() || value.isVector() || value.isPair())) {
      error(e->start, "`random` takes integers: constants, positions, `head`, `tokens`, `doc`");
      good = false;
      continue;
    }
    if (value.isConstant())
      integers.push_back(value.constant.number()->asInteger());
    hasPair |= value.isPair();
    allConstant &= value.isConstant();
    operands.push_back({std::move(value), e});
  }
  if (!good)
    return Value::poison();
  if (allConstant)
    return Value::of(Constant(Number::of(randomFraction(integers))));
  int64_t heads = 1, width = 1;
  if (!combineShapes(operands, heads, width, call.loc))
    return Value::poison();
  if (!hasPair) {
    std::optional<Value> result = vectorLike(operands, call.loc);
    if (!result)
      return Value::poison();
    result->heads = heads;
    result->width = width;
    result->elem = Elem::Float;
    if (result->kind == Value::Kind::PerHead) {
      for (int64_t head = 0; head < heads; ++head) {
        std::vector<int64_t> at;
        for (const Operand &operand : operands)
          at.push_back(operand.value.isConstant() ? operand.value.constant.number()->asInteger()
                                                  : operand.value.table[head * operand.value.heads / heads].asInteger());
        result->table.push_back(Number::of(randomFraction(at)));
      }
      return *result;
    }
    if (wants()) {
      std::vector<Value> values;
      for (const Operand &operand : operands)
        values.push_back(operand.value);
      result->ir = emitter.map(Fn::Random, values, *result, here(call.loc));
    }
    return *result;
  }
  auto n = node(PairNode::Op::Apply, call.loc);
  n->fn = Fn::Random;
  for (const Operand &operand : operands) {
    PairRef arg = toPair(operand.value, *operand.expr);
    if (!arg)
      return Value::poison();
    n->args.push_back(arg);
  }
  n->heads = heads;
  n->width = width;
  n->elem = Elem::Float;
  PairRef done = finishNode(n);
  return done ? pairValue(done) : Value::poison();
}

Value Evaluator::dotCall(const Expr &call, const Bound &bound) {
  std::vector<Operand> operands = {{eval(*bound.slot(0)), bound.slot(0)}, {eval(*bound.slot(1)), bound.slot(1)}};
  bool hasPair = false;
  for (const Operand &operand : operands) {
    if (operand.value.isPoison())
      return Value::poison();
    hasPair |= operand.value.isPair();
    if (operand.value.isConstant())
      return error(operand.expr->start, "`dot` takes two vectors; this is a constant");
  }
  if (!hasPair) {
    for (Operand &operand : operands) {
      operand.value = wantToken(operand.value, *operand.expr, "an operand of `dot`", true);
      if (operand.value.isPoison())
        return Value::poison();
    }
    // At one token: the sum of a product.
    Value product = apply(Fn::Mul, operands, call.loc, "dot");
    if (product.isPoison())
      return product;
    Value result = product;
    result.width = 1;
    result.isRounded = false;
    result.table.clear();
    result.elem = Elem::Real;
    if (product.table.empty() && wants())
      result.ir = emitter.sumWidth(product, result, here(call.loc));
    else
      result.table = product.table, result.elem = product.elem;
    return result;
  }
  auto n = node(PairNode::Op::Dot, call.loc);
  for (const Operand &operand : operands) {
    PairRef arg = toPair(operand.value, *operand.expr);
    if (!arg)
      return Value::poison();
    if (arg->elem == Elem::Bool || arg->elem == Elem::Weight)
      return error(operand.expr->start, "`dot` takes vectors; this is " + std::string(elemName(arg->elem)));
    n->args.push_back(arg);
  }
  int64_t width = 1;
  if (!combineShapes(operands, n->heads, width, call.loc))
    return Value::poison();
  PairRef done = finishNode(n);
  return done ? pairValue(done) : Value::poison();
}

Value Evaluator::pickCall(const Expr &call, const Bound &bound) {
  Value x = eval(*bound.slot(0)), index = eval(*bound.slot(1));
  if (x.isPoison() || index.isPoison())
    return Value::poison();
  Elem elem = index.isConstant() ? (index.constant.number() && index.constant.number()->isWhole() ? Elem::Int : Elem::Real)
                                 : index.elem;
  if (elem != Elem::Int)
    return error(bound.slot(1)->start, "`pick` takes an integer: a constant, or made of positions, `tokens` and counts");
  if (x.isPair() || index.isPair()) {
    if (x.isPair() || x.kind != Value::Kind::PerHead)
      return error(bound.slot(0)->start, "with a pair of positions, `pick` takes from a parameter; this is " + kindName(x));
    auto n = node(PairNode::Op::Pick, call.loc);
    PairRef from = toPair(x, *bound.slot(0)), at = toPair(index, *bound.slot(1));
    if (!from || !at)
      return Value::poison();
    n->args = {from, at};
    n->elem = x.elem;
    if (at->width != 1)
      return error(bound.slot(1)->start, "`pick` takes one integer; this has width " + std::to_string(at->width));
    if (!combineHeads(from->heads, at->heads, n->heads, call.loc))
      return Value::poison();
    PairRef done = finishNode(n);
    return done ? pairValue(done) : Value::poison();
  }
  x = wantToken(std::move(x), *bound.slot(0), "what `pick` takes from", true);
  if (x.isPoison())
    return x;
  if (!index.isConstant() && index.width != 1)
    return error(bound.slot(1)->start, "`pick` takes one integer; this has width " + std::to_string(index.width));
  std::optional<Value> result = vectorLike({{x, bound.slot(0)}, {index, bound.slot(1)}}, call.loc);
  if (!result || !combineShapes({{x, bound.slot(0)}, {index, bound.slot(1)}}, result->heads, result->width, call.loc, false))
    return Value::poison();
  result->elem = x.elem;
  if (!x.table.empty())
    result->table = x.table;
  else if (wants())
    result->ir = index.isConstant()
                     ? emitter.slice(x, std::clamp<int64_t>(index.constant.number()->asInteger(), 0, x.width - 1), *result, here(call.loc))
                     : emitter.refuse(here(call.loc), "`pick` by a value at run time");
  return *result;
}

// `sum_heads`, `mean_heads`: over consecutive groups.
Value Evaluator::headsCall(const Expr &call, const Bound &bound) {
  Value x = eval(*bound.slot(0));
  int64_t to = 1;
  if (const Expr *e = bound.option("to")) {
    std::optional<int64_t> size = wantSize(*e, "a number of heads");
    if (!size)
      return Value::poison();
    to = *size;
  }
  if (x.isPoison())
    return x;
  bool isPair = x.isPair();
  if (!isPair)
    x = wantToken(std::move(x), *bound.slot(0), "what is summed over heads", true);
  if (x.isPoison())
    return x;
  if (x.elem == Elem::Bool || x.elem == Elem::Weight)
    return error(bound.slot(0)->start, "`" + call.text + "` takes numbers; this is " + elemName(x.elem));
  if (x.heads % to != 0)
    return error(call.loc, std::to_string(x.heads) + " heads do not make " + std::to_string(to) + " equal groups");
  bool mean = call.text == "mean_heads";
  if (isPair) {
    PairRef arg = toPair(x, *bound.slot(0));
    if (!arg)
      return Value::poison();
    auto n = node(mean ? PairNode::Op::MeanHeads : PairNode::Op::SumHeads, call.loc);
    n->args = {arg};
    n->heads = to;
    n->width = arg->width;
    n->elem = Elem::Real;
    PairRef done = finishNode(n);
    if (!done)
      return Value::poison();
    Value result = pairValue(done);
    result.isWeights = x.isWeights && mean;
    return result;
  }
  if (x.linearInState)
    return error(call.loc, "the state being defined may enter by `+ - * /` and `@` only");
  Value result = x;
  result.parameter = nullptr;
  result.isRounded = result.isFp32 = false;
  result.heads = to;
  result.table.clear();
  result.elem = Elem::Real;
  if (wants())
    result.ir = emitter.reduceHeads(x, mean, result, here(call.loc));
  return result;
}

} // namespace caa
