// What takes a pair value away again: softmax, `@`, sums, counts; and `top` and `mass`, which make sets of scores. A
// reduction of a value at one token runs over its width.
#include "frontend/Sema/Evaluator.h"

namespace caa {

Value Evaluator::reducedOver(const PairNode &n, int64_t heads, int64_t width, Elem elem) {
  Value result;
  bool blocks = n.queries && !n.queries->isTokens();
  result.kind = blocks ? Value::Kind::Block : Value::Kind::Token;
  if (blocks)
    result.axis = *n.queries;
  result.heads = heads;
  result.width = width;
  result.elem = elem;
  return result;
}

namespace {

bool isSet(const Value &v) { return v.elem == Elem::Bool || v.elem == Elem::Weight; }

} // namespace

// softmax(s over A, sink = z), normalize(w over A)
Value Evaluator::weightsCall(const Expr &call, const Bound &bound) {
  bool isSoftmax = call.text == "softmax";
  const Expr &e = *bound.slot(0);
  Value s = eval(e);
  const Expr *sinkExpr = bound.option("sink");
  Value sink = sinkExpr ? eval(*sinkExpr) : Value();
  if (s.isPoison() || (sinkExpr && sink.isPoison()))
    return Value::poison();
  if (s.atToken() || s.kind == Value::Kind::PerHead) {
    if (s.elem == Elem::Bool)
      return error(e.start, "`" + call.text + "` takes numbers; this is a truth value");
    if (s.linearInState)
      return error(e.start, "the state being defined may enter by `+ - * /` and `@` only");
    if (sinkExpr)
      return error(sinkExpr->start, "a `sink` belongs to a softmax over keys");
    Value result = s;
    result.only = nullptr;
    result.parameter = nullptr;
    result.isRounded = result.isFp32 = false;
    result.elem = Elem::Real;
    result.table.clear();
    result.ir = wants() ? emitter.refuse(here(call.loc), "`" + call.text + "` over the width") : nullptr;
    return result;
  }
  if (!s.isPair()) {
    Value token = wantToken(s, e, (isSoftmax ? "what `softmax` takes" : "what `normalize` takes"));
    return token.isPoison() ? token : error(e.start, "expected a score, found " + kindName(s));
  }
  if (isSet(s))
    return error(e.start, "`" + call.text + "` takes a score; " + subject(e) + " is a set, which stands after `over`");
  auto make = [&](size_t part) {
    auto n = node(isSoftmax ? PairNode::Op::Softmax : PairNode::Op::Normalize, call.loc);
    n->part = part;
    n->visible = visibleHere();
    for (const PairPart &p : s.pairs) {
      n->args.push_back(p.node);
      n->domains.push_back(p.domain);
    }
    n->keys = s.pairs[part].node->keys;
    return n;
  };
  // Parts may have different key axes, but one query axis.
  std::optional<SequenceAxis> queries;
  int64_t heads = visibleHere() ? visibleHere()->heads : 1;
  for (const PairPart &p : s.pairs) {
    if (p.node->width != 1)
      return error(e.start, "a score is one number per pair; this has width " + std::to_string(p.node->width));
    if (!combineHeads(heads, p.node->heads, heads, call.loc) ||
        (p.domain && !combineHeads(heads, p.domain->heads, heads, call.loc)))
      return Value::poison();
    if (queries && p.node->queries && *queries != *p.node->queries)
      return error(call.loc, "`i` runs over " + queries->str() + " in one part and over " + p.node->queries->str() +
                                 " in the other");
    if (p.node->queries)
      queries = p.node->queries;
  }
  PairRef sinkNode;
  if (sinkExpr) {
    sinkNode = toPair(sink, *sinkExpr);
    if (!sinkNode || !queryOnly(sink, *sinkExpr, "a sink"))
      return Value::poison();
    if (sinkNode->width != 1 || sinkNode->elem == Elem::Bool || sinkNode->elem == Elem::Weight)
      return error(sinkExpr->start, "a sink is one number per query");
    if (!combineHeads(heads, sinkNode->heads, heads, sinkExpr->start))
      return Value::poison();
  }
  Value result;
  result.kind = Value::Kind::Pair;
  result.heads = heads;
  result.elem = Elem::Real;
  result.isWeights = true;
  for (size_t part = 0; part < s.pairs.size(); ++part) {
    auto n = make(part);
    n->heads = heads;
    n->queries = queries;
    n->sink = sinkNode;
    n->usesI = n->usesJ = n->hasWeights = true;
    for (const PairPart &p : s.pairs)
      n->depth = std::max({n->depth, p.node->depth + 1, p.domain ? p.domain->depth + 1 : 0});
    result.pairs.push_back({n, nullptr});
  }
  return result;
}

// sum, max, logsumexp of one argument
Value Evaluator::reduceCall(const Expr &call, const Bound &bound) {
  const Expr &e = *bound.slot(0);
  Value x = eval(e);
  if (x.isPoison())
    return x;
  if (x.isConstant() || x.kind == Value::Kind::Keys || x.kind == Value::Kind::State || x.kind == Value::Kind::Tuple)
    return error(e.start, "`" + call.text + "` reduces a pair value over j, or a value at one token over its width; this is " +
                              kindName(x));
  if (isSet(x))
    return error(e.start, "`" + call.text + "` takes numbers; how many keys are in a set is `count(A)`");
  const std::string over = "`" + call.text + "` over the width";
  if (!x.isPair()) {
    if (x.linearInState && call.text != "sum")
      return error(e.start, "the state being defined may enter by `+ - * /` and `@` only");
    Value result = x;
    result.only = nullptr;
    result.parameter = nullptr;
    result.isRounded = result.isFp32 = false;
    result.width = 1;
    result.elem = Elem::Real;
    result.table.clear();
    bool plainSum = call.text == "sum" && !x.only;
    if (wants())
      result.ir = plainSum ? emitter.sumWidth(x, result, here(call.loc)) : emitter.refuse(here(call.loc), over);
    return result;
  }
  if (x.pairs.size() != 1)
    return error(e.start, "scores joined by `++` go into `softmax` or `normalize`");
  const PairPart &part = x.pairs[0];
  if (call.text == "logsumexp" && part.node->width != 1)
    return error(e.start, "a score is one number per pair; this has width " + std::to_string(part.node->width));
  int64_t heads = part.node->heads;
  for (const PairRef &set : {part.domain, visibleHere()})
    if (set && !combineHeads(heads, set->heads, heads, call.loc))
      return Value::poison();
  Value result = reducedOver(*part.node, heads, part.node->width, Elem::Real);
  if (wants())
    result.ir = emitter.reduce(call.text, part.node, part.domain, visibleHere(), result, here(call.loc));
  return result;
}

Value Evaluator::countCall(const Expr &call, const Bound &bound) {
  const Expr &e = *bound.slot(0);
  Value a = eval(e);
  if (a.isPoison())
    return a;
  if (a.isVector() && a.atToken()) {
    if (a.elem != Elem::Bool)
      return error(e.start, "`count` takes a set; " + subject(e) + " is " + elemName(a.elem));
    Value result = a;
    result.width = 1;
    result.elem = Elem::Int;
    result.ir = wants() ? emitter.refuse(here(call.loc), "`count` over the width") : nullptr;
    return result;
  }
  if (!inAttention(call.loc, "`count`"))
    return Value::poison();
  PairRef set = toSet(a, e);
  if (!set)
    return Value::poison();
  int64_t heads = set->heads;
  if (visibleHere() && !combineHeads(heads, visibleHere()->heads, heads, call.loc))
    return Value::poison();
  Value result;
  result.kind = Value::Kind::Token;
  result.heads = heads;
  result.elem = set->elem == Elem::Bool ? Elem::Int : Elem::Real;
  if (wants())
    result.ir = emitter.count(set, visibleHere(), result, here(call.loc));
  return result;
}

Value Evaluator::klCall(const Expr &call, const Bound &bound) {
  Value p = eval(*bound.slot(0)), r = eval(*bound.slot(1));
  if (p.isPoison() || r.isPoison())
    return Value::poison();
  std::vector<Operand> operands = {{p, bound.slot(0)}, {r, bound.slot(1)}};
  for (const Operand &operand : operands)
    if (!operand.value.isConstant() && isSet(operand.value))
      return error(operand.expr->start, "`kl` takes weights; this is " + std::string(elemName(operand.value.elem)));
  if (!p.isPair() && !r.isPair()) {
    for (Operand &operand : operands) {
      operand.value = wantToken(operand.value, *operand.expr, "an operand of `kl`");
      if (operand.value.isPoison())
        return Value::poison();
    }
    std::optional<Value> result = vectorLike(operands, call.loc);
    if (!result || !combineShapes(operands, result->heads, result->width, call.loc))
      return Value::poison();
    result->width = 1;
    result->ir = wants() ? emitter.refuse(here(call.loc), "`kl`") : nullptr;
    return *result;
  }
  auto n = node(PairNode::Op::Apply, call.loc);
  n->fn = Fn::Mul;
  for (const Operand &operand : operands) {
    PairRef arg = toPair(operand.value, *operand.expr);
    if (!arg)
      return Value::poison();
    if (arg->width != 1)
      return error(operand.expr->start, "weights are one number per pair; these have width " + std::to_string(arg->width));
    n->args.push_back(arg);
  }
  if (!combineHeads(n->args[0]->heads, n->args[1]->heads, n->heads, call.loc) || !mergeAxes(*n, call.loc))
    return Value::poison();
  Value result = reducedOver(*n, n->heads, 1, Elem::Real);
  result.ir = wants() ? emitter.refuse(here(call.loc), "`kl`") : nullptr;
  return result;
}

// Over the width of a value at one token: an expert gate.
Value Evaluator::selectWidth(const Expr &call, const Bound &bound, const Value &by) {
  for (const char *option : {"unit", "reduce", "always"})
    if (const Expr *e = bound.option(option))
      return error(e->start, std::string("`") + option + "` is for keys; here `" + call.text + "` chooses components");
  Value k = eval(*bound.slot(0));
  if (k.isPoison())
    return k;
  if (by.elem == Elem::Bool)
    return error(bound.option("by")->start, "`by` is a number; this is a truth value");
  if (k.isConstant() ? !k.constant.number() : (!k.isVector() || k.width != 1 || k.elem == Elem::Bool))
    return error(bound.slot(0)->start, "`" + call.text + "` takes one number; this is " +
                                           (k.isConstant() ? k.constant.kind() : kindName(k)));
  Value result = by;
  result.only = nullptr;
  result.parameter = nullptr;
  result.table.clear();
  result.fromInputs = false;
  result.isRounded = result.isFp32 = false;
  result.elem = Elem::Bool;
  result.ir = wants() ? emitter.refuse(here(call.loc), "`" + call.text + "` over the width") : nullptr;
  return result;
}

// top(k, by = s over A, unit = b, reduce = max, always = B), mass(t, by = p, ...)
Value Evaluator::selectCall(const Expr &call, const Bound &bound) {
  bool isTop = call.text == "top";
  const Expr *byExpr = bound.option("by");
  if (!byExpr)
    return error(call.loc, isTop ? "`top` ranks by a score: add `by = s`" : "`mass` adds up weights: add `by = p`");
  Value by = eval(*byExpr);
  if (by.isPoison())
    return by;
  if (by.atToken())
    return selectWidth(call, bound, by);
  if (!inAttention(call.loc, "`" + call.text + "` by a pair value"))
    return Value::poison();
  if (!by.isPair() || isSet(by))
    return error(byExpr->start, "`by` is a score of pairs (i, j); " + subject(*byExpr) + " is " + kindName(by));
  if (by.pairs.size() != 1)
    return error(byExpr->start, "scores joined by `++` cannot rank");
  PairRef score = by.pairs[0].node, domain = by.pairs[0].domain;
  if (score->width != 1)
    return error(byExpr->start, "a score is one number per pair; this has width " + std::to_string(score->width));
  if (!isTop && !by.isWeights)
    return error(byExpr->start, "`mass` adds up shares of 1: `by` is a softmax or normalised weights");

  auto n = node(isTop ? PairNode::Op::Top : PairNode::Op::Mass, call.loc);
  Value k = eval(*bound.slot(0));
  PairRef count = toPair(k, *bound.slot(0));
  if (!count || !queryOnly(k, *bound.slot(0), isTop ? "how many are chosen" : "the share"))
    return Value::poison();
  if (count->width != 1 || count->elem == Elem::Bool || count->elem == Elem::Weight)
    return error(bound.slot(0)->start, std::string("`") + call.text + "` takes one number per query");
  n->args = {count, score};
  n->domain = domain;
  n->visible = visibleHere();
  n->elem = Elem::Bool;
  n->usesI = n->usesJ = true;
  n->heads = score->heads;
  for (const PairRef &set : {domain, n->visible})
    if (set && !combineHeads(n->heads, set->heads, n->heads, call.loc))
      return Value::poison();
  if (n->heads % count->heads != 0)
    return error(bound.slot(0)->start, "`" + call.text + "` chooses per head of its score: " + std::to_string(count->heads) +
                                           " heads here, " + std::to_string(n->heads) + " there");

  SequenceAxis axis = score->keys.value_or(SequenceAxis{});
  const Expr *unitExpr = bound.option("unit"), *reduceExpr = bound.option("reduce");
  std::optional<int64_t> unit;
  if (unitExpr) {
    unit = wantSize(*unitExpr, "a unit");
    if (!unit)
      return Value::poison();
  }
  bool several = axis.isTokens() ? unit.value_or(1) > 1 : unit && !(*unit == axis.block && *unit == axis.stride);
  if (!axis.isTokens() && !unit && axis.block != axis.stride)
    return error(call.loc, axis.str() + (axis.block > axis.stride ? " overlap" : " leave gaps") +
                               " and cannot be units: add `unit = " + std::to_string(2 * axis.block) + ", reduce = sum`");
  if (reduceExpr) {
    std::optional<std::string> reduce = wantWord(*reduceExpr, "reduce", {"max", "sum", "mean"});
    if (!reduce)
      return Value::poison();
    n->reduce = *reduce;
  } else if (several) {
    return error(call.loc, "a unit of " + std::to_string(*unit) + " holds several keys: say how they rank it, `reduce = max`, "
                           "`sum` or `mean`");
  }
  n->unit = axis.isTokens() ? unit.value_or(1) : unit.value_or(0);
  if (const Expr *e = bound.option("always")) {
    n->always = toSet(eval(*e), *e);
    if (!n->always)
      return Value::poison();
    if (n->always->elem == Elem::Weight)
      return error(e->start, "`always` is a hard set");
    if (n->heads % n->always->heads != 0)
      return error(e->start, "`always` has " + std::to_string(n->always->heads) + " heads, the score " +
                                 std::to_string(n->heads));
  }
  // A set fits every axis, so the axes of its score stay inside.
  for (const PairRef &below : {count, score, domain, n->always})
    if (below)
      n->depth = std::max(n->depth, below->depth + 1);
  if (n->depth > 900)
    return error(call.loc, "this set is made by more than 900 operations in a row");
  return pairValue(n);
}

// p @ v, and x @ S
Value Evaluator::applyWeights(const Expr &e, Value left, Value right) {
  const Expr &p = *e.parts[0], &v = *e.parts[1];
  if (left.isPoison() || right.isPoison())
    return Value::poison();
  if (right.kind == Value::Kind::State)
    return readState(e, left, right);
  if (!left.isPair())
    return error(p.start, "left of `@` stands a weight for every pair (i, j), such as `softmax(s)`; " + subject(p) + " is " +
                              kindName(left));
  if (isSet(left))
    return error(p.start, subject(p) + " is a set, not a weight: `softmax(s over A) @ v`, or `normalize(soft(...)) @ v`");
  if (right.isPair())
    return error(v.start, subject(v) + " is a pair value: right of `@` stands the keys' value itself, without `[j]`");
  if (!right.atToken() && right.kind != Value::Kind::Keys)
    return error(v.start, "right of `@` stands a value at one token, the keys'; " + subject(v) + " is " + kindName(right));
  if (right.only)
    return error(v.start, "`over` restricts the weights, not the values");
  if (right.linearInState)
    return error(v.start, "a value that holds the state being defined cannot meet other tokens");
  if (right.atToken() && right.elem == Elem::Bool)
    return error(v.start, "`@` sums numbers; " + subject(v) + " is a truth value");
  std::vector<Value> values = right.kind == Value::Kind::Keys ? right.parts : std::vector<Value>{right};
  if (values.size() != left.pairs.size())
    return error(e.loc, "the weights have " + std::to_string(left.pairs.size()) + " key axes, the values " +
                            std::to_string(values.size()) + ": join both by `++`, in the same order");
  int64_t heads = right.heads;
  for (size_t k = 0; k < values.size(); ++k) {
    const PairPart &part = left.pairs[k];
    SequenceAxis mine = values[k].kind == Value::Kind::Block ? values[k].axis : SequenceAxis{};
    if (part.node->keys && *part.node->keys != mine)
      return error(e.loc, "the weights run over " + part.node->keys->str() + ", the values over " + mine.str());
    if (part.node->width != 1)
      return error(p.start, "a weight is one number per pair; this has width " + std::to_string(part.node->width));
    for (const PairRef &set : {part.domain, visibleHere(), part.node})
      if (set && !combineHeads(heads, set->heads, heads, e.loc))
        return Value::poison();
  }
  Value result = reducedOver(*left.pairs[0].node, heads, right.width, Elem::Real);
  if (wants())
    result.ir = values.size() == 1
                    ? emitter.weigh(left.pairs[0], visibleHere(), values[0], result, here(e.loc))
                    : emitter.refuse(here(e.loc), "`++`");
  return result;
}

} // namespace caa
