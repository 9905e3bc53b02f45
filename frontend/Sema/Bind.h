// Which argument goes to which parameter: the rules of calls, shared by the check of names and the evaluator.
#pragma once

#include "frontend/Sema/Builtins.h"
#include "frontend/Support/Diagnostics.h"
#include "frontend/Syntax/Syntax.h"
#include <map>

namespace caa {

struct Bound {
  std::vector<const syntax::Arg *> slots;              // one per parameter; null: not given
  std::vector<const syntax::Expr *> more;              // beyond the last parameter of a variadic built-in
  std::map<std::string, const syntax::Expr *> options; // of a built-in

  const syntax::Expr *slot(size_t k) const { return k < slots.size() && slots[k] ? slots[k]->value.get() : nullptr; }
  const syntax::Expr *option(const std::string &name) const {
    auto found = options.find(name);
    return found == options.end() ? nullptr : found->second;
  }
};

std::optional<Bound> bindBuiltin(const BuiltinSpec &spec, const syntax::Expr &call, Diagnostics &diagnostics);

// A call of what the program defines. `isOffer`: through an `attention` parameter, where the callee takes what it
// declares of what the call names. A parameter without argument and default is an error.
std::optional<Bound> bindDecl(const syntax::Decl &decl, const std::vector<syntax::Arg> &args, Loc loc, bool isOffer,
                              Diagnostics &diagnostics);

std::string quoted(const std::string &name);

} // namespace caa
