// Operations that hold parameters, the names those get, and the records that `init`, `optimizer` and `schedule` take.
#include "frontend/Sema/Evaluator.h"

namespace caa {

namespace {

constexpr int64_t mostComponents = int64_t(1) << 40;

} // namespace

// Where the name of a parameter comes from: `as`, or the one variable that the statement defines.
std::optional<std::string> Evaluator::parameterPath(const Expr &call) {
  auto under = [&](const std::string &name) { return (prefix.empty() ? "" : prefix + ".") + name; };
  if (!wants())
    return under(call.as ? call.as->text : "");
  if (frame && frame->decl && frame->decl->kind == Decl::Kind::Function) {
    error(call.loc, "a function holds no parameter: make it a `block`");
    return std::nullopt;
  }
  if (!scope) {
    error(call.loc, "a parameter belongs to a model, a block or an attention");
    return std::nullopt;
  }
  if (call.as)
    return under(call.as->text);
  if (!naming || !naming->variable) {
    error(call.loc, "`" + call.text + "` makes a parameter without a name: " + (naming ? naming->why + "; " : "") +
                        "add `as name`");
    return std::nullopt;
  }
  if (naming->used) {
    error(call.loc, "this statement makes several parameters that would all be `" + under(*naming->variable) +
                        "`: name each by `as`");
    return std::nullopt;
  }
  naming->used = call.loc;
  return under(*naming->variable);
}

ParameterRef Evaluator::makeParameter(const std::string &name, std::vector<int64_t> shape,
                                      const ParameterOptions &options, Loc loc) {
  auto parameter = std::make_shared<Parameter>(Parameter{name, loc, calls, std::move(shape), options.init, options.decay,
                                                         false, options.group, {}, {}, here(loc)});
  if (!wants())
    return parameter;
  auto [entry, isNew] = byName.emplace(name, parameter);
  if (isNew) {
    made.push_back(parameter);
    return parameter;
  }
  // Two of one name: point to where the ways to them part.
  const Parameter &first = *entry->second;
  std::vector<Loc> before = first.calls, now = calls;
  before.push_back(first.loc);
  now.push_back(loc);
  size_t k = 0;
  while (k < before.size() && k < now.size() && before[k] == now[k])
    ++k;
  if (k == before.size() || k == now.size()) {
    error(loc, "every turn of the `repeat` would make a parameter `" + name + "`: write `repeat ... as name`");
  } else {
    std::string place = before[k].file == now[k].file ? "line " + std::to_string(before[k].line) : sources.describe(before[k]);
    error(now[k], "two parameters would be `" + name + "` (see " + place + "): name one with `as`");
  }
  return nullptr;
}

Evaluator::ParameterOptions Evaluator::parameterOptions(const Bound &bound, const char *defaultInit, double deviation) {
  ParameterOptions options;
  options.init.name = defaultInit;
  if (options.init.name == "normal")
    options.init.fields = {{"deviation", Constant(Number::of(deviation))}};
  if (const Expr *e = bound.option("init")) {
    bool word = e->kind == Expr::Kind::Name && (e->text == "zeros" || e->text == "ones");
    Value value = word ? Value::of(Constant(Word{e->text})) : eval(*e);
    const Record *record = value.isConstant() ? value.constant.record() : nullptr;
    const Word *named = value.isConstant() ? value.constant.word() : nullptr;
    if (record && (record->name == "normal" || record->name == "uniform")) {
      options.init = *record;
    } else if (named && (named->text == "zeros" || named->text == "ones")) {
      options.init = {named->text, {}};
    } else {
      if (!value.isPoison())
        error(e->start, "`init` is `zeros`, `ones`, `normal(deviation)` or `uniform(low, high)`; this is " +
                            (value.isConstant() ? value.constant.kind() : kindName(value)));
      options.good = false;
    }
  }
  if (const Expr *e = bound.option("decay")) {
    options.decay = wantTruth(*e, "decay");
    options.good &= options.decay.has_value();
  }
  if (const Expr *e = bound.option("group")) {
    Value value = eval(*e);
    if (value.isConstant() && value.constant.word() && !value.constant.word()->text.empty()) {
      options.group = value.constant.word()->text;
    } else {
      if (!value.isPoison())
        error(e->start, "`group` is a name in quotes, such as \"gate\"");
      options.good = false;
    }
  }
  return options;
}

// linear(x, [h, n], bias, weight = p, per_head, init, decay, group)
Value Evaluator::linearCall(const Expr &call, const Bound &bound) {
  Value x = wantToken(*bound.slot(0), "what `linear` maps");
  std::optional<Size> shape = wantShape(*bound.slot(1));
  bool bias = false, perHead = false;
  bool good = !x.isPoison() && shape;
  if (const Expr *e = bound.option("bias")) {
    std::optional<bool> truth = wantTruth(*e, "bias");
    good &= truth.has_value();
    bias = truth.value_or(false);
  }
  if (const Expr *e = bound.option("per_head")) {
    std::optional<bool> truth = wantTruth(*e, "per_head");
    good &= truth.has_value();
    perHead = truth.value_or(false);
  }
  ParameterOptions options = parameterOptions(bound, "normal", 0.02);
  const Expr *weightExpr = bound.option("weight");
  Value shared = weightExpr ? eval(*weightExpr) : Value();
  good &= options.good && !(weightExpr && shared.isPoison());
  if (weightExpr)
    for (const char *option : {"init", "decay", "group"})
      if (const Expr *e = bound.option(option); e && !(bias && std::string(option) == "group"))
        error(e->start, std::string("`") + option + "` is given where the shared weight is made, by its `param`");
  if (weightExpr && !bias && call.as)
    error(call.as->loc, "this `linear` makes no parameter, its weight is shared: `as` names nothing");
  std::optional<std::string> path;
  if (!weightExpr || bias) {
    path = parameterPath(call);
    good &= path.has_value();
  }
  if (!good)
    return Value::poison();
  if (x.elem == Elem::Bool)
    return error(bound.slot(0)->start, "`linear` takes numbers; this is a truth value");
  if (x.linearInState)
    return error(call.loc, "the state being defined may enter by `+ - * /` and `@` only");
  if (perHead) {
    if (shape->heads != 1 && shape->heads != x.heads)
      return error(bound.slot(1)->start, "`per_head` keeps the " + std::to_string(x.heads) + " heads of its input; this says " +
                                             std::to_string(shape->heads));
    shape->heads = x.heads;
  }
  int64_t rows = shape->heads * shape->width, columns = perHead ? x.width : x.heads * x.width;
  if (rows > mostComponents / columns)
    return error(call.loc, "a weight of " + std::to_string(rows) + " x " + std::to_string(columns) + " is too large");
  Value result = x;
  result.parameter = nullptr;
  result.isRounded = result.isFp32 = result.fromInputs = result.coversNext = false;
  result.ir = nullptr;
  result.elem = Elem::Real;
  result.heads = shape->heads;
  result.width = shape->width;
  ParameterRef weight, biasParameter;
  if (weightExpr) {
    if (!shared.parameter)
      return error(weightExpr->start, "`weight` takes a `param`; " + subject(*weightExpr) + " is " + kindName(shared));
    if (shared.heads != rows || shared.width != columns)
      return error(weightExpr->start, "the weight of this `linear` is [" + std::to_string(rows) + ", " +
                                          std::to_string(columns) + "]; " + subject(*weightExpr) + " is [" +
                                          std::to_string(shared.heads) + ", " + std::to_string(shared.width) + "]");
    weight = shared.parameter;
    weight->isTable = true;
  } else {
    if (!options.decay)
      options.decay = true;
    weight = makeParameter(*path + ".weight", {rows, columns}, options, call.loc);
  }
  if (bias) {
    ParameterOptions biasOptions;
    biasOptions.init.name = "zeros";
    biasOptions.decay = false;
    biasOptions.group = options.group;
    biasParameter = makeParameter(*path + ".bias", {rows}, biasOptions, call.loc);
  }
  if (!weight || (bias && !biasParameter))
    return Value::poison();
  if (wants())
    result.ir = perHead ? emitter.refuse(here(call.loc), "`per_head`")
                        : emitter.linear(x, *weight, biasParameter.get(), result, here(call.loc));
  return result;
}

Value Evaluator::embedCall(const Expr &call, const Bound &bound) {
  Value index = wantToken(*bound.slot(0), "the index of `embed`");
  Value table = eval(*bound.slot(1));
  if (index.isPoison() || table.isPoison())
    return Value::poison();
  if (index.elem != Elem::Int)
    return error(bound.slot(0)->start, "`embed` takes an integer per token, such as `tokens` or `position`; this is " +
                                           std::string(elemName(index.elem)));
  if (index.width != 1 || index.heads != 1)
    return error(bound.slot(0)->start, "`embed` takes one integer per token; this has " + std::to_string(index.heads) +
                                           " heads of width " + std::to_string(index.width));
  if (!table.parameter)
    return error(bound.slot(1)->start, "the table of `embed` is a `param`; " + subject(*bound.slot(1)) + " is " + kindName(table));
  table.parameter->isTable = true;
  Value result;
  result.kind = index.kind;
  result.axis = index.axis;
  result.width = table.width;
  if (wants())
    result.ir = emitter.embed(index, *table.parameter, result, here(call.loc));
  return result;
}

Value Evaluator::normCall(const Expr &call, const Bound &bound) {
  bool isLayer = call.text == "layer_norm";
  Value x = wantToken(*bound.slot(0), "what is normed", /*perHeadToo=*/true);
  ParameterOptions options = parameterOptions(bound, "ones", 0);
  std::optional<std::string> path = parameterPath(call);
  if (x.isPoison() || !options.good || !path)
    return Value::poison();
  if (x.linearInState)
    return error(call.loc, "a state is linear in itself: `" + call.text + "` of what holds it is not");
  if (x.elem == Elem::Bool)
    return error(bound.slot(0)->start, "`" + call.text + "` takes numbers; this is a truth value");
  if (!options.decay)
    options.decay = false;
  ParameterRef weight = makeParameter(*path + ".weight", {x.width}, options, call.loc), bias;
  if (isLayer) {
    ParameterOptions biasOptions = options;
    biasOptions.init = {"zeros", {}};
    biasOptions.decay = false;
    bias = makeParameter(*path + ".bias", {x.width}, biasOptions, call.loc);
  }
  if (!weight || (isLayer && !bias))
    return Value::poison();
  Value result = x;
  result.parameter = nullptr;
  result.table.clear();
  result.isRounded = result.isFp32 = result.fromInputs = result.coversNext = false;
  result.ir = nullptr;
  result.elem = Elem::Real;
  if (wants())
    result.ir = emitter.norm(x, *weight, bias.get(), result, here(call.loc));
  return result;
}

Value Evaluator::convCall(const Expr &call, const Bound &bound) {
  Value x = wantToken(*bound.slot(0), "what `conv` takes");
  std::optional<int64_t> taps = wantSize(*bound.slot(1), "the taps of `conv`");
  ParameterOptions options = parameterOptions(bound, "normal", 0.02);
  std::optional<std::string> path = parameterPath(call);
  if (x.isPoison() || !taps || !options.good || !path)
    return Value::poison();
  if (x.linearInState)
    return error(call.loc, "the state being defined may enter by `+ - * /` and `@` only");
  if (!options.decay)
    options.decay = false;
  if (!makeParameter(*path + ".weight", {x.heads * x.width, 1, *taps}, options, call.loc))
    return Value::poison();
  Value result = x;
  result.parameter = nullptr;
  result.isRounded = result.isFp32 = result.fromInputs = false;
  result.elem = Elem::Real;
  result.ir = wants() ? emitter.refuse(here(call.loc), "`conv`") : nullptr;
  return result;
}

// param([h, n], low, high, init, decay, group)
Value Evaluator::paramCall(const Expr &call, const Bound &bound) {
  std::optional<Size> shape = wantShape(*bound.slot(0));
  std::optional<double> ends[2];
  bool good = shape.has_value();
  for (size_t k : {1, 2})
    if (const Expr *e = bound.slot(k)) {
      std::optional<Number> number = wantNumber(*e, k == 1 ? "`low`" : "`high`");
      good &= number.has_value();
      if (number)
        ends[k - 1] = number->asReal();
    }
  if (ends[0] && ends[1] && !(*ends[0] < *ends[1])) {
    error(bound.slot(1)->start, "`low` is less than `high`");
    good = false;
  }
  ParameterOptions options = parameterOptions(bound, "normal", 0.02);
  std::optional<std::string> path = parameterPath(call);
  if (!good || !options.good || !path)
    return Value::poison();
  if (shape->heads > mostComponents / shape->width)
    return error(call.loc, "a parameter of " + std::to_string(shape->heads) + " x " + std::to_string(shape->width) + " is too large");
  ParameterRef parameter = makeParameter(*path, {shape->heads, shape->width}, options, call.loc);
  if (!parameter)
    return Value::poison();
  parameter->low = ends[0];
  parameter->high = ends[1];
  Value result;
  result.kind = Value::Kind::PerHead;
  result.heads = shape->heads;
  result.width = shape->width;
  result.parameter = parameter;
  if (wants())
    result.ir = emitter.perHeadParameter(*parameter, here(call.loc));
  return result;
}

// Bundles of constants: normal(d), uniform(a, b), adamw(...), group(...), cosine(...), wsd(...).
Value Evaluator::recordCall(const Expr &call, const Bound &bound) {
  Record record{call.text, {}};
  const BuiltinSpec &spec = *findBuiltin(call.text);
  bool good = true;
  auto add = [&](const std::string &name, const Expr &e) {
    Value value = eval(e);
    if (value.isPoison()) {
      good = false;
      return;
    }
    bool isName = call.text == "group" && name == "name";
    bool fits = value.isConstant() && (isName ? value.constant.word() != nullptr : value.constant.number() != nullptr);
    if (!fits) {
      error(e.start, "`" + name + "` is " + (isName ? "a name in quotes" : "a constant number") + "; this is " +
                         (value.isConstant() ? value.constant.kind() : kindName(value)));
      good = false;
      return;
    }
    record.fields.push_back({name, value.constant});
  };
  for (size_t k = 0; k < spec.params.size(); ++k)
    if (const Expr *e = bound.slot(k))
      add(spec.params[k], *e);
  for (const char *option : spec.options)
    if (const Expr *e = bound.option(option))
      add(option, *e);
  if (!good)
    return Value::poison();
  auto real = [&](const char *name) { return record.field(name)->number()->asReal(); };
  if (call.text == "normal" && real("deviation") < 0)
    return error(bound.slot(0)->start, "a deviation is not negative");
  if (call.text == "uniform" && real("low") > real("high"))
    return error(bound.slot(0)->start, "`uniform(low, high)`: the first is the lower one");
  return Value::of(Constant(std::move(record)));
}

} // namespace caa
