// The reverse sweep of autodiff over one function body. See ReverseSweep.h.
#include "passes/Autodiff/ReverseSweep.h"

#include "dialect/Caa/Builders.h"

using namespace mlir;

namespace caa {

ReverseSweep::ReverseSweep(func::FuncOp function, ValueRange arguments)
    : function(function), builder(function.getBody().front().getTerminator()) {
  for (Operation &op : function.getBody().front().without_terminator())
    forward.push_back(&op);
  findActive(arguments);
}

/// Active: a float that depends on a parameter or a wanted argument and is not constant by definition.
void ReverseSweep::findActive(ValueRange arguments) {
  active.insert(arguments.begin(), arguments.end());
  for (Operation *op : forward) {
    bool depends = isa<ParamOp>(op) || llvm::any_of(op->getOperands(), [&](Value v) { return active.contains(v); });
    auto rule = dyn_cast<DifferentiableOpInterface>(op);
    for (OpResult result : op->getResults())
      if (depends && isa<FloatType>(elementOf(result)) && !(rule && rule.isConstantResult(result.getResultNumber())))
        active.insert(result);
  }
}

void ReverseSweep::seed(Value value, Value gradient) {
  if (active.contains(value))
    contributions[value].push_back(gradient);
}

/// The complete gradient of a value, null if there is none.
Value ReverseSweep::take(Value value) {
  SmallVector<Value> list = contributions.lookup(value);
  return list.empty() ? Value() : buildSum(builder, value.getLoc(), list);
}

LogicalResult ReverseSweep::run() {
  for (Operation *op : llvm::reverse(forward))
    if (llvm::any_of(op->getResults(), [&](Value result) { return contributions.contains(result); }))
      if (failed(visit(op)))
        return failure();
  return success();
}

LogicalResult ReverseSweep::visit(Operation *op) {
  // Contributions to a parameter are not added up here: each is added to its gradient, which may be large.
  if (auto param = dyn_cast<ParamOp>(op)) {
    for (Value gradient : contributions.lookup(param.getValue())) {
      AccumulateOp::create(builder, op->getLoc(), param.getNameAttr(), gradient);
      ++accumulations;
    }
    reached.insert(param.getNameAttr().getAttr());
    return success();
  }
  if (auto round = dyn_cast<RoundOp>(op); round && round.getValue().getDefiningOp<ParamOp>()) {
    for (Value gradient : contributions.lookup(round.getResult()))
      seed(round.getValue(), gradient);
    return success();
  }
  auto rule = dyn_cast<DifferentiableOpInterface>(op);
  if (!rule)
    return op->emitError("this operation has no derivative");
  SmallVector<Value> gradients = llvm::map_to_vector(op->getResults(), [&](OpResult result) { return take(result); });
  SmallVector<bool> wanted = llvm::map_to_vector(op->getOperands(), [&](Value v) { return active.contains(v); });
  SmallVector<Value> operandGradients(op->getNumOperands());
  if (failed(rule.buildAdjoint(builder, gradients, wanted, operandGradients)))
    return failure();
  ++adjoints;
  for (auto [operand, gradient] : llvm::zip(op->getOperands(), operandGradients))
    if (gradient)
      seed(operand, gradient);
  return success();
}

Value ReverseSweep::gradientOf(Value argument) { return take(argument); }

} // namespace caa
