// The abstract evaluator: it walks a model with every size known, inlines every call, gives each expression its kind,
// heads and width, and says what is wrong. While it goes it hands what it understood to the Emitter, which writes IR or,
// where only checks are wanted, nothing.
//
// After an error an expression is Poison, which every operation passes on in silence, so one run finds all errors.
#pragma once

#include "frontend/Emit/Emitter.h"
#include "frontend/Sema/Bind.h"
#include "frontend/Sema/Overrides.h"
#include "frontend/Sema/Program.h"
#include "frontend/Sema/Value.h"

namespace caa {

// An export: one block or attention, callable alone.
struct ExportRequest {
  std::string name;
  struct Vector {
    std::string name;
    int64_t heads, width;
  };
  std::vector<Vector> vectors;
};

class Evaluator {
public:
  Evaluator(const Program &program, const SourceManager &sources, Diagnostics &diagnostics, Overrides &overrides,
            Emitter &emitter);

  // Each evaluates a whole function of the result. `model` may be an alias of another.
  void runModel(const syntax::Decl &model);
  void runExport(const ExportRequest &request);

  // A constant expression that sees no variables; nullopt after an error.
  std::optional<Constant> constantExpr(const syntax::Expr &e);

  // The values of the model's parameters, in order, and all parameters that were made; of the last run.
  const std::vector<std::pair<std::string, Constant>> &modelValues() const { return values; }
  const std::vector<ParameterRef> &parameters() const { return made; }
  // The exported names: a `--set` of theirs may be for the export alone.
  std::set<std::string> exported;
  // A definition that calls itself has been reported already.
  bool knowsRecursion = false;

private:
  using Expr = syntax::Expr;
  using Stmt = syntax::Stmt;
  using Decl = syntax::Decl;

  // What holds inside one block or attention, and in the functions that it calls.
  struct Scope {
    bool isAttention = false;
    bool isModel = false;
    PairRef visible;
    int64_t heads = 0; // of the first declared vector
  };
  // The variables of one definition.
  struct Frame {
    const Decl *decl = nullptr;
    Frame *caller = nullptr;
    std::map<std::string, Value> vars;
    std::optional<Value> returned;
    bool hadReturn = false;
  };
  // How the parameters that a statement makes get their names.
  struct Naming {
    std::optional<std::string> variable;
    std::optional<Loc> used;
    std::string why; // no variable: the reason
  };

  // Statements and calls: Evaluator.cpp.
  void body(const syntax::Body &stmts);
  void statement(const Stmt &stmt);
  void assign(const Stmt &stmt);
  void declare(const Stmt &stmt);
  void defineSet(const Stmt &stmt, Value value);
  void lossStatement(const Stmt &stmt);
  void reportStatement(const Stmt &stmt);
  void repeat(const Stmt &stmt);
  void branch(const Stmt &stmt);
  std::vector<Value> several(const std::vector<syntax::ExprPtr> &exprs);
  Value callDecl(const Decl &decl, const Expr &call, bool isOffer);
  Value callFunction(const Decl &decl, const Expr &call, const Bound &bound);
  Value callBody(const Decl &decl, const Expr &call, const Bound &bound);
  std::optional<Value> argumentValue(const Decl &decl, const syntax::Param &param, const Expr &e);
  std::optional<Value> defaultValue(const Decl &decl, const syntax::Param &param);
  std::optional<Value> attentionNamed(const Expr &e);
  bool isActive(const Decl &decl) const;
  // The name of a value: here it is rounded.
  Value named(Value value, Loc loc);
  bool spend(Loc loc);

  // Expressions: Expressions.cpp.
  Value eval(const Expr &e);
  Value evalWithin(const Expr &e);
  Value nameExpr(const Expr &e);
  Value callExpr(const Expr &e);
  Value indexExpr(const Expr &e);
  Value memberExpr(const Expr &e);
  Value listExpr(const Expr &e);
  Value unaryExpr(const Expr &e);
  Value binaryExpr(const Expr &e);
  Value over(const Expr &e);
  Value join(const Expr &e);
  Value positionInput(const std::string &name);
  Value headIndex(const Expr &e);

  // Component by component: Pointwise.cpp.
  struct Operand {
    Value value;
    const Expr *expr; // for messages
  };
  Value apply(Fn fn, const std::vector<Operand> &operands, Loc loc, const char *name);
  Value applyConstants(Fn fn, const std::vector<Operand> &operands, Loc loc, const char *name);
  Value applyTables(Fn fn, const std::vector<Operand> &operands, Value result, Loc loc, const char *name);
  Value applyPairs(Fn fn, const std::vector<Operand> &operands, Loc loc, const char *name);
  Value logic(Fn fn, const std::vector<Operand> &operands, Loc loc);
  std::optional<Elem> resultElem(Fn fn, const std::vector<Operand> &operands, Loc loc, const char *name);
  bool combineShapes(const std::vector<Operand> &operands, int64_t &heads, int64_t &width, Loc loc, bool widths = true);
  Value unary(Fn fn, const Expr &call, const Bound &bound);
  Value fold(Fn fn, const Expr &call, const Bound &bound);
  Value whereCall(const Expr &call, const Bound &bound);
  Value constantVector(double value, const Value &like);
  // A result of token-wise operands: their kind, axis and provenance.
  std::optional<Value> vectorLike(const std::vector<Operand> &operands, Loc loc);

  // Pair values: Pairs.cpp.
  PairRef toPair(const Value &value, const Expr &e);
  PairRef toSet(const Value &value, const Expr &e);
  std::shared_ptr<PairNode> node(PairNode::Op op, Loc loc);
  PairRef finishNode(std::shared_ptr<PairNode> node);
  bool mergeAxes(PairNode &into, Loc loc);
  Value windowCall(const Expr &call, const Bound &bound);
  Value softCall(const Expr &call, const Bound &bound);
  Value randomCall(const Expr &call, const Bound &bound);
  Value dotCall(const Expr &call, const Bound &bound);
  Value pickCall(const Expr &call, const Bound &bound);
  Value headsCall(const Expr &call, const Bound &bound);
  bool queryOnly(const Value &value, const Expr &e, const char *what);

  // Reductions: Reductions.cpp.
  Value weightsCall(const Expr &call, const Bound &bound);   // softmax, normalize
  Value reduceCall(const Expr &call, const Bound &bound);    // sum, max, logsumexp
  Value countCall(const Expr &call, const Bound &bound);
  Value klCall(const Expr &call, const Bound &bound);
  Value selectCall(const Expr &call, const Bound &bound);    // top, mass
  Value selectWidth(const Expr &call, const Bound &bound, const Value &by);
  Value applyWeights(const Expr &e, Value left, Value right); // p @ v
  Value reducedOver(const PairNode &node, int64_t heads, int64_t width, Elem elem);
  PairRef visibleHere() const { return scope ? scope->visible : nullptr; }

  // Operations at a token: Tokenwise.cpp; with parameters: Parameters.cpp.
  Value ropeCall(const Expr &call, const Bound &bound);
  Value splitCall(const Expr &call, const Bound &bound);
  Value concatCall(const Expr &call, const Bound &bound);
  Value reshapeCall(const Expr &call, const Bound &bound);
  Value kronCall(const Expr &call, const Bound &bound);
  Value unitNormCall(const Expr &call, const Bound &bound);
  Value stopCall(const Expr &call, const Bound &bound);
  Value fp32Call(const Expr &call, const Bound &bound);
  Value shiftCall(const Expr &call, const Bound &bound);
  Value poolCall(const Expr &call, const Bound &bound);
  Value holdCall(const Expr &call, const Bound &bound);
  Value cumsumCall(const Expr &call, const Bound &bound);
  Value crossEntropyCall(const Expr &call, const Bound &bound);
  Value linearCall(const Expr &call, const Bound &bound);
  Value embedCall(const Expr &call, const Bound &bound);
  Value normCall(const Expr &call, const Bound &bound);
  Value convCall(const Expr &call, const Bound &bound);
  Value paramCall(const Expr &call, const Bound &bound);
  Value recordCall(const Expr &call, const Bound &bound);
  struct ParameterOptions {
    Record init;
    std::optional<bool> decay;
    std::string group;
    bool good = true;
  };
  ParameterOptions parameterOptions(const Bound &bound, const char *defaultInit, double deviation);
  std::optional<std::string> parameterPath(const Expr &call);
  ParameterRef makeParameter(const std::string &name, std::vector<int64_t> shape, const ParameterOptions &options,
                             Loc loc);

  // States: States.cpp.
  void stateStatement(const Stmt &stmt);
  Value stateArithmetic(Fn fn, const std::vector<Operand> &operands, Loc loc, const char *name);
  Value outerCall(const Expr &call, const Bound &bound);
  Value readState(const Expr &e, const Value &left, const Value &state);
  bool keepsLinear(Fn fn, const std::vector<Operand> &operands, bool &linear, Loc loc, const char *name);

  // What an argument must be; an error otherwise.
  Value wantToken(const Expr &e, const char *what, bool perHeadToo = false);
  Value wantToken(Value value, const Expr &e, const char *what, bool perHeadToo = false);
  std::optional<int64_t> wantSize(const Expr &e, const char *what, int64_t least = 1);
  std::optional<Number> wantNumber(const Expr &e, const char *what);
  std::optional<bool> wantTruth(const Expr &e, const char *what);
  std::optional<std::string> wantWord(const Expr &e, const char *what, const std::vector<std::string> &known);
  struct Size {
    int64_t heads, width;
  };
  std::optional<Size> wantShape(const Expr &e);
  bool inAttention(Loc loc, const std::string &what);
  Value error(Loc loc, const std::string &message);
  bool combineHeads(int64_t a, int64_t b, int64_t &out, Loc loc);
  static std::string subject(const Expr &e);

  mlir::Location here(Loc loc) { return emitter.location(loc, calls); }
  bool wants() const { return dry == 0; } // IR and parameters are made (not while a state's shape is sought)

  const Program &program;
  const SourceManager &sources;
  Diagnostics &diagnostics;
  Overrides &overrides;
  Emitter &emitter;

  Frame *frame = nullptr;
  Scope *scope = nullptr;
  Naming *naming = nullptr;
  std::string prefix;
  std::vector<Loc> calls;
  int dry = 0;
  int64_t spent = 0;
  int depth = 0; // of expressions within expressions, calls included
  std::optional<int64_t> vocab;
  bool hadLoss = false;
  std::map<std::string, ParameterRef> byName;
  std::vector<ParameterRef> made;
  std::vector<std::pair<std::string, Constant>> values;
};

} // namespace caa
