// Turns ANTLR's parse tree into the syntax tree. After a syntax error parts of the parse tree are missing; what cannot
// be understood is left out, since the error has been reported.
#pragma once

#include "frontend/Support/Diagnostics.h"
#include "frontend/Syntax/Syntax.h"
#include "MdlParser.h"
#include <set>

namespace caa::syntax {

class TreeBuilder {
public:
  TreeBuilder(int32_t source, Diagnostics &diagnostics) : source(source), diagnostics(diagnostics) {}

  // `errors`: the lines of syntax errors.
  File file(MdlParser::ProgramContext *tree, const std::set<int32_t> &errors);
  ExprPtr expression(MdlParser::ExprContext *tree); // null if broken

private:
  using Parser = MdlParser;

  std::optional<Decl> function(Parser::FunctionContext *tree);
  std::optional<Decl> callable(Decl::Kind kind, antlr4::tree::TerminalNode *name, Parser::ParamsContext *params,
                               Parser::BodyContext *body);
  std::optional<Decl> model(Parser::ModelContext *tree);
  Train train(Parser::TrainContext *tree);
  std::vector<Param> params(Parser::ParamsContext *tree);
  Body body(Parser::BodyContext *tree);
  std::optional<Stmt> statement(Parser::StmtContext *tree);
  std::vector<ExprPtr> expressions(Parser::ExprsContext *tree);
  std::vector<Arg> arguments(Parser::ArgsContext *tree);

  ExprPtr domain(Parser::DomainContext *tree);
  ExprPtr disjunction(Parser::OrExprContext *tree);
  ExprPtr conjunction(Parser::AndExprContext *tree);
  ExprPtr negation(Parser::NotExprContext *tree);
  ExprPtr comparison(Parser::CmpContext *tree);
  ExprPtr sum(Parser::SumContext *tree);
  ExprPtr product(Parser::ProdContext *tree);
  ExprPtr negative(Parser::NegContext *tree);
  ExprPtr apply(Parser::ApplyContext *tree);
  ExprPtr power(Parser::PowerContext *tree);
  ExprPtr exponent(Parser::ExponentContext *tree);
  ExprPtr named(Parser::NamedContext *tree);
  ExprPtr primary(Parser::PrimaryContext *tree);

  Name name(antlr4::tree::TerminalNode *node);
  Path path(Parser::PathContext *tree);
  Loc loc(antlr4::Token *token);
  Loc loc(antlr4::tree::TerminalNode *node) { return loc(node->getSymbol()); }
  ExprPtr node(Expr::Kind kind, Loc loc, std::string text = "");
  ExprPtr binary(Op op, Loc loc, ExprPtr left, ExprPtr right);
  ExprPtr unary(Op op, Loc loc, ExprPtr operand);
  ExprPtr finish(ExprPtr expr); // sets the depth; null and an error if it is too deep
  // The operators of a chain `part { operator part }`, in order.
  std::vector<antlr4::Token *> operators(antlr4::ParserRuleContext *tree);
  template <class Part, class Build>
  ExprPtr chain(antlr4::ParserRuleContext *tree, const std::vector<Part *> &parts, Build build);

  int32_t source;
  Diagnostics &diagnostics;
};

} // namespace caa::syntax
