// The listing of a syntax tree: one node a line, operands indented below their operator.
#include "frontend/Syntax/Syntax.h"
#include "llvm/Support/raw_ostream.h"

namespace caa::syntax {
namespace {

struct Printer {
  llvm::raw_ostream &out;
  int depth = 0;

  llvm::raw_ostream &line() { return out.indent(2 * depth); }

  void expr(const Expr &e, const std::string &label = "") {
    line() << label;
    switch (e.kind) {
    case Expr::Kind::Number:
      out << e.text;
      break;
    case Expr::Kind::String:
      out << '"' << e.text << '"';
      break;
    case Expr::Kind::Truth:
      out << (e.truth ? "true" : "false");
      break;
    case Expr::Kind::Name:
      out << e.text;
      break;
    case Expr::Kind::Call:
      out << "call " << e.text;
      break;
    case Expr::Kind::List:
      out << "list";
      break;
    case Expr::Kind::Index:
      out << "index";
      break;
    case Expr::Kind::Member:
      out << "." << e.text;
      break;
    case Expr::Kind::Unary:
    case Expr::Kind::Binary:
      out << spelling(e.op);
      break;
    }
    if (e.as)
      out << " as " << e.as->text;
    out << "    // " << e.loc.line << ":" << e.loc.column << "\n";
    ++depth;
    for (const ExprPtr &part : e.parts)
      expr(*part);
    for (const Arg &arg : e.args)
      expr(*arg.value, arg.name ? arg.name->text + " = " : "");
    --depth;
  }

  void body(const Body &stmts) {
    ++depth;
    for (const Stmt &stmt : stmts)
      statement(stmt);
    --depth;
  }

  void statement(const Stmt &s) {
    static const char *const words[] = {"assign", "score", "set", "state", "report", "loss", "return", "repeat", "if"};
    line() << words[static_cast<int>(s.kind)];
    for (const Name &name : s.names)
      out << " " << name.text;
    if (s.as)
      out << " as " << s.as->text;
    out << "    // " << s.loc.line << ":" << s.loc.column << "\n";
    ++depth;
    for (const ExprPtr &e : s.exprs)
      expr(*e);
    --depth;
    body(s.body);
    if (s.hasElse) {
      line() << "else\n";
      body(s.otherwise);
    }
  }

  void decl(const Decl &d) {
    line() << kindName(d.kind) << " " << d.name.text << "\n";
    ++depth;
    for (const Param &p : d.params) {
      line() << "parameter " << (p.isAttention ? "attention " : "") << p.name.text << "\n";
      if (p.fallback) {
        ++depth;
        expr(*p.fallback, "default ");
        --depth;
      }
    }
    if (d.value)
      expr(*d.value);
    if (d.base) {
      line() << "base " << d.base->text << "\n";
      for (const Arg &arg : d.args)
        expr(*arg.value, arg.name ? arg.name->text + " = " : "");
    }
    --depth;
    body(d.body);
  }
};

} // namespace

void print(const File &file, llvm::raw_ostream &out) {
  Printer printer{out};
  for (const Use &use : file.uses)
    out << "use \"" << use.path << "\"\n";
  for (const Decl &decl : file.decls)
    printer.decl(decl);
  for (const Train &train : file.trains) {
    out << "train\n";
    ++printer.depth;
    for (const Setting &setting : train.settings)
      printer.expr(*setting.value, setting.name.text + " = ");
    --printer.depth;
  }
}

} // namespace caa::syntax
