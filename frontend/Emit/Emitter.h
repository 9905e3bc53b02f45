// Writes what the evaluator understood in the `caa` dialect. Every method takes values whose IR is `Value::ir` and gives
// the IR of the result: null if nothing is written, because only checks are wanted or because a part has been refused.
#pragma once

#include "dialect/Caa/CaaDialect.h"
#include "frontend/Sema/Value.h"
#include "frontend/Support/Diagnostics.h"

namespace caa {

class Emitter {
public:
  // `enabled` false: checks only.
  Emitter(mlir::MLIRContext &context, const SourceManager &sources, Diagnostics &diagnostics, bool enabled);

  bool isEnabled() const { return enabled; }
  mlir::ModuleOp module() { return *moduleOp; }
  mlir::OwningOpRef<mlir::ModuleOp> takeModule() { return std::move(moduleOp); }

  // The user's expression, within the calls that lead to it.
  mlir::Location location(Loc loc, const std::vector<Loc> &calls) const;

  struct Input {
    std::string name;
    int64_t heads, width;
  };
  // A function whose inputs are `vectors` and then tokens, doc, position.
  void begin(const std::string &name, const std::vector<Input> &vectors, Loc loc);
  mlir::func::FuncOp end();
  mlir::Value input(const std::string &name);
  void results(const std::vector<Value> &values, mlir::Location loc);
  // Parameter symbols, before all functions; `scope` goes before their names.
  void declare(const std::vector<ParameterRef> &parameters, const std::string &scope);
  // What goes before the names of the parameters that are read from here on.
  void setParameterScope(std::string scope) { parameterScope = std::move(scope); }

  // "`state` cannot be compiled yet"; gives null.
  mlir::Value refuse(mlir::Location loc, const std::string &what);

  mlir::Value map(Fn fn, const std::vector<Value> &operands, const Value &result, mlir::Location loc);
  mlir::Value real(const Value &x, mlir::Location loc); // as f32
  mlir::Value round(const Value &x, mlir::Location loc);
  mlir::Value sumWidth(const Value &x, const Value &result, mlir::Location loc);
  mlir::Value reduceHeads(const Value &x, bool mean, const Value &result, mlir::Location loc);
  mlir::Value slice(const Value &x, int64_t start, const Value &result, mlir::Location loc);
  mlir::Value concat(const std::vector<Value> &values, const Value &result, mlir::Location loc);
  mlir::Value reshape(const Value &x, const Value &result, mlir::Location loc);
  mlir::Value unitNorm(const Value &x, const Value &result, mlir::Location loc);
  mlir::Value cumsum(const Value &x, mlir::Location loc);
  mlir::Value shift(const Value &x, int64_t by, mlir::Location loc);
  mlir::Value hold(const Value &x, int64_t block, mlir::Location loc);
  // A block's value stands at each of its tokens; `by` is mean, max or sum.
  mlir::Value pool(const Value &x, int64_t block, const std::string &by, mlir::Location loc);
  mlir::Value rope(const Value &x, double theta, const Value &result, mlir::Location loc);

  mlir::Value perHeadParameter(const Parameter &parameter, mlir::Location loc);
  mlir::Value linear(const Value &x, const Parameter &weight, const Parameter *bias, const Value &result, mlir::Location loc);
  mlir::Value embed(const Value &index, const Parameter &table, const Value &result, mlir::Location loc);
  // rms_norm without a bias, layer_norm with one.
  mlir::Value norm(const Value &x, const Parameter &weight, const Parameter *bias, const Value &result, mlir::Location loc);

  mlir::Value crossEntropy(mlir::Value logits, mlir::Location loc);
  void loss(const Value &value, const Value *only, const std::string &name, bool isMain, mlir::Location loc);
  void report(const Value &value, const std::string &name, const std::string &path, mlir::Location loc);

  // Over the keys that are visible and in the domain: see EmitAttend.cpp.
  mlir::Value weigh(const PairPart &weights, const PairRef &visible, const Value &values, const Value &result, mlir::Location loc);
  mlir::Value reduce(const std::string &kind, const PairRef &score, const PairRef &domain, const PairRef &visible,
                     const Value &result, mlir::Location loc);
  mlir::Value count(const PairRef &set, const PairRef &visible, const Value &result, mlir::Location loc);

private:
  friend class AttendWriter;

  // A value that leaves the function has no IR: if nothing has been refused, say so rather than leave it out.
  void lost(mlir::Location loc, const std::string &what);
  mlir::Type elementType(Elem elem);
  mlir::Type typeOf(const Value &value);
  // The IR of a value that may be an exact per-head table.
  mlir::Value ir(const Value &value, mlir::Location loc);
  // As an operand of a matrix product: f32, rounded unless it is or stays fp32.
  mlir::Value productOperand(const Value &value, mlir::Location loc);
  // At every token, with the result's heads and width where those are not 1.
  mlir::Value spread(mlir::Value value, const Value &like, mlir::Location loc);
  mlir::Value parameter(const Parameter &parameter, bool rounded, mlir::Location loc);
  // One i64 per query: the least integer that is not below `k`.
  mlir::Value countOperand(const Value &k, mlir::Location loc);
  // A pair value that depends on one side only, as a value at one token; nullopt if it does not.
  std::optional<Value> lift(const PairRef &node, bool query);
  // The threshold of a `top`, per query.
  mlir::Value threshold(const PairRef &top);
  // The same graph with its gradient stopped: the values that it reads are.
  PairRef stopped(const PairRef &node);
  mlir::Value weighOne(const PairRef &weights, const Value &values, const Value &result, mlir::Location loc);
  mlir::Value index(mlir::Location loc);

  mlir::MLIRContext &context;
  const SourceManager &sources;
  Diagnostics &diagnostics;
  bool enabled;
  mlir::OwningOpRef<mlir::ModuleOp> moduleOp;
  mlir::OpBuilder builder;
  mlir::func::FuncOp function;
  std::map<std::string, mlir::Value> inputs;
  std::string parameterScope;
  std::map<std::pair<double, int64_t>, mlir::Value> ropeTables;
  std::map<std::pair<const Parameter *, bool>, mlir::Value> parameterReads;
  std::map<const PairNode *, mlir::Value> thresholds;
  std::map<const PairNode *, PairRef> stops;

  int64_t losses = 0;
  bool hasLogits = false;
};

} // namespace caa
