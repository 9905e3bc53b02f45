// Expressions: names, literals, indices and operators, and the way to each built-in function.
#include "frontend/Sema/Evaluator.h"
#include <cmath>

namespace caa {

std::string Evaluator::subject(const Expr &e) {
  switch (e.kind) {
  case Expr::Kind::Name:
    return "`" + e.text + "`";
  case Expr::Kind::Call:
    return "`" + e.text + "(...)`";
  default:
    return "this";
  }
}

std::optional<Constant> Evaluator::constantExpr(const Expr &e) {
  unsigned before = diagnostics.errorCount();
  Value value = eval(e);
  if (value.isConstant())
    return value.constant;
  if (diagnostics.errorCount() == before)
    error(e.start, "expected a constant, found " + kindName(value));
  return std::nullopt;
}

namespace {

constexpr int deepestEvaluation = 2000; // what an 8 MiB stack holds with room to spare

} // namespace

Value Evaluator::eval(const Expr &e) {
  if (depth >= deepestEvaluation)
    return error(e.loc, "calls and expressions nest more than " + std::to_string(deepestEvaluation) + " deep here");
  ++depth;
  Value result = evalWithin(e);
  --depth;
  return result;
}

Value Evaluator::evalWithin(const Expr &e) {
  if (e.as && e.kind != Expr::Kind::Call)
    error(e.as->loc, "`as` names the parameter of an operation or a call, and stands right after it");
  switch (e.kind) {
  case Expr::Kind::Number: {
    bool plain = e.text.find_first_of(".eE") == std::string::npos;
    if (plain) {
      errno = 0;
      long long value = std::strtoll(e.text.c_str(), nullptr, 10);
      if (errno == 0)
        return Value::of(Constant(Number(static_cast<int64_t>(value))));
    }
    Number number = Number::of(std::strtod(e.text.c_str(), nullptr));
    if (!number.isFinite())
      return error(e.loc, "`" + e.text + "` is beyond float64");
    return Value::of(Constant(number));
  }
  case Expr::Kind::String:
    return Value::of(Constant(Word{e.text}));
  case Expr::Kind::Truth:
    return Value::of(Constant(e.truth));
  case Expr::Kind::Name:
    return nameExpr(e);
  case Expr::Kind::Call:
    return callExpr(e);
  case Expr::Kind::List:
    return listExpr(e);
  case Expr::Kind::Index:
    return indexExpr(e);
  case Expr::Kind::Member:
    return memberExpr(e);
  case Expr::Kind::Unary:
    return unaryExpr(e);
  case Expr::Kind::Binary:
    return binaryExpr(e);
  }
  return Value::poison();
}

Value Evaluator::positionInput(const std::string &name) {
  Value value;
  value.kind = Value::Kind::Token;
  value.elem = Elem::Int;
  value.fromInputs = true;
  value.ir = emitter.input(name);
  return value;
}

Value Evaluator::headIndex(const Expr &e) {
  if (!scope || scope->heads == 0)
    return error(e.loc, "`head` counts the heads of the first vector that an attention or block declares; there is none here");
  Value value;
  value.kind = Value::Kind::PerHead;
  value.heads = scope->heads;
  value.elem = Elem::Int;
  if (scope->heads > (1 << 20))
    return error(e.loc, "`head` counts at most 1048576 heads; here are " + std::to_string(scope->heads));
  for (int64_t h = 0; h < scope->heads; ++h)
    value.table.push_back(Number(h));
  return value;
}

bool Evaluator::inAttention(Loc loc, const std::string &what) {
  if (scope && scope->isAttention)
    return true;
  error(loc, what + " belongs to an attention");
  return false;
}

Value Evaluator::nameExpr(const Expr &e) {
  const std::string &name = e.text;
  if (isReservedName(name)) {
    if (name == "tokens" || name == "doc" || name == "position") {
      if (!scope)
        return error(e.loc, "`" + name + "` is no constant");
      return positionInput(name);
    }
    if (name == "head")
      return headIndex(e);
    if (!inAttention(e.loc, "`" + name + "`"))
      return Value::poison();
    if (name == "visible") {
      if (!scope->visible)
        return error(e.loc, "`visible` cannot be used in its own definition");
      return pairValue(scope->visible);
    }
    PairNode::Op op = name == "i" ? PairNode::Op::I : name == "j" ? PairNode::Op::J : PairNode::Op::Causal;
    return pairValue(finishNode(node(op, e.loc)));
  }
  if (frame)
    if (auto found = frame->vars.find(name); found != frame->vars.end())
      return found->second;
  if (isWord(name))
    return Value::of(Constant(Word{name}));
  // What is defined nowhere was reported by checkNames if this stands in a definition; a branch not taken, or an
  // option's value, was not.
  if (program.find(name) || isBuiltin(name))
    return error(e.loc, "`" + name + "` is " +
                            (program.find(name) ? std::string(program.find(name)->kind == Decl::Kind::Attention ? "an " : "a ") +
                                                      kindName(program.find(name)->kind)
                                                : "a function") +
                            ", not a value: call it, `" + name + "(...)`");
  std::vector<std::string> known;
  if (frame)
    for (const auto &[variable, value] : frame->vars)
      known.push_back(variable);
  bool elsewhere = false; // assigned in this definition, but not on this way
  if (frame && frame->decl) {
    std::function<void(const syntax::Body &)> look = [&](const syntax::Body &stmts) {
      for (const Stmt &stmt : stmts) {
        for (const syntax::Name &n : stmt.names)
          elsewhere |= n.text == name && stmt.kind != Stmt::Kind::Loss && stmt.kind != Stmt::Kind::Report;
        look(stmt.body);
        look(stmt.otherwise);
      }
    };
    look(frame->decl->body);
  }
  if (elsewhere)
    return error(e.loc, "`" + name + "` has no value yet here");
  for (const std::string &reserved : reservedNames())
    known.push_back(reserved);
  return error(e.loc, "unknown name `" + name + "`" + didYouMean(name, known));
}

Value Evaluator::listExpr(const Expr &e) {
  std::vector<Constant> items;
  bool good = true;
  for (const syntax::ExprPtr &part : e.parts) {
    Value value = eval(*part);
    if (value.isPoison()) {
      good = false;
    } else if (!value.isConstant()) {
      error(part->start, "a list holds constants; this is " + kindName(value));
      good = false;
    } else {
      items.push_back(value.constant);
    }
  }
  return good ? Value::of(Constant(std::move(items))) : Value::poison();
}

Value Evaluator::memberExpr(const Expr &e) {
  Value value = eval(*e.parts[0]);
  if (value.isPoison())
    return value;
  if (e.text != "heads" && e.text != "width")
    return error(e.loc, "a vector has `heads` and `width`, no `" + e.text + "`");
  bool hasShape = value.isVector() || value.kind == Value::Kind::State || value.isPair();
  if (!hasShape)
    return error(e.loc, "only a vector has `" + e.text + "`; this is " + kindName(value));
  int64_t size = e.text == "heads" ? value.heads : value.width;
  if (size == 0)
    return error(e.loc, "the size of the state is not known yet here");
  return Value::of(Constant(Number(size)));
}

Value Evaluator::indexExpr(const Expr &e) {
  const Expr &what = *e.parts[0], &index = *e.parts[1];
  Value value = eval(what);
  bool isPosition = index.kind == Expr::Kind::Name && (index.text == "i" || index.text == "j");
  if (!isPosition)
    return error(index.start, "an index is `i`, the query's position, or `j`, the key's; component n of a vector is `pick(x, n)`");
  if (!inAttention(index.loc, "`" + index.text + "`") || value.isPoison())
    return Value::poison();
  const std::string bracket = "[" + index.text + "]";
  switch (value.kind) {
  case Value::Kind::Token:
  case Value::Kind::Block:
    break;
  case Value::Kind::Constant:
  case Value::Kind::PerHead:
    return error(e.loc, subject(what) + " is " + kindName(value) + ", the same at every token: write it without `" + bracket + "`");
  case Value::Kind::Pair:
    return error(e.loc, subject(what) + " has a value for every pair (i, j) already: write it without `" + bracket + "`");
  default:
    return error(e.loc, kindName(value) + " has no `" + bracket + "`");
  }
  if (value.only)
    return error(e.loc, "`over` belongs to a reduction");
  if (value.linearInState)
    return error(e.loc, "a value that holds the state being defined cannot meet other tokens");
  auto n = node(index.text == "i" ? PairNode::Op::AtI : PairNode::Op::AtJ, e.loc);
  n->heads = value.heads;
  n->width = value.width;
  n->elem = value.elem;
  SequenceAxis axis = value.kind == Value::Kind::Block ? value.axis : SequenceAxis{};
  (index.text == "i" ? n->queries : n->keys) = axis;
  (index.text == "i" ? n->usesI : n->usesJ) = true;
  n->leaf = std::move(value);
  return pairValue(finishNode(n));
}

Value Evaluator::unaryExpr(const Expr &e) {
  Value value = eval(*e.parts[0]);
  if (e.op == syntax::Op::Not)
    return logic(Fn::Not, {{std::move(value), e.parts[0].get()}}, e.loc);
  return apply(Fn::Neg, {{std::move(value), e.parts[0].get()}}, e.loc, "-");
}

Value Evaluator::binaryExpr(const Expr &e) {
  using syntax::Op;
  if (e.op == Op::Over)
    return over(e);
  if (e.op == Op::Join)
    return join(e);
  Value left = eval(*e.parts[0]), right = eval(*e.parts[1]);
  if (e.op == Op::Apply)
    return applyWeights(e, std::move(left), std::move(right));
  std::vector<Operand> operands = {{std::move(left), e.parts[0].get()}, {std::move(right), e.parts[1].get()}};
  static const std::map<Op, Fn> fns = {
      {Op::Add, Fn::Add}, {Op::Sub, Fn::Sub}, {Op::Mul, Fn::Mul}, {Op::Div, Fn::Div}, {Op::FloorDiv, Fn::FloorDiv},
      {Op::Rem, Fn::Rem}, {Op::Pow, Fn::Pow}, {Op::Lt, Fn::Lt},   {Op::Le, Fn::Le},   {Op::Gt, Fn::Gt},
      {Op::Ge, Fn::Ge},   {Op::Eq, Fn::Eq},   {Op::Ne, Fn::Ne},   {Op::And, Fn::And}, {Op::Or, Fn::Or}};
  Fn fn = fns.at(e.op);
  if (fn == Fn::And || fn == Fn::Or)
    return logic(fn, operands, e.loc);
  return apply(fn, operands, e.loc, syntax::spelling(e.op));
}

// `x over A`: the restriction of a pair value, or of a value at one token (over its width, or a loss's tokens).
Value Evaluator::over(const Expr &e) {
  const Expr &left = *e.parts[0], &right = *e.parts[1];
  Value value = eval(left), set = eval(right);
  if (value.isPoison() || set.isPoison())
    return Value::poison();
  if (value.isRestricted())
    return error(e.loc, subject(left) + " is restricted by `over` already, or joined by `++`");
  if (value.isPair()) {
    if (value.elem == Elem::Bool || value.elem == Elem::Weight)
      return error(left.start, "`over` restricts a score; " + subject(left) + " is a set");
    PairRef domain = toSet(set, right);
    if (!domain)
      return Value::poison();
    value.pairs[0].domain = domain;
    return value;
  }
  if (value.atToken() || value.kind == Value::Kind::PerHead) {
    if (set.isPair())
      return error(e.loc, subject(left) + " is " + kindName(value) + ", the set is one of pairs (i, j): write `[i]` or `[j]`");
    if (set.isConstant() && set.constant.truth() && *set.constant.truth())
      return value;
    if (set.isConstant() && set.constant.truth())
      return error(right.start, "this holds nowhere: nothing would be left");
    bool fits = set.isVector() && (set.elem == Elem::Bool || set.elem == Elem::Weight);
    if (!fits)
      return error(right.start, "expected a condition, found " + kindName(set));
    int64_t heads = 0;
    if (!combineHeads(value.heads, set.heads, heads, e.loc))
      return Value::poison();
    if (set.width != 1 && set.width != value.width)
      return error(e.loc, "widths " + std::to_string(value.width) + " and " + std::to_string(set.width) + " do not combine");
    value.only = std::make_shared<Value>(std::move(set));
    return value;
  }
  return error(left.start, "`over` restricts a score; this is " + kindName(value));
}

// `s ++ t`, `v ++ u`: one key axis after the other.
Value Evaluator::join(const Expr &e) {
  Value left = eval(*e.parts[0]), right = eval(*e.parts[1]);
  if (left.isPoison() || right.isPoison())
    return Value::poison();
  if (!inAttention(e.loc, "`++`"))
    return Value::poison();
  if (left.isPair() && right.isPair()) {
    if (left.elem == Elem::Bool || right.elem == Elem::Bool || left.elem == Elem::Weight || right.elem == Elem::Weight)
      return error(e.loc, "`++` joins scores or values; these are sets");
    int64_t heads = 0;
    if (!combineHeads(left.heads, right.heads, heads, e.loc))
      return Value::poison();
    left.heads = heads;
    left.pairs.insert(left.pairs.end(), right.pairs.begin(), right.pairs.end());
    return left;
  }
  auto isValues = [](const Value &v) { return v.atToken() || v.kind == Value::Kind::Keys; };
  if (isValues(left) && isValues(right)) {
    Value keys;
    keys.kind = Value::Kind::Keys;
    for (Value *side : {&left, &right}) {
      if (side->kind == Value::Kind::Keys)
        keys.parts.insert(keys.parts.end(), side->parts.begin(), side->parts.end());
      else
        keys.parts.push_back(named(*side, e.loc));
    }
    int64_t heads = 1;
    for (const Value &part : keys.parts) {
      if (part.width != keys.parts[0].width)
        return error(e.loc, "values joined by `++` have one width; these have " + std::to_string(keys.parts[0].width) +
                                " and " + std::to_string(part.width));
      if (!combineHeads(heads, part.heads, heads, e.loc))
        return Value::poison();
    }
    keys.heads = heads;
    keys.width = keys.parts[0].width;
    return keys;
  }
  return error(e.loc, "`++` joins two scores or two values; here are " + kindName(left) + " and " + kindName(right));
}

Value Evaluator::callExpr(const Expr &e) {
  if (frame)
    if (const syntax::Param *param = frame->decl ? frame->decl->param(e.text) : nullptr; param && param->isAttention) {
      Value callee = frame->vars[e.text];
      if (callee.isPoison() || !callee.constant.attention())
        return Value::poison();
      return callDecl(*callee.constant.attention(), e, /*isOffer=*/true);
    }
  if (const Decl *decl = program.find(e.text))
    return callDecl(*decl, e, /*isOffer=*/false);
  const BuiltinSpec *spec = findBuiltin(e.text);
  if (!spec) {
    for (const syntax::Arg &arg : e.args)
      eval(*arg.value);
    std::vector<std::string> known = builtinNames();
    for (const std::string &defined : program.names())
      known.push_back(defined);
    if (frame && frame->vars.count(e.text))
      return error(e.loc, "`" + e.text + "` is a value and cannot be called");
    return error(e.loc, "unknown name `" + e.text + "`" + didYouMean(e.text, known));
  }
  std::optional<Bound> bound = bindBuiltin(*spec, e, diagnostics);
  if (!bound) {
    for (const syntax::Arg &arg : e.args)
      eval(*arg.value);
    return Value::poison();
  }
  static const std::map<std::string, Fn> unaries = {
      {"exp", Fn::Exp},   {"log", Fn::Log},         {"log2", Fn::Log2},   {"sqrt", Fn::Sqrt}, {"abs", Fn::Abs},
      {"floor", Fn::Floor}, {"ceil", Fn::Ceil},     {"sigmoid", Fn::Sigmoid}, {"log_sigmoid", Fn::LogSigmoid},
      {"silu", Fn::Silu}, {"gelu", Fn::Gelu},       {"relu", Fn::Relu},   {"elu", Fn::Elu},   {"tanh", Fn::Tanh},
      {"softplus", Fn::Softplus}};
  using Handler = Value (Evaluator::*)(const Expr &, const Bound &);
  static const std::map<std::string, Handler> handlers = {
      {"linear", &Evaluator::linearCall},     {"embed", &Evaluator::embedCall},
      {"rms_norm", &Evaluator::normCall},     {"layer_norm", &Evaluator::normCall},
      {"conv", &Evaluator::convCall},         {"param", &Evaluator::paramCall},
      {"normal", &Evaluator::recordCall},     {"uniform", &Evaluator::recordCall},
      {"adamw", &Evaluator::recordCall},      {"group", &Evaluator::recordCall},
      {"cosine", &Evaluator::recordCall},     {"wsd", &Evaluator::recordCall},
      {"where", &Evaluator::whereCall},       {"unit_norm", &Evaluator::unitNormCall},
      {"rope", &Evaluator::ropeCall},         {"split", &Evaluator::splitCall},
      {"concat", &Evaluator::concatCall},     {"reshape", &Evaluator::reshapeCall},
      {"kron", &Evaluator::kronCall},         {"dot", &Evaluator::dotCall},
      {"pick", &Evaluator::pickCall},         {"sum_heads", &Evaluator::headsCall},
      {"mean_heads", &Evaluator::headsCall},  {"stop", &Evaluator::stopCall},
      {"fp32", &Evaluator::fp32Call},         {"shift", &Evaluator::shiftCall},
      {"window", &Evaluator::windowCall},     {"soft", &Evaluator::softCall},
      {"random", &Evaluator::randomCall},     {"softmax", &Evaluator::weightsCall},
      {"normalize", &Evaluator::weightsCall}, {"sum", &Evaluator::reduceCall},
      {"logsumexp", &Evaluator::reduceCall},  {"count", &Evaluator::countCall},
      {"kl", &Evaluator::klCall},             {"top", &Evaluator::selectCall},
      {"mass", &Evaluator::selectCall},       {"pool", &Evaluator::poolCall},
      {"hold", &Evaluator::holdCall},         {"cumsum", &Evaluator::cumsumCall},
      {"outer", &Evaluator::outerCall},       {"cross_entropy", &Evaluator::crossEntropyCall}};
  static const std::set<std::string> makers = {"linear", "rms_norm", "layer_norm", "conv", "param"};
  if (e.as && !makers.count(e.text))
    error(e.as->loc, "`" + e.text + "` makes no parameter: `as` names nothing here");
  if (auto found = unaries.find(e.text); found != unaries.end())
    return unary(found->second, e, *bound);
  if (e.text == "softcap")
    return apply(Fn::Softcap, {{eval(*bound->slot(0)), bound->slot(0)}, {eval(*bound->slot(1)), bound->slot(1)}}, e.loc, "softcap");
  if (e.text == "min")
    return fold(Fn::Min, e, *bound);
  if (e.text == "max")
    return bound->slot(1) ? fold(Fn::Max, e, *bound) : reduceCall(e, *bound);
  if (e.text == "next")
    return error(e.loc, "`next(tokens)` stands in `cross_entropy(logits, next(tokens))` only");
  return (this->*handlers.at(e.text))(e, *bound);
}

// What an argument must be --------------------------------------------------------------------------------------------

Value Evaluator::wantToken(const Expr &e, const char *what, bool perHeadToo) {
  return wantToken(eval(e), e, what, perHeadToo);
}

Value Evaluator::wantToken(Value value, const Expr &e, const char *what, bool perHeadToo) {
  switch (value.kind) {
  case Value::Kind::Poison:
    return value;
  case Value::Kind::Token:
  case Value::Kind::Block:
    break;
  case Value::Kind::PerHead:
    if (!perHeadToo)
      return error(e.start, std::string(what) + " is a value at one token; " + subject(e) + " is a value per head");
    break;
  case Value::Kind::Pair: {
    std::string name = e.kind == Expr::Kind::Name ? e.text : "s";
    if (value.elem == Elem::Bool || value.elem == Elem::Weight)
      return error(e.start, subject(e) + " is a set of pairs (i, j), never stored: it stands after `over` or in `count(" +
                                (e.kind == Expr::Kind::Name ? e.text : "A") + ")`");
    if (value.isWeights || value.pair().hasWeights)
      return error(e.start, subject(e) + " has a value for every pair (i, j), never stored: reduce it over j, as `" +
                                (e.kind == Expr::Kind::Name ? e.text : "p") + " @ v`");
    return error(e.start, subject(e) + " has a value for every pair (i, j), never stored: reduce it over j, as `softmax(" +
                              name + ") @ v`");
  }
  case Value::Kind::State:
    return error(e.start, subject(e) + " is a state, never stored: read it, as `x @ " +
                              (e.kind == Expr::Kind::Name ? e.text : "S") + "`");
  default:
    return error(e.start, std::string(what) + " is a value at one token; " + subject(e) + " is " + kindName(value));
  }
  if (value.isRestricted())
    return error(e.loc, "`over` belongs to a reduction");
  return value;
}

std::optional<Number> Evaluator::wantNumber(const Expr &e, const char *what) {
  Value value = eval(e);
  if (value.isPoison())
    return std::nullopt;
  if (!value.isConstant() || !value.constant.number()) {
    error(e.start, std::string(what) + " is a constant number; this is " +
                       (value.isConstant() ? value.constant.kind() : kindName(value)));
    return std::nullopt;
  }
  return *value.constant.number();
}

std::optional<int64_t> Evaluator::wantSize(const Expr &e, const char *what, int64_t least) {
  std::optional<Number> number = wantNumber(e, what);
  if (!number)
    return std::nullopt;
  if (!number->isWhole()) {
    error(e.start, std::string(what) + " is a whole number; this is " + number->str());
    return std::nullopt;
  }
  if (number->asInteger() < least || number->asInteger() > (int64_t(1) << 40)) {
    error(e.start, std::string(what) + " is at least " + std::to_string(least) + "; this is " + number->str());
    return std::nullopt;
  }
  return number->asInteger();
}

std::optional<bool> Evaluator::wantTruth(const Expr &e, const char *what) {
  Value value = eval(e);
  if (value.isPoison())
    return std::nullopt;
  if (!value.isConstant() || !value.constant.truth()) {
    error(e.start, std::string("`") + what + "` is `true` or `false`; this is " +
                       (value.isConstant() ? value.constant.kind() : kindName(value)));
    return std::nullopt;
  }
  return *value.constant.truth();
}

std::optional<std::string> Evaluator::wantWord(const Expr &e, const char *what, const std::vector<std::string> &known) {
  auto isKnown = [&](const std::string &word) { return std::find(known.begin(), known.end(), word) != known.end(); };
  if (e.kind == Expr::Kind::Name && isKnown(e.text))
    return e.text;
  bool elsewhere = e.kind != Expr::Kind::Name || (frame && frame->vars.count(e.text));
  if (elsewhere) {
    Value value = eval(e);
    if (value.isPoison())
      return std::nullopt;
    if (value.isConstant() && value.constant.word() && isKnown(value.constant.word()->text))
      return value.constant.word()->text;
  }
  std::string hint = e.kind == Expr::Kind::Name ? didYouMean(e.text, known) : "";
  error(e.start, std::string("`") + what + "` is one of " + listOf(known, ", ") + hint);
  return std::nullopt;
}

std::optional<Evaluator::Size> Evaluator::wantShape(const Expr &e) {
  Value value = eval(e);
  if (value.isPoison())
    return std::nullopt;
  std::vector<Constant> items;
  if (value.isConstant() && value.constant.number())
    items = {value.constant};
  else if (value.isConstant() && value.constant.list())
    items = *value.constant.list();
  else {
    error(e.start, "a shape is `[heads, width]`, or the width alone; this is " +
                       (value.isConstant() ? value.constant.kind() : kindName(value)));
    return std::nullopt;
  }
  if (items.size() > 2) {
    error(e.start, "a shape is `[heads, width]`; this has " + std::to_string(items.size()) + " sizes");
    return std::nullopt;
  }
  std::vector<int64_t> sizes;
  for (size_t k = 0; k < items.size(); ++k) {
    const Expr &at = e.kind == Expr::Kind::List && k < e.parts.size() ? *e.parts[k] : e;
    const Number *number = items[k].number();
    if (!number || !number->isWhole()) {
      error(at.start, "a size is a whole number; this is " + (number ? number->str() : items[k].kind()));
      return std::nullopt;
    }
    if (number->asInteger() < 1 || number->asInteger() > INT32_MAX) {
      error(at.start, "a size is between 1 and 2147483647; this is " + number->str());
      return std::nullopt;
    }
    sizes.push_back(number->asInteger());
  }
  return sizes.size() == 1 ? Size{1, sizes[0]} : Size{sizes[0], sizes[1]};
}

} // namespace caa
