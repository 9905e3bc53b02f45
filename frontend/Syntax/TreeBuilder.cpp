// The walk over ANTLR's parse tree.
#include "frontend/Syntax/TreeBuilder.h"
#include <map>

namespace caa::syntax {
namespace {

// Deeper trees would exhaust the stack of the passes that walk them.
constexpr int deepestExpression = 1000;

const std::map<std::string, Op> binaryOps = {
    {"+", Op::Add}, {"-", Op::Sub}, {"*", Op::Mul},    {"/", Op::Div}, {"div", Op::FloorDiv}, {"%", Op::Rem},
    {"^", Op::Pow}, {"&", Op::And}, {"|", Op::Or},     {"<", Op::Lt},  {"<=", Op::Le},        {">", Op::Gt},
    {">=", Op::Ge}, {"==", Op::Eq}, {"!=", Op::Ne},    {"@", Op::Apply}, {"over", Op::Over},  {"++", Op::Join}};

} // namespace

const char *spelling(Op op) {
  for (const auto &[text, value] : binaryOps)
    if (value == op)
      return text.c_str();
  return op == Op::Not ? "!" : "-";
}

const char *kindName(Decl::Kind kind) {
  static const char *const names[] = {"function", "block", "attention", "model"};
  return names[static_cast<int>(kind)];
}

File TreeBuilder::file(Parser::ProgramContext *tree, const std::set<int32_t> &errors) {
  File file;
  file.source = source;
  for (auto *use : tree->use())
    if (use->STRING()) {
      std::string text = use->STRING()->getText();
      if (text.size() < 2 || text.front() != '"' || text.back() != '"')
        continue; // broken, or put there by the parser's recovery
      file.uses.push_back({text.substr(1, text.size() - 2), loc(use->STRING())});
    }
  std::set<int32_t> outside = errors;
  Parser::ItemContext *current = nullptr;
  auto keep = [&](std::optional<Decl> decl) {
    if (!decl)
      return;
    int32_t first = static_cast<int32_t>(current->getStart()->getLine());
    int32_t last = current->getStop() ? static_cast<int32_t>(current->getStop()->getLine()) : first;
    for (int32_t line : errors)
      if (line >= first && (line <= last || current->exception)) {
        decl->isBroken = true;
        outside.erase(line);
      }
    file.decls.push_back(std::move(*decl));
  };
  for (auto *item : tree->item()) {
    current = item;
    if (auto *f = item->function())
      keep(function(f));
    else if (auto *b = item->block())
      keep(callable(Decl::Kind::Block, b->ID(), b->params(), b->body()));
    else if (auto *a = item->attention())
      keep(callable(Decl::Kind::Attention, a->ID(), a->params(), a->body()));
    else if (auto *m = item->model())
      keep(model(m));
    else if (auto *t = item->train())
      file.trains.push_back(train(t));
  }
  file.isBroken = !outside.empty();
  return file;
}

std::optional<Decl> TreeBuilder::function(Parser::FunctionContext *tree) {
  if (!tree->ID() || !tree->expr())
    return std::nullopt;
  Decl decl{Decl::Kind::Function, name(tree->ID()), {}, {}, expression(tree->expr()), {}, {}, false};
  if (tree->names())
    for (auto *id : tree->names()->ID())
      decl.params.push_back({name(id), false, nullptr});
  return decl;
}

std::optional<Decl> TreeBuilder::callable(Decl::Kind kind, antlr4::tree::TerminalNode *id,
                                          Parser::ParamsContext *paramList, Parser::BodyContext *bodyTree) {
  if (!id)
    return std::nullopt;
  Decl decl{kind, name(id), params(paramList), body(bodyTree), nullptr, {}, {}, false};
  return decl;
}

std::optional<Decl> TreeBuilder::model(Parser::ModelContext *tree) {
  if (tree->ID().empty())
    return std::nullopt;
  if (tree->body() || tree->params())
    return callable(Decl::Kind::Model, tree->ID(0), tree->params(), tree->body());
  if (tree->ID().size() < 2)
    return std::nullopt;
  Decl decl{Decl::Kind::Model, name(tree->ID(0)), {}, {}, nullptr, name(tree->ID(1)), arguments(tree->args()), false};
  return decl;
}

Train TreeBuilder::train(Parser::TrainContext *tree) {
  Train result;
  result.loc = loc(tree->getStart());
  for (auto *setting : tree->setting())
    if (setting->ID() && setting->expr())
      if (ExprPtr value = expression(setting->expr()))
        result.settings.push_back({name(setting->ID()), std::move(value)});
  return result;
}

std::vector<Param> TreeBuilder::params(Parser::ParamsContext *tree) {
  std::vector<Param> result;
  if (!tree)
    return result;
  for (auto *param : tree->param())
    if (param->ID()) {
      bool isAttention = param->getStart()->getText() == "attention";
      result.push_back({name(param->ID()), isAttention, param->expr() ? expression(param->expr()) : nullptr});
    }
  return result;
}

Body TreeBuilder::body(Parser::BodyContext *tree) {
  Body result;
  if (tree)
    for (auto *stmt : tree->stmt())
      if (std::optional<Stmt> built = statement(stmt))
        result.push_back(std::move(*built));
  return result;
}

std::optional<Stmt> TreeBuilder::statement(Parser::StmtContext *tree) {
  if (!tree->getStart())
    return std::nullopt;
  Stmt stmt;
  stmt.loc = loc(tree->getStart());
  bool whole = true;
  auto take = [&](Parser::ExprContext *expr) {
    stmt.exprs.push_back(expr ? expression(expr) : nullptr);
    whole &= stmt.exprs.back() != nullptr;
  };
  auto takeName = [&](antlr4::tree::TerminalNode *id) {
    if (id)
      stmt.names.push_back(name(id));
  };
  if (auto *assign = dynamic_cast<Parser::AssignStmtContext *>(tree)) {
    stmt.kind = Stmt::Kind::Assign;
    if (assign->names())
      for (auto *id : assign->names()->ID())
        takeName(id);
    stmt.exprs = expressions(assign->exprs());
    whole = !stmt.names.empty() && !stmt.exprs.empty();
  } else if (auto *declare = dynamic_cast<Parser::DeclareStmtContext *>(tree)) {
    if (!declare->kind)
      return std::nullopt;
    static const std::map<std::string, Stmt::Kind> kinds = {{"score", Stmt::Kind::Score},
                                                            {"set", Stmt::Kind::Set},
                                                            {"state", Stmt::Kind::State},
                                                            {"report", Stmt::Kind::Report}};
    stmt.kind = kinds.at(declare->kind->getText());
    takeName(declare->ID());
    take(declare->expr());
    whole &= stmt.names.size() == 1;
  } else if (auto *loss = dynamic_cast<Parser::LossStmtContext *>(tree)) {
    stmt.kind = Stmt::Kind::Loss;
    takeName(loss->ID());
    take(loss->expr());
  } else if (auto *ret = dynamic_cast<Parser::ReturnStmtContext *>(tree)) {
    stmt.kind = Stmt::Kind::Return;
    stmt.exprs = expressions(ret->exprs());
    whole = !stmt.exprs.empty();
  } else if (auto *repeat = dynamic_cast<Parser::RepeatStmtContext *>(tree)) {
    stmt.kind = Stmt::Kind::Repeat;
    auto ids = repeat->ID();
    if (ids.empty())
      return std::nullopt;
    takeName(ids[0]);
    if (repeat->NUMBER())
      stmt.exprs.push_back(finish(node(Expr::Kind::Number, loc(repeat->NUMBER()), repeat->NUMBER()->getText())));
    else if (ids.size() > 1)
      stmt.exprs.push_back(finish(node(Expr::Kind::Name, loc(ids[1]), ids[1]->getText())));
    else
      take(repeat->expr());
    if (repeat->path())
      stmt.as = path(repeat->path());
    stmt.body = body(repeat->body());
  } else if (auto *branch = dynamic_cast<Parser::IfStmtContext *>(tree)) {
    stmt.kind = Stmt::Kind::If;
    take(branch->expr());
    auto bodies = branch->body();
    if (!bodies.empty())
      stmt.body = body(bodies[0]);
    if (bodies.size() > 1) {
      stmt.otherwise = body(bodies[1]);
      stmt.hasElse = true;
    }
  } else {
    return std::nullopt;
  }
  if (!whole)
    return std::nullopt;
  return stmt;
}

std::vector<ExprPtr> TreeBuilder::expressions(Parser::ExprsContext *tree) {
  std::vector<ExprPtr> result;
  if (!tree)
    return result;
  for (auto *expr : tree->expr()) {
    ExprPtr built = expression(expr);
    if (!built)
      return {};
    result.push_back(std::move(built));
  }
  return result;
}

std::vector<Arg> TreeBuilder::arguments(Parser::ArgsContext *tree) {
  std::vector<Arg> result;
  if (!tree)
    return result;
  for (auto *arg : tree->arg()) {
    if (!arg->expr())
      continue;
    ExprPtr value = expression(arg->expr());
    if (!value)
      continue;
    std::optional<Name> label;
    if (arg->ID())
      label = name(arg->ID());
    result.push_back({std::move(label), std::move(value)});
  }
  return result;
}

// Expressions ---------------------------------------------------------------------------------------------------------

std::vector<antlr4::Token *> TreeBuilder::operators(antlr4::ParserRuleContext *tree) {
  std::vector<antlr4::Token *> result;
  for (auto *child : tree->children)
    if (auto *terminal = dynamic_cast<antlr4::tree::TerminalNode *>(child))
      if (!dynamic_cast<antlr4::tree::ErrorNode *>(child))
        result.push_back(terminal->getSymbol());
  return result;
}

template <class Part, class Build>
ExprPtr TreeBuilder::chain(antlr4::ParserRuleContext *tree, const std::vector<Part *> &parts, Build build) {
  if (parts.empty())
    return nullptr;
  std::vector<antlr4::Token *> ops = operators(tree);
  ExprPtr left = (this->*build)(parts[0]);
  for (size_t k = 1; k < parts.size() && left; ++k) {
    if (k - 1 >= ops.size() || !binaryOps.count(ops[k - 1]->getText()))
      return nullptr;
    left = binary(binaryOps.at(ops[k - 1]->getText()), loc(ops[k - 1]), std::move(left), (this->*build)(parts[k]));
  }
  return left;
}

ExprPtr TreeBuilder::expression(Parser::ExprContext *tree) {
  return chain(tree, tree->domain(), &TreeBuilder::domain);
}
ExprPtr TreeBuilder::domain(Parser::DomainContext *tree) {
  return chain(tree, tree->orExpr(), &TreeBuilder::disjunction);
}
ExprPtr TreeBuilder::disjunction(Parser::OrExprContext *tree) {
  return chain(tree, tree->andExpr(), &TreeBuilder::conjunction);
}
ExprPtr TreeBuilder::conjunction(Parser::AndExprContext *tree) {
  return chain(tree, tree->notExpr(), &TreeBuilder::negation);
}
ExprPtr TreeBuilder::negation(Parser::NotExprContext *tree) {
  if (!tree->cmp())
    return nullptr;
  ExprPtr result = comparison(tree->cmp());
  std::vector<antlr4::Token *> nots = operators(tree);
  for (auto it = nots.rbegin(); it != nots.rend() && result; ++it)
    result = unary(Op::Not, loc(*it), std::move(result));
  return result;
}
ExprPtr TreeBuilder::comparison(Parser::CmpContext *tree) { return chain(tree, tree->sum(), &TreeBuilder::sum); }
ExprPtr TreeBuilder::sum(Parser::SumContext *tree) { return chain(tree, tree->prod(), &TreeBuilder::product); }
ExprPtr TreeBuilder::product(Parser::ProdContext *tree) { return chain(tree, tree->neg(), &TreeBuilder::negative); }
ExprPtr TreeBuilder::negative(Parser::NegContext *tree) {
  if (!tree->apply())
    return nullptr;
  ExprPtr result = apply(tree->apply());
  std::vector<antlr4::Token *> minuses = operators(tree);
  for (auto it = minuses.rbegin(); it != minuses.rend() && result; ++it)
    result = unary(Op::Neg, loc(*it), std::move(result));
  return result;
}
ExprPtr TreeBuilder::apply(Parser::ApplyContext *tree) { return chain(tree, tree->power(), &TreeBuilder::power); }

ExprPtr TreeBuilder::power(Parser::PowerContext *tree) {
  if (!tree->named())
    return nullptr;
  auto exponents = tree->exponent();
  if (exponents.empty())
    return named(tree->named());
  std::vector<antlr4::Token *> ops = operators(tree);
  if (ops.size() < exponents.size())
    return nullptr;
  // From the right; a minus takes in all that follows it: 2 ^ -3 ^ 2 is 2 ^ -(3 ^ 2).
  ExprPtr right;
  for (size_t k = exponents.size(); k-- > 0;) {
    if (!exponents[k]->named())
      return nullptr;
    ExprPtr base = named(exponents[k]->named());
    right = right ? binary(Op::Pow, loc(ops[k + 1]), std::move(base), std::move(right)) : std::move(base);
    std::vector<antlr4::Token *> minus = operators(exponents[k]);
    if (!minus.empty())
      right = unary(Op::Neg, loc(minus[0]), std::move(right));
    if (!right)
      return nullptr;
  }
  return binary(Op::Pow, loc(ops[0]), named(tree->named()), std::move(right));
}

ExprPtr TreeBuilder::named(Parser::NamedContext *tree) {
  if (!tree->primary())
    return nullptr;
  ExprPtr result = primary(tree->primary());
  for (auto *postfix : tree->postfix()) {
    if (!result)
      return nullptr;
    if (postfix->ID()) {
      ExprPtr member = node(Expr::Kind::Member, loc(postfix->ID()), postfix->ID()->getText());
      member->start = result->start;
      member->parts.push_back(std::move(result));
      result = finish(std::move(member));
    } else if (postfix->expr()) {
      ExprPtr index = node(Expr::Kind::Index, result->loc);
      index->start = result->start;
      ExprPtr inner = expression(postfix->expr());
      if (!inner)
        return nullptr;
      index->parts.push_back(std::move(result));
      index->parts.push_back(std::move(inner));
      result = finish(std::move(index));
    } else {
      return nullptr;
    }
  }
  if (result && tree->path()) {
    Expr *target = result.get(); // f(x)[i] as p names f's parameter
    while (target->kind == Expr::Kind::Index || target->kind == Expr::Kind::Member)
      target = target->parts[0].get();
    Path name = path(tree->path());
    if (target->as)
      diagnostics.error(name.loc, "this has the name `" + target->as->text + "` already");
    target->as = std::move(name);
  }
  return result;
}

ExprPtr TreeBuilder::primary(Parser::PrimaryContext *tree) {
  if (auto *number = dynamic_cast<Parser::NumberContext *>(tree))
    return finish(node(Expr::Kind::Number, loc(number->NUMBER()), number->NUMBER()->getText()));
  if (auto *string = dynamic_cast<Parser::StringContext *>(tree)) {
    std::string text = string->STRING()->getText();
    return finish(node(Expr::Kind::String, loc(string->STRING()), text.substr(1, text.size() - 2)));
  }
  if (dynamic_cast<Parser::TruthContext *>(tree)) {
    ExprPtr truth = node(Expr::Kind::Truth, loc(tree->getStart()));
    truth->truth = tree->getStart()->getText() == "true";
    return finish(std::move(truth));
  }
  if (auto *use = dynamic_cast<Parser::NameOrCallContext *>(tree)) {
    if (!use->ID())
      return nullptr;
    bool isCall = use->children.size() > 1;
    ExprPtr result = node(isCall ? Expr::Kind::Call : Expr::Kind::Name, loc(use->ID()), use->ID()->getText());
    result->args = arguments(use->args());
    return finish(std::move(result));
  }
  if (auto *group = dynamic_cast<Parser::GroupContext *>(tree)) {
    if (!group->expr())
      return nullptr;
    ExprPtr inner = expression(group->expr());
    if (inner)
      inner->start = loc(tree->getStart());
    return inner;
  }
  if (auto *list = dynamic_cast<Parser::ListContext *>(tree)) {
    ExprPtr result = node(Expr::Kind::List, loc(tree->getStart()));
    result->parts = expressions(list->exprs());
    return result->parts.empty() ? nullptr : finish(std::move(result));
  }
  return nullptr;
}

// Nodes ---------------------------------------------------------------------------------------------------------------

Loc TreeBuilder::loc(antlr4::Token *token) {
  return {source, static_cast<int32_t>(token->getLine()), static_cast<int32_t>(token->getCharPositionInLine()) + 1,
          std::max<int32_t>(1, static_cast<int32_t>(token->getStopIndex() - token->getStartIndex()) + 1)};
}

Name TreeBuilder::name(antlr4::tree::TerminalNode *node) { return {node->getText(), loc(node)}; }

Path TreeBuilder::path(Parser::PathContext *tree) {
  Path result;
  result.loc = loc(tree->getStart());
  for (auto *word : tree->word())
    result.text += (result.text.empty() ? "" : ".") + word->getText();
  result.loc.length = std::max<int32_t>(1, static_cast<int32_t>(result.text.size()));
  return result;
}

ExprPtr TreeBuilder::node(Expr::Kind kind, Loc loc, std::string text) {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->loc = expr->start = loc;
  expr->text = std::move(text);
  return expr;
}

ExprPtr TreeBuilder::binary(Op op, Loc loc, ExprPtr left, ExprPtr right) {
  if (!left || !right)
    return nullptr;
  ExprPtr expr = node(Expr::Kind::Binary, loc);
  expr->op = op;
  expr->start = left->start;
  expr->parts.push_back(std::move(left));
  expr->parts.push_back(std::move(right));
  return finish(std::move(expr));
}

ExprPtr TreeBuilder::unary(Op op, Loc loc, ExprPtr operand) {
  if (!operand)
    return nullptr;
  ExprPtr expr = node(Expr::Kind::Unary, loc);
  expr->op = op;
  expr->parts.push_back(std::move(operand));
  return finish(std::move(expr));
}

ExprPtr TreeBuilder::finish(ExprPtr expr) {
  if (!expr)
    return nullptr;
  for (const ExprPtr &part : expr->parts)
    expr->depth = std::max(expr->depth, part->depth + 1);
  for (const Arg &arg : expr->args)
    expr->depth = std::max(expr->depth, arg.value->depth + 1);
  if (expr->depth <= deepestExpression)
    return expr;
  diagnostics.error(expr->loc, "this expression is more than " + std::to_string(deepestExpression) +
                                   " operations deep: give parts of it names");
  return nullptr;
}

} // namespace caa::syntax
