// Derivative rules of what multiplies by parameters, of the loss, and of what is constant or rounds.
#include "dialect/Caa/Builders.h"

using namespace mlir;

namespace caa {

LogicalResult LinearOp::buildAdjoint(OpBuilder &builder, ValueRange gradients, ArrayRef<bool> wanted,
                                     MutableArrayRef<Value> operandGradients) {
  Value gradient = gradients[0];
  if (wanted[0])
    operandGradients[0] = LinearInputGradOp::create(builder, getLoc(), getInput().getType(), gradient, getWeight());
  if (wanted[1])
    operandGradients[1] = LinearWeightGradOp::create(builder, getLoc(), getWeight().getType(), gradient, getInput());
  if (getBias() && wanted[2])
    operandGradients[2] = ReduceTokensOp::create(builder, getLoc(), getBias().getType(), gradient);
  return success();
}

LogicalResult EmbedOp::buildAdjoint(OpBuilder &builder, ValueRange gradients, ArrayRef<bool> wanted,
                                    MutableArrayRef<Value> operandGradients) {
  if (wanted[1])
    operandGradients[1] = EmbedGradOp::create(builder, getLoc(), getTable().getType(), getIndex(), gradients[0]);
  return success();
}

LogicalResult CrossEntropyOp::buildAdjoint(OpBuilder &builder, ValueRange gradients, ArrayRef<bool> wanted,
                                           MutableArrayRef<Value> operandGradients) {
  if (wanted[0])
    operandGradients[0] =
        CrossEntropyGradOp::create(builder, getLoc(), getLogits().getType(), getLogits(), getTokens(), gradients[0]);
  return success();
}

LogicalResult AsHeadOp::buildAdjoint(OpBuilder &builder, ValueRange gradients, ArrayRef<bool> wanted,
                                     MutableArrayRef<Value> operandGradients) {
  operandGradients[0] = AsRowOp::create(builder, getLoc(), getValue().getType(), gradients[0]);
  return success();
}

LogicalResult RopeOp::buildAdjoint(OpBuilder &builder, ValueRange gradients, ArrayRef<bool> wanted,
                                   MutableArrayRef<Value> operandGradients) {
  if (wanted[1])
    return emitOpError("has a rotation table that depends on parameters");
  operandGradients[0] =
      RopeOp::create(builder, getLoc(), getInput().getType(), gradients[0], getTable(), !getInverse());
  return success();
}

LogicalResult StopOp::buildAdjoint(OpBuilder &, ValueRange, ArrayRef<bool>, MutableArrayRef<Value>) {
  return success();
}
bool StopOp::isConstantResult(unsigned) { return true; }

/// Whether a value is a parameter, maybe in another shape.
static bool isParameter(Value value) {
  while (Operation *op = value.getDefiningOp())
    if (isa<AsHeadOp, ReshapeOp>(op))
      value = op->getOperand(0);
    else
      return isa<ParamOp>(op);
  return false;
}

/// The gradient of a rounded value is rounded once, now that it is complete; those of parameters stay fp32.
LogicalResult RoundOp::buildAdjoint(OpBuilder &builder, ValueRange gradients, ArrayRef<bool> wanted,
                                    MutableArrayRef<Value> operandGradients) {
  operandGradients[0] =
      isParameter(getValue()) ? gradients[0] : Value(RoundOp::create(builder, getLoc(), gradients[0]));
  return success();
}

LogicalResult RmsNormOp::buildAdjoint(OpBuilder &, ValueRange, ArrayRef<bool>, MutableArrayRef<Value>) {
  return emitOpError("must be decomposed before it is differentiated (caa-decompose)");
}

LogicalResult LayerNormOp::buildAdjoint(OpBuilder &, ValueRange, ArrayRef<bool>, MutableArrayRef<Value>) {
  return emitOpError("must be decomposed before it is differentiated (caa-decompose)");
}

} // namespace caa
