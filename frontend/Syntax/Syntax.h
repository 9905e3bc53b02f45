// The syntax tree: what a file says, before any name has a meaning. Plain structs that own their parts; every node
// carries the place that a message about it should point to.
#pragma once

#include "frontend/Support/Source.h"
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace caa::syntax {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct Name {
  std::string text;
  Loc loc;
};

struct Path {
  std::string text; // words joined by dots
  Loc loc;          // of the first word
};

struct Arg {
  std::optional<Name> name; // `name = value`
  ExprPtr value;
};

enum class Op { Add, Sub, Mul, Div, FloorDiv, Rem, Pow, Neg, Not, And, Or, Lt, Le, Gt, Ge, Eq, Ne, Apply, Over, Join };
const char *spelling(Op op);

struct Expr {
  enum class Kind { Number, String, Truth, Name, Call, List, Index, Member, Unary, Binary };
  Kind kind;
  Loc loc;                     // names and calls: the name; binary operations: the operator
  Loc start;                   // where the expression begins
  std::string text;            // number as written, string without quotes, name, callee, member
  bool truth = false;
  Op op = Op::Add;             // unary and binary
  std::vector<ExprPtr> parts;  // operands; list items; index: value, index; member: value
  std::vector<Arg> args;       // of a call
  std::optional<Path> as;      // of what stands just before it
  int depth = 1;               // operations on the longest way down
};

struct Stmt;
using Body = std::vector<Stmt>;

struct Stmt {
  enum class Kind { Assign, Score, Set, State, Report, Loss, Return, Repeat, If };
  Kind kind;
  Loc loc;                        // its first word
  std::vector<Name> names;        // defined; a loss's name, if any; the variable of a `repeat`
  std::vector<ExprPtr> exprs;     // right side; count of a `repeat`; condition of an `if`
  std::optional<Path> as;         // of a `repeat`
  Body body, otherwise;
  bool hasElse = false;
};

struct Param {
  Name name;
  bool isAttention = false;
  ExprPtr fallback; // the default, or null
};

struct Decl {
  enum class Kind { Function, Block, Attention, Model };
  Kind kind;
  Name name;
  std::vector<Param> params;
  Body body;            // all but functions and models that are `= other(...)`
  ExprPtr value;        // a function's
  std::optional<Name> base; // model ID = base(args)
  std::vector<Arg> args;
  bool isBroken = false; // a syntax error lies inside: what it means is not looked at

  const Param *param(const std::string &name) const {
    for (const Param &p : params)
      if (p.name.text == name)
        return &p;
    return nullptr;
  }
};
const char *kindName(Decl::Kind kind); // "block"

struct Setting {
  Name name;
  ExprPtr value;
};

struct Train {
  Loc loc;
  std::vector<Setting> settings;
};

struct Use {
  std::string path;
  Loc loc;
};

struct File {
  int32_t source = -1;
  std::vector<Use> uses;
  std::vector<Decl> decls;
  std::vector<Train> trains;
  bool isBroken = false; // a syntax error lies outside of every definition
};

} // namespace caa::syntax

namespace llvm {
class raw_ostream;
}

namespace caa::syntax {
// An indented listing of the tree, for `caac --emit ast` and tests.
void print(const File &file, llvm::raw_ostream &out);
} // namespace caa::syntax
