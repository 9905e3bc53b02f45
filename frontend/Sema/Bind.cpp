// Binding arguments, with messages that name what is known.
#include "frontend/Sema/Bind.h"

namespace caa {

using syntax::Arg;
using syntax::Decl;
using syntax::Expr;

std::string quoted(const std::string &name) { return "`" + name + "`"; }

namespace {

std::string quotedList(const std::vector<std::string> &names) {
  std::vector<std::string> result;
  for (const std::string &name : names)
    result.push_back(quoted(name));
  return listOf(result);
}

std::string arguments(size_t n) { return std::to_string(n) + (n == 1 ? " argument" : " arguments"); }

} // namespace

std::optional<Bound> bindBuiltin(const BuiltinSpec &spec, const Expr &call, Diagnostics &diagnostics) {
  Bound bound;
  bound.slots.resize(spec.params.size());
  bool good = true;
  size_t position = 0;
  std::vector<std::string> known(spec.options.begin(), spec.options.end());
  for (const Arg &arg : call.args) {
    if (!arg.name) {
      if (position < spec.params.size()) {
        if (bound.slots[position]) {
          diagnostics.error(arg.value->start, quoted(spec.name) + " has its " + quoted(spec.params[position]) + " already");
          good = false;
        }
        bound.slots[position++] = &arg;
      } else if (spec.isVariadic) {
        bound.more.push_back(arg.value.get());
      } else {
        std::string hint = known.empty() ? "" : "; options are named: " + listOf(known);
        diagnostics.error(arg.value->start, quoted(spec.name) + " takes " +
                                                (spec.params.empty() ? "named arguments only"
                                                                     : arguments(spec.params.size())) + hint);
        return std::nullopt;
      }
      continue;
    }
    const std::string &name = arg.name->text;
    auto param = std::find(spec.params.begin(), spec.params.end(), name);
    if (param != spec.params.end()) {
      size_t k = param - spec.params.begin();
      if (bound.slots[k]) {
        diagnostics.error(arg.name->loc, quoted(spec.name) + " has its " + quoted(name) + " already");
        good = false;
      }
      bound.slots[k] = &arg;
    } else if (std::find(spec.options.begin(), spec.options.end(), name) != spec.options.end()) {
      if (!bound.options.emplace(name, arg.value.get()).second) {
        diagnostics.error(arg.name->loc, "`" + name + "` is given twice");
        good = false;
      }
    } else {
      std::vector<std::string> all = known;
      all.insert(all.end(), spec.params.begin(), spec.params.end());
      std::string hint = didYouMean(name, all);
      if (hint.empty())
        hint = known.empty() ? "; it has no options" : "; known: " + listOf(known, ", ");
      diagnostics.error(arg.name->loc, quoted(spec.name) + " has no option " + quoted(name) + hint);
      good = false;
    }
  }
  std::vector<std::string> missing;
  for (size_t k = 0; k < spec.required; ++k)
    if (!bound.slots[k])
      missing.push_back(spec.params[k]);
  if (!missing.empty()) {
    diagnostics.error(call.loc, quoted(spec.name) + " needs " + quotedList(missing));
    good = false;
  }
  if (!good)
    return std::nullopt;
  return bound;
}

std::optional<Bound> bindDecl(const Decl &decl, const std::vector<Arg> &args, Loc loc, bool isOffer,
                              Diagnostics &diagnostics) {
  Bound bound;
  bound.slots.resize(decl.params.size());
  bool good = true;
  size_t position = 0;
  std::vector<std::string> known;
  for (const syntax::Param &param : decl.params)
    known.push_back(param.name.text);
  const std::string callee = quoted(decl.name.text);
  for (const Arg &arg : args) {
    size_t k = 0;
    Loc at = arg.name ? arg.name->loc : arg.value->start;
    if (!arg.name) {
      if (isOffer) {
        diagnostics.error(at, "a call through an `attention` parameter names what it offers: write `name = ...`");
        return std::nullopt;
      }
      if (position >= decl.params.size()) {
        diagnostics.error(at, callee + " takes " + arguments(decl.params.size()) +
                                  (known.empty() ? "" : ": " + listOf(known, ", ")));
        return std::nullopt;
      }
      k = position++;
    } else {
      const std::string &name = arg.name->text;
      k = std::find(known.begin(), known.end(), name) - known.begin();
      if (decl.kind == Decl::Kind::Function) {
        diagnostics.error(at, "a function's arguments have no names at the call");
        good = false;
        continue;
      }
      if (k == known.size()) {
        if (isOffer)
          continue; // the attention takes what it declares
        std::string hint = didYouMean(name, known);
        diagnostics.error(at, callee + " has no " + quoted(name) +
                                  (hint.empty() ? known.empty() ? "" : "; known: " + listOf(known, ", ") : hint));
        good = false;
        continue;
      }
    }
    if (bound.slots[k]) {
      diagnostics.error(at, callee + " has its " + quoted(known[k]) + " already");
      good = false;
    }
    bound.slots[k] = &arg;
  }
  if (!good)
    return std::nullopt;
  std::vector<std::string> missing;
  for (size_t k = 0; k < decl.params.size(); ++k)
    if (!bound.slots[k] && !decl.params[k].fallback)
      missing.push_back(known[k]);
  if (!missing.empty()) {
    diagnostics.error(loc, isOffer ? callee + " declares " + quotedList(missing) +
                                         ", which this call does not offer; give a default or another model"
                                   : callee + " needs " + quotedList(missing));
    return std::nullopt;
  }
  return bound;
}

} // namespace caa
