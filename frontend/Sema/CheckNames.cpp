// The checks that need no sizes. They walk every definition, also those that no model reaches, so that a misspelt name
// is found wherever it stands; what depends on constants (a side of `where`, a branch of `if`) is the evaluator's.
#include "frontend/Sema/Bind.h"
#include "frontend/Sema/Program.h"
#include <set>

namespace caa {
namespace {

using syntax::Arg;
using syntax::Decl;
using syntax::Expr;
using syntax::Stmt;

class NameChecker {
public:
  NameChecker(const Program &program, Diagnostics &diagnostics) : program(program), diagnostics(diagnostics) {}

  void check(const Decl &decl) {
    names.clear();
    attentions.clear();
    std::set<std::string> given;
    for (const syntax::Param &param : decl.params) {
      if (param.fallback)
        expr(*param.fallback, param.isAttention);
      define(param.name);
      if (!given.insert(param.name.text).second)
        diagnostics.error(param.name.loc, "`" + param.name.text + "` is declared twice");
      if (param.isAttention)
        attentions.insert(param.name.text);
      if (decl.kind == Decl::Kind::Model && !param.fallback && !decl.base)
        diagnostics.error(param.name.loc, "a model's parameter needs a default: write `" + param.name.text + " = ...`");
    }
    if (decl.value)
      expr(*decl.value);
    if (decl.base)
      base(decl);
    collect(decl.body);
    body(decl.body, decl);
    bool returns = decl.kind == Decl::Kind::Block || decl.kind == Decl::Kind::Attention;
    if (returns && !hasReturn(decl.body))
      diagnostics.error(decl.name.loc, std::string("the ") + kindName(decl.kind) + " `" + decl.name.text +
                                           "` returns nothing: end it with `return ...`");
  }

private:
  void base(const Decl &decl) {
    const Decl *other = program.find(decl.base->text);
    if (!other || other->kind != Decl::Kind::Model) {
      diagnostics.error(decl.base->loc, other ? "`" + decl.base->text + "` is no model but " + article(*other)
                                              : "unknown model `" + decl.base->text + "`" +
                                                    didYouMean(decl.base->text, program.names(Decl::Kind::Model)));
      return;
    }
    for (const Arg &arg : decl.args)
      expr(*arg.value, true);
  }

  static std::string article(const Decl &decl) {
    return (decl.kind == Decl::Kind::Attention ? "an " : "a ") + std::string(kindName(decl.kind));
  }

  void define(const syntax::Name &name) {
    if (isReservedName(name.text))
      diagnostics.error(name.loc, "`" + name.text + "` is a reserved name");
    names.insert(name.text);
  }

  // All names that a body defines, in any branch: whether the one taken defines it is known only with the sizes.
  void collect(const syntax::Body &stmts) {
    for (const Stmt &stmt : stmts) {
      if (stmt.kind != Stmt::Kind::Loss && stmt.kind != Stmt::Kind::Report) {
        std::set<std::string> once;
        for (const syntax::Name &name : stmt.names) {
          if (!once.insert(name.text).second)
            diagnostics.error(name.loc, "`" + name.text + "` stands twice on the left");
          if (!(stmt.kind == Stmt::Kind::Set && name.text == "visible"))
            define(name);
        }
      }
      collect(stmt.body);
      collect(stmt.otherwise);
    }
  }

  static bool hasReturn(const syntax::Body &stmts) {
    for (const Stmt &stmt : stmts)
      if (stmt.kind == Stmt::Kind::Return || hasReturn(stmt.body) || hasReturn(stmt.otherwise))
        return true;
    return false;
  }

  void body(const syntax::Body &stmts, const Decl &decl) {
    for (size_t k = 0; k < stmts.size(); ++k) {
      const Stmt &stmt = stmts[k];
      for (const syntax::ExprPtr &e : stmt.exprs)
        expr(*e);
      if (stmt.kind == Stmt::Kind::Return && decl.kind == Decl::Kind::Model)
        diagnostics.error(stmt.loc, "a model returns nothing: it ends in its `loss`");
      if (stmt.kind == Stmt::Kind::Return && k + 1 < stmts.size())
        diagnostics.error(stmts[k + 1].loc, "nothing after a `return` is reached");
      if (stmt.kind == Stmt::Kind::Set && stmt.names[0].text == "visible") {
        bool isFirst = decl.kind == Decl::Kind::Attention && &stmts == &decl.body && k == 0;
        if (!isFirst)
          diagnostics.error(stmt.loc, decl.kind == Decl::Kind::Attention
                                          ? "`set visible` is the first line of an attention, before anything uses it"
                                          : "`visible` belongs to an attention");
      }
      body(stmt.body, decl);
      body(stmt.otherwise, decl);
    }
  }

  void expr(const Expr &e, bool mayNameAttention = false) {
    for (const syntax::ExprPtr &part : e.parts)
      expr(*part);
    for (const Arg &arg : e.args) {
      // These options take words; the evaluator knows which.
      bool takesWord = arg.name && arg.value->kind == Expr::Kind::Name && (arg.name->text == "by" || arg.name->text == "reduce");
      if (!takesWord)
        expr(*arg.value, true);
    }
    if (e.kind == Expr::Kind::Name)
      name(e, mayNameAttention);
    else if (e.kind == Expr::Kind::Call)
      call(e);
  }

  void name(const Expr &e, bool mayNameAttention) {
    if (names.count(e.text) || isReservedName(e.text) || isWord(e.text))
      return;
    if (const Decl *decl = program.find(e.text)) {
      if (!mayNameAttention)
        diagnostics.error(e.loc, "`" + e.text + "` is " + article(*decl) + ", not a value: call it, `" + e.text + "(...)`");
      return;
    }
    if (isBuiltin(e.text)) {
      diagnostics.error(e.loc, "`" + e.text + "` is a function, not a value: call it, `" + e.text + "(...)`");
      return;
    }
    std::vector<std::string> known(names.begin(), names.end());
    known.insert(known.end(), reservedNames().begin(), reservedNames().end());
    if (mayNameAttention)
      for (const std::string &attention : program.names(Decl::Kind::Attention))
        known.push_back(attention);
    diagnostics.error(e.loc, "unknown name `" + e.text + "`" + didYouMean(e.text, known));
  }

  void call(const Expr &e) {
    if (attentions.count(e.text)) {
      for (const Arg &arg : e.args)
        if (!arg.name) {
          diagnostics.error(arg.value->start,
                            "a call through an `attention` parameter names what it offers: write `name = ...`");
          return;
        }
      return;
    }
    if (const Decl *decl = program.find(e.text)) {
      if (decl->kind == Decl::Kind::Model)
        diagnostics.error(e.loc, "`" + e.text + "` is a model and cannot be called");
      else
        bindDecl(*decl, e.args, e.loc, /*isOffer=*/false, diagnostics);
      return;
    }
    if (const BuiltinSpec *spec = findBuiltin(e.text)) {
      bindBuiltin(*spec, e, diagnostics);
      return;
    }
    if (names.count(e.text)) {
      diagnostics.error(e.loc, "`" + e.text + "` is a value and cannot be called");
      return;
    }
    std::vector<std::string> known = builtinNames();
    for (const std::string &defined : program.names())
      known.push_back(defined);
    known.insert(known.end(), attentions.begin(), attentions.end());
    diagnostics.error(e.loc, "unknown name `" + e.text + "`" + didYouMean(e.text, known));
  }

  const Program &program;
  Diagnostics &diagnostics;
  std::set<std::string> names;
  std::set<std::string> attentions; // parameters that stand for one
};

// Finds definitions that reach themselves by direct calls; through an `attention` parameter, the evaluator does.
class RecursionChecker {
public:
  RecursionChecker(const Program &program, Diagnostics &diagnostics) : program(program), diagnostics(diagnostics) {}

  bool found = false;

  void check(const Decl &decl) {
    if (done.count(&decl) || path.size() > 500)
      return;
    path.push_back(&decl);
    if (decl.base)
      follow(decl.base->text, decl.base->loc);
    for (const syntax::Param &param : decl.params)
      if (param.fallback)
        expr(*param.fallback);
    if (decl.value)
      expr(*decl.value);
    body(decl.body);
    path.pop_back();
    done.insert(&decl);
  }

private:
  void body(const syntax::Body &stmts) {
    for (const Stmt &stmt : stmts) {
      for (const syntax::ExprPtr &e : stmt.exprs)
        expr(*e);
      body(stmt.body);
      body(stmt.otherwise);
    }
  }

  void expr(const Expr &e) {
    for (const syntax::ExprPtr &part : e.parts)
      expr(*part);
    for (const Arg &arg : e.args)
      expr(*arg.value);
    if (e.kind == Expr::Kind::Call && !path.back()->param(e.text))
      follow(e.text, e.loc);
  }

  void follow(const std::string &name, Loc loc) {
    const Decl *callee = program.find(name);
    if (!callee)
      return;
    auto again = std::find(path.begin(), path.end(), callee);
    if (again == path.end())
      return check(*callee);
    std::string way;
    for (; again != path.end(); ++again)
      way += (*again)->name.text + " -> ";
    found = true;
    diagnostics.error(loc, "`" + name + "` would contain itself (" + way + name + "): recursion is not in the language");
  }

  const Program &program;
  Diagnostics &diagnostics;
  std::vector<const Decl *> path;
  std::set<const Decl *> done;
};

} // namespace

bool checkNames(const Program &program, Diagnostics &diagnostics) {
  NameChecker names(program, diagnostics);
  RecursionChecker recursion(program, diagnostics);
  for (const syntax::File &file : program.files())
    for (const Decl &decl : file.decls) {
      if (!decl.isBroken)
        names.check(decl);
      recursion.check(decl);
    }
  return recursion.found;
}

} // namespace caa
