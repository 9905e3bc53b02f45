// Definitions, statements and calls: which names mean what at each point, and how calls are inlined.
#include "frontend/Sema/Evaluator.h"

namespace caa {

namespace {

constexpr int64_t mostTurns = 10000;        // of one `repeat`
constexpr size_t deepestCalls = 200;
constexpr int64_t mostStatements = 2000000; // evaluated in all

// Sets a variable for as long as this object lives.
template <class T> class Scoped {
public:
  Scoped(T &slot, T value) : slot(slot), old(std::move(slot)) { slot = std::move(value); }
  ~Scoped() { slot = std::move(old); }

private:
  T &slot;
  T old;
};

} // namespace

Evaluator::Evaluator(const Program &program, const SourceManager &sources, Diagnostics &diagnostics,
                     Overrides &overrides, Emitter &emitter)
    : program(program), sources(sources), diagnostics(diagnostics), overrides(overrides), emitter(emitter) {}

Value Evaluator::error(Loc loc, const std::string &message) {
  diagnostics.error(loc, message);
  return Value::poison();
}

bool Evaluator::spend(Loc loc) {
  if (++spent == mostStatements + 1)
    diagnostics.error(loc, "the model unrolls to more than " + std::to_string(mostStatements) + " statements");
  return spent <= mostStatements;
}

bool Evaluator::isActive(const Decl &decl) const {
  for (const Frame *f = frame; f; f = f->caller)
    if (f->decl == &decl)
      return true;
  return false;
}

// Models and exports --------------------------------------------------------------------------------------------------

void Evaluator::runModel(const Decl &model) {
  // An alias is its base with arguments: the outermost argument wins.
  std::map<std::string, const Expr *> given;
  const Decl *base = &model;
  for (int links = 0; base->base; ++links) {
    const Decl *next = program.find(base->base->text, Decl::Kind::Model);
    if (!next || links > 100)
      return; // reported by checkNames
    const Decl *origin = next;
    for (int k = 0; origin->base && k < 100; ++k)
      if (const Decl *further = program.find(origin->base->text, Decl::Kind::Model))
        origin = further;
      else
        return;
    // An alias has the parameters of the model behind all aliases.
    std::optional<Bound> bound = origin->isBroken ? std::nullopt
                                                  : bindDecl(*origin, base->args, base->base->loc, false, diagnostics);
    if (!bound)
      return;
    for (size_t k = 0; k < origin->params.size(); ++k)
      if (bound->slots[k])
        given.emplace(origin->params[k].name.text, bound->slots[k]->value.get());
    base = next;
  }
  Frame top;
  top.decl = base;
  Scope inside;
  inside.isModel = true;
  Scoped<Frame *> inFrame(frame, nullptr);
  Scoped<Scope *> inScope(scope, nullptr);
  std::vector<std::string> known;
  for (const syntax::Param &param : base->params)
    known.push_back(param.name.text);
  for (Override &entry : overrides.list())
    if (entry.path.size() == 1) {
      entry.used = true;
      if (!base->param(entry.path[0]))
        diagnostics.error({}, "--set " + entry.option + ": `" + model.name.text + "` has no `" + entry.path[0] + "`" +
                                  (known.empty() ? "" : "; known: " + listOf(known, ", ")));
    }
  for (const syntax::Param &param : base->params) {
    const std::string &name = param.name.text;
    Override *set = overrides.find(name);
    auto argument = given.find(name);
    Value value;
    if (set) {
      Scoped<Frame *> outside(frame, nullptr);
      if (param.isAttention)
        value = set->value ? attentionNamed(*set->value).value_or(Value::poison())
                           : error({}, "--set " + set->option + ": name an attention");
      else if (set->value && set->value->kind == Expr::Kind::Name && !isReservedName(set->text))
        value = Value::of(Word{set->text});
      else if (set->value)
        value = eval(*set->value);
      else
        value = error({}, "--set " + set->option + ": `" + set->text + "` is not a constant expression");
    } else if (argument != given.end()) {
      Scoped<Frame *> outside(frame, nullptr);
      value = param.isAttention ? attentionNamed(*argument->second).value_or(Value::poison()) : eval(*argument->second);
    } else if (param.fallback) {
      Scoped<Frame *> within(frame, &top); // a default may use the parameters before it
      value = param.isAttention ? attentionNamed(*param.fallback).value_or(Value::poison()) : eval(*param.fallback);
    }
    if (!value.isPoison() && !value.isConstant())
      value = error(param.name.loc, "a model's parameter is a constant; `" + name + "` would be " + kindName(value));
    if (value.isConstant())
      values.push_back({name, value.constant});
    if (name == "vocab" && value.isConstant() && value.constant.number() && value.constant.number()->isWhole())
      vocab = value.constant.number()->asInteger();
    top.vars[name] = std::move(value);
  }
  Scoped<Frame *> within(frame, &top);
  Scoped<Scope *> inModel(scope, &inside);
  body(base->body);
  if (!hadLoss && diagnostics.errorCount() == 0)
    diagnostics.error(model.name.loc, "the model `" + model.name.text +
                                          "` has no `loss`: write `loss = cross_entropy(logits, next(tokens))`");
}

void Evaluator::runExport(const ExportRequest &request) {
  const Decl *decl = program.find(request.name);
  if (!decl || (decl->kind != Decl::Kind::Attention && decl->kind != Decl::Kind::Block)) {
    std::vector<std::string> known = program.names(Decl::Kind::Attention);
    for (const std::string &name : program.names(Decl::Kind::Block))
      known.push_back(name);
    error({}, "--export " + request.name + ": no attention or block of that name; known: " + listOf(known, ", "));
    return;
  }
  std::vector<std::string> known;
  for (const syntax::Param &param : decl->params)
    known.push_back(param.name.text);
  std::map<std::string, const ExportRequest::Vector *> vectors;
  for (const ExportRequest::Vector &vector : request.vectors) {
    if (!decl->param(vector.name))
      error({}, "--arg " + vector.name + ": `" + decl->name.text + "` has no `" + vector.name +
                    "`; known: " + listOf(known, ", "));
    vectors[vector.name] = &vector;
  }
  Frame top;
  top.decl = decl;
  Scope inside;
  inside.isAttention = decl->kind == Decl::Kind::Attention;
  Scoped<Frame *> within(frame, &top);
  Scoped<Scope *> inScope(scope, &inside);
  bool good = true;
  for (const syntax::Param &param : decl->params) {
    const std::string &name = param.name.text;
    Value value;
    if (auto vector = vectors.find(name); vector != vectors.end()) {
      value.kind = Value::Kind::Token;
      value.heads = vector->second->heads;
      value.width = vector->second->width;
      value.ir = emitter.input(name);
      value = named(value, param.name.loc);
    } else if (std::optional<Value> fallback = defaultValue(*decl, param)) {
      value = *fallback;
    } else {
      error({}, "--export " + decl->name.text + ": `" + name + "` has no default: give --arg " + name +
                    "=HEADSxWIDTH for a vector or --set " + decl->name.text + "." + name + "=VALUE for a constant");
      good = false;
    }
    if (value.isVector() && inside.heads == 0)
      inside.heads = value.heads;
    top.vars[name] = std::move(value);
  }
  if (!good)
    return;
  if (inside.isAttention)
    inside.visible = finishNode(node(PairNode::Op::Causal, decl->name.loc));
  body(decl->body);
  if (!top.returned)
    return;
  std::vector<Value> results =
      top.returned->kind == Value::Kind::Tuple ? top.returned->parts : std::vector<Value>{*top.returned};
  emitter.results(results, here(decl->name.loc));
}

// Statements ----------------------------------------------------------------------------------------------------------

void Evaluator::body(const syntax::Body &stmts) {
  for (const Stmt &stmt : stmts) {
    if (frame->hadReturn || !spend(stmt.loc))
      return;
    statement(stmt);
  }
}

void Evaluator::statement(const Stmt &stmt) {
  Naming names;
  switch (stmt.kind) {
  case Stmt::Kind::Assign:
  case Stmt::Kind::Score:
  case Stmt::Kind::Set:
  case Stmt::Kind::State:
    if (stmt.names.size() == 1)
      names.variable = stmt.names[0].text;
    else
      names.why = "this statement defines several variables";
    break;
  case Stmt::Kind::Report:
    names.why = "a `report` defines no variable";
    break;
  case Stmt::Kind::Loss:
    names.why = "a `loss` defines no variable";
    break;
  case Stmt::Kind::Return:
    names.why = "a `return` defines no variable";
    break;
  default:
    names.why = "this statement defines no variable";
  }
  Scoped<Naming *> here(naming, &names);
  switch (stmt.kind) {
  case Stmt::Kind::Assign:
    return assign(stmt);
  case Stmt::Kind::Score:
  case Stmt::Kind::Set:
    return declare(stmt);
  case Stmt::Kind::State:
    return stateStatement(stmt);
  case Stmt::Kind::Report:
    return reportStatement(stmt);
  case Stmt::Kind::Loss:
    return lossStatement(stmt);
  case Stmt::Kind::Return: {
    std::vector<Value> results = several(stmt.exprs);
    frame->hadReturn = true;
    for (size_t k = 0; k < results.size(); ++k) {
      const Expr &e = *stmt.exprs[std::min(k, stmt.exprs.size() - 1)];
      if (!results[k].isConstant())
        results[k] = wantToken(results[k], e, "what is returned", /*perHeadToo=*/true);
    }
    Value tuple;
    if (results.size() == 1) {
      tuple = results[0];
    } else {
      tuple.kind = Value::Kind::Tuple;
      tuple.parts = std::move(results);
    }
    frame->returned = std::move(tuple);
    return;
  }
  case Stmt::Kind::Repeat:
    return repeat(stmt);
  case Stmt::Kind::If:
    return branch(stmt);
  }
}

// The values of a right side: one of several values stands for them all if it is alone.
std::vector<Value> Evaluator::several(const std::vector<syntax::ExprPtr> &exprs) {
  std::vector<Value> result;
  for (const syntax::ExprPtr &e : exprs) {
    Value value = eval(*e);
    if (value.kind == Value::Kind::Tuple) {
      if (exprs.size() == 1)
        return value.parts;
      value = error(e->loc, subject(*e) + " gives " + std::to_string(value.parts.size()) +
                                " values: give them names in a statement of their own");
    }
    result.push_back(std::move(value));
  }
  return result;
}

void Evaluator::assign(const Stmt &stmt) {
  std::vector<Value> results = several(stmt.exprs);
  if (results.size() != stmt.names.size()) {
    bool poisoned = results.size() == 1 && results[0].isPoison();
    if (!poisoned)
      error(stmt.loc, std::to_string(stmt.names.size()) + (stmt.names.size() == 1 ? " name" : " names") + " for " +
                          std::to_string(results.size()) + (results.size() == 1 ? " value" : " values"));
    for (const syntax::Name &name : stmt.names)
      frame->vars[name.text] = Value::poison();
    return;
  }
  for (size_t k = 0; k < results.size(); ++k) {
    const syntax::Name &name = stmt.names[k];
    Value &value = results[k];
    if (value.isPair()) {
      bool isSet = value.elem == Elem::Bool || value.elem == Elem::Weight;
      value = error(name.loc, "`" + name.text + "` would have a value for every pair (i, j): name it by `" +
                                  (isSet ? "set " : "score ") + name.text + " = ...`");
    } else if (value.kind == Value::Kind::State) {
      value = error(name.loc, "a state is named by `state " + name.text + " = ...`");
    }
    frame->vars[name.text] = named(std::move(value), name.loc);
  }
}

Value Evaluator::named(Value value, Loc loc) {
  bool rounds = value.isVector() && value.elem == Elem::Real && value.width != 1 && !value.isFp32 && !value.isRounded &&
                !value.linearInState && !value.parameter && !value.coversNext;
  if (!rounds)
    return value;
  value.isRounded = true;
  value.ir = wants() ? emitter.round(value, here(loc)) : nullptr;
  return value;
}

void Evaluator::declare(const Stmt &stmt) {
  const Expr &e = *stmt.exprs[0];
  const std::string &name = stmt.names[0].text;
  if (!scope || !scope->isAttention) {
    error(stmt.loc, std::string("a ") + (stmt.kind == Stmt::Kind::Set ? "set" : "score") +
                        " is a value of pairs (i, j): it lives in an attention");
    frame->vars[name] = Value::poison();
    return;
  }
  Value value = eval(e);
  if (stmt.kind == Stmt::Kind::Set)
    return defineSet(stmt, std::move(value));
  if (value.isPair() && (value.elem == Elem::Bool || value.elem == Elem::Weight))
    value = error(stmt.loc, "`" + name + "` is a set: write `set " + name + " = ...`");
  else if (value.isConstant() || value.kind == Value::Kind::PerHead) {
    if (PairRef made = toPair(value, e))
      value = pairValue(made);
    else
      value = Value::poison();
  } else if (value.kind == Value::Kind::Keys || value.kind == Value::Kind::State || value.kind == Value::Kind::Tuple) {
    value = error(e.start, "a score is a pair value; this is " + kindName(value));
  } else if (value.atToken()) {
    toPair(value, e); // says how to index it
    value = Value::poison();
  }
  frame->vars[name] = std::move(value);
}

void Evaluator::defineSet(const Stmt &stmt, Value value) {
  const Expr &e = *stmt.exprs[0];
  const std::string &name = stmt.names[0].text;
  PairRef set = toSet(value, e);
  if (name == "visible") {
    if (!set)
      return;
    if (set->elem == Elem::Weight) {
      error(e.start, "`visible` is hard: a soft set weighs keys, and belongs in `over`");
      return;
    }
    if (!impliesCausal(*set))
      diagnostics.warning(stmt.loc, "tokens can see later ones (`visible` is wider than `causal`): generation needs "
                                    "that part whole");
    scope->visible = set;
    return;
  }
  frame->vars[name] = !set ? Value::poison() : value.isConstant() ? value : pairValue(set);
}

void Evaluator::lossStatement(const Stmt &stmt) {
  const Expr &e = *stmt.exprs[0];
  hadLoss = true;
  std::string name = stmt.names.empty() ? "loss" : stmt.names[0].text;
  Value value = eval(e);
  std::shared_ptr<Value> only = value.only;
  value.only = nullptr;
  value = wantToken(value, e, "a loss", /*perHeadToo=*/true);
  if (value.isPoison())
    return;
  if (value.kind == Value::Kind::Block) {
    error(e.start, "a loss is a mean over tokens; this is a value per block");
    return;
  }
  if (value.width != 1) {
    error(e.start, "a loss has width 1; this has width " + std::to_string(value.width));
    return;
  }
  if (value.elem == Elem::Bool) {
    error(e.start, "a loss is a number; this is a truth value");
    return;
  }
  if (only && (!only->fromInputs || only->elem != Elem::Bool || only->heads != 1 || only->width != 1)) {
    error(e.loc, "the tokens of a loss are chosen by a condition on `tokens`, `doc`, `position` and constants alone");
    return;
  }
  if (wants())
    emitter.loss(value, only.get(), name, stmt.names.empty(), here(stmt.loc));
}

void Evaluator::reportStatement(const Stmt &stmt) {
  const Expr &e = *stmt.exprs[0];
  Value value = eval(e);
  if (value.isConstant() && value.constant.number())
    value = constantVector(value.constant.number()->asReal(), Value());
  else
    value = wantToken(value, e, "a report", /*perHeadToo=*/true);
  if (value.isPoison() || !wants())
    return;
  emitter.report(value, stmt.names[0].text, prefix, here(stmt.loc));
}

void Evaluator::repeat(const Stmt &stmt) {
  std::optional<int64_t> turns = wantSize(*stmt.exprs[0], "a `repeat`", 0);
  const std::string &name = stmt.names[0].text;
  if (!turns)
    turns = 1; // look at the body once all the same
  if (*turns > mostTurns) {
    error(stmt.exprs[0]->start, "a `repeat` of " + std::to_string(*turns) + " turns is unrolled: at most " +
                                    std::to_string(mostTurns));
    return;
  }
  std::string base = prefix;
  for (int64_t turn = 0; turn < *turns && !frame->hadReturn; ++turn) {
    frame->vars[name] = Value::of(Constant(Number(turn)));
    if (stmt.as)
      prefix = (base.empty() ? "" : base + ".") + stmt.as->text + "." + std::to_string(turn);
    body(stmt.body);
    if (spent > mostStatements)
      break;
  }
  prefix = base;
}

void Evaluator::branch(const Stmt &stmt) {
  Value condition = eval(*stmt.exprs[0]);
  if (condition.isPoison())
    return;
  const bool *truth = condition.isConstant() ? condition.constant.truth() : nullptr;
  if (!truth) {
    error(stmt.exprs[0]->start, condition.isConstant()
                                    ? "`if` takes a truth value; this is " + condition.constant.kind()
                                    : "`if` takes a constant truth value; between values at run time, `where(c, x, y)` chooses");
    return;
  }
  body(*truth ? stmt.body : stmt.otherwise);
}

// Calls ---------------------------------------------------------------------------------------------------------------

std::optional<Value> Evaluator::attentionNamed(const Expr &e) {
  if (e.kind == Expr::Kind::Name) {
    if (frame)
      if (auto found = frame->vars.find(e.text); found != frame->vars.end()) {
        if (found->second.isPoison() || (found->second.isConstant() && found->second.constant.attention()))
          return found->second;
      }
    if (const Decl *decl = program.find(e.text, Decl::Kind::Attention))
      return Value::of(Constant(decl));
  }
  std::vector<std::string> known = program.names(Decl::Kind::Attention);
  std::string hint = e.kind == Expr::Kind::Name ? didYouMean(e.text, known) : "";
  bool isUnknown = e.kind == Expr::Kind::Name && !program.find(e.text) && !isBuiltin(e.text) && !isReservedName(e.text) &&
                   !(frame && frame->vars.count(e.text));
  if (isUnknown && !hint.empty()) {
    error(e.start, "unknown name `" + e.text + "`" + hint);
    return std::nullopt;
  }
  if (hint.empty() && !known.empty())
    hint = "; known: " + listOf(known, ", ");
  error(e.start, "expected the name of an attention" + hint);
  return std::nullopt;
}

// The default of a parameter, or what `--set` puts in its place; nullopt if there is neither.
std::optional<Value> Evaluator::defaultValue(const Decl &decl, const syntax::Param &param) {
  Override *set = overrides.find(decl.name.text, param.name.text);
  if (set) {
    set->used = true;
    Scoped<Frame *> outside(frame, nullptr);
    if (!set->value)
      return error({}, "--set " + set->option + ": `" + set->text + "` is not a constant expression");
    if (param.isAttention)
      return attentionNamed(*set->value).value_or(Value::poison());
    if (set->value->kind == Expr::Kind::Name && !isReservedName(set->text))
      return Value::of(Word{set->text});
    Value value = eval(*set->value);
    if (!value.isConstant() && !value.isPoison())
      return error({}, "--set " + set->option + ": the value is not a constant");
    return value;
  }
  if (!param.fallback)
    return std::nullopt;
  Naming none;
  none.why = "a default defines no variable";
  Scoped<Naming *> unnamed(naming, &none);
  if (param.isAttention)
    return attentionNamed(*param.fallback).value_or(Value::poison());
  return named(eval(*param.fallback), param.name.loc);
}

std::optional<Value> Evaluator::argumentValue(const Decl &decl, const syntax::Param &param, const Expr &e) {
  if (param.isAttention)
    return attentionNamed(e);
  Value value = eval(e);
  const std::string who = std::string(decl.kind == Decl::Kind::Attention ? "an " : "a ") + kindName(decl.kind);
  switch (value.kind) {
  case Value::Kind::Pair:
    return error(e.start, who + " takes no pair value: inside it, other tokens have positions of their own");
  case Value::Kind::State:
    return error(e.start, who + " takes no state");
  case Value::Kind::Keys:
  case Value::Kind::Tuple:
    return error(e.start, who + " takes one value as `" + param.name.text + "`; this is " + kindName(value));
  case Value::Kind::Block:
    if (decl.kind == Decl::Kind::Attention)
      return error(e.start, "an attention takes values at tokens; this is a value per block");
    break;
  default:
    break;
  }
  if (value.isRestricted())
    return error(e.start, "`over` belongs to a reduction");
  return named(std::move(value), e.start);
}

Value Evaluator::callDecl(const Decl &decl, const Expr &call, bool isOffer) {
  if (decl.kind == Decl::Kind::Model)
    return Value::poison(); // reported by checkNames
  if (decl.isBroken || (isActive(decl) && knowsRecursion))
    return Value::poison();
  if (isActive(decl))
    return error(call.loc, "`" + decl.name.text + "` would contain itself: recursion is not in the language");
  if (calls.size() >= deepestCalls)
    return error(call.loc, "calls nest more than " + std::to_string(deepestCalls) + " deep");
  std::optional<Bound> bound = bindDecl(decl, call.args, call.loc, isOffer, diagnostics);
  if (!bound) {
    // Look at the arguments all the same.
    for (const syntax::Arg &arg : call.args)
      if (!isOffer && !(arg.value->kind == Expr::Kind::Name && program.find(arg.value->text)))
        eval(*arg.value);
    return Value::poison();
  }
  return decl.kind == Decl::Kind::Function ? callFunction(decl, call, *bound) : callBody(decl, call, *bound);
}

Value Evaluator::callFunction(const Decl &decl, const Expr &call, const Bound &bound) {
  if (call.as)
    error(call.as->loc, "`as` names a parameter, and a function holds none");
  Frame inner;
  inner.decl = &decl;
  inner.caller = frame;
  for (size_t k = 0; k < decl.params.size(); ++k)
    inner.vars[decl.params[k].name.text] = named(eval(*bound.slot(k)), bound.slot(k)->start);
  calls.push_back(call.loc);
  Value result;
  {
    Scoped<Frame *> within(frame, &inner);
    Scoped<Naming *> unnamed(naming, nullptr);
    result = eval(*decl.value);
  }
  calls.pop_back();
  return result;
}

Value Evaluator::callBody(const Decl &decl, const Expr &call, const Bound &bound) {
  Frame inner;
  inner.decl = &decl;
  inner.caller = frame;
  Scope inside;
  inside.isAttention = decl.kind == Decl::Kind::Attention;
  std::vector<std::optional<Value>> arguments(decl.params.size());
  for (size_t k = 0; k < decl.params.size(); ++k)
    if (const Expr *e = bound.slot(k)) {
      arguments[k] = argumentValue(decl, decl.params[k], *e).value_or(Value::poison());
      if (Override *set = overrides.find(decl.name.text, decl.params[k].name.text)) {
        set->givenAt = e->start;
        if (!exported.count(decl.name.text)) {
          set->used = true;
          error(e->start, "--set " + set->option + " sets a default, but this call gives `" +
                              decl.params[k].name.text + "`");
        }
      }
    }
  calls.push_back(call.loc);
  std::string outer = prefix;
  prefix = (outer.empty() ? "" : outer + ".") + (call.as ? call.as->text : decl.name.text);
  Value result;
  {
    Scoped<Frame *> within(frame, &inner);
    Scoped<Scope *> inScope(scope, &inside);
    Scoped<Naming *> unnamed(naming, nullptr);
    for (size_t k = 0; k < decl.params.size(); ++k) {
      const syntax::Param &param = decl.params[k];
      Value value = arguments[k] ? *arguments[k] : defaultValue(decl, param).value_or(Value::poison());
      if (value.isVector() && inside.heads == 0)
        inside.heads = value.heads;
      inner.vars[param.name.text] = std::move(value);
    }
    if (inside.isAttention)
      inside.visible = finishNode(node(PairNode::Op::Causal, decl.name.loc));
    body(decl.body);
  }
  prefix = outer;
  calls.pop_back();
  if (!inner.returned)
    return Value::poison();
  return *inner.returned;
}

} // namespace caa
