// Verifiers of the ops that autodiff and fusions make.
#include "dialect/Caa/CaaDialect.h"

using namespace mlir;

namespace caa {

LogicalResult LinearAddOp::verify() {
  Shape in = shapeOf(getInput()), out = shapeOf(getResult()), weight = shapeOf(getWeight());
  if (weight.heads != out.heads * out.width || weight.width != in.heads * in.width)
    return emitOpError("weight must be [") << out.heads * out.width << ", " << in.heads * in.width << "]";
  if (getAddend().getType() != getResult().getType())
    return emitOpError("adds ") << getAddend().getType() << " to " << getResult().getType();
  return verifyFactors(*this, getInput(), getWeight());
}

LogicalResult LinearInputGradOp::verify() {
  Shape gradient = shapeOf(getGradient()), in = shapeOf(getResult()), weight = shapeOf(getWeight());
  if (weight.heads != gradient.heads * gradient.width || weight.width != in.heads * in.width)
    return emitOpError("weight must be [") << gradient.heads * gradient.width << ", " << in.heads * in.width << "]";
  return verifyFactors(*this, getGradient(), getWeight());
}

LogicalResult LinearWeightGradOp::verify() {
  Shape gradient = shapeOf(getGradient()), in = shapeOf(getInput()), weight = shapeOf(getResult());
  if (weight.heads != gradient.heads * gradient.width || weight.width != in.heads * in.width)
    return emitOpError("result must be [") << gradient.heads * gradient.width << ", " << in.heads * in.width << "]";
  if (!elementOf(getResult()).isF32())
    return emitOpError("gives an f32 gradient");
  return verifyFactors(*this, getGradient(), getInput());
}

LogicalResult EmbedGradOp::verify() {
  Shape index = shapeOf(getIndex()), gradient = shapeOf(getGradient());
  if (index.heads != 1 || index.width != 1 || !isa<IntegerType>(elementOf(getIndex())))
    return emitOpError("index must be one integer per token");
  if (gradient.heads != 1 || gradient.width != shapeOf(getResult()).width)
    return emitOpError("gradient must be one head as wide as the table");
  return success();
}

LogicalResult CrossEntropyGradOp::verify() {
  Shape logits = shapeOf(getLogits()), tokens = shapeOf(getTokens()), gradient = shapeOf(getGradient());
  if (logits.heads != 1 || tokens.heads != 1 || tokens.width != 1 || gradient.heads != 1 || gradient.width != 1)
    return emitOpError("takes one head of logits, one token and one number per token");
  if (getResult().getType() != getLogits().getType())
    return emitOpError("result must have the logits' type");
  return success();
}

LogicalResult HeadLossOp::verify() {
  Shape input = shapeOf(getInput()), weight = shapeOf(getWeight()), tokens = shapeOf(getTokens()),
        mask = shapeOf(getMask());
  if (weight.width != input.heads * input.width)
    return emitOpError("weight must be ") << input.heads * input.width << " wide";
  if (getBias() && cast<RankedTensorType>(getBias().getType()).getDimSize(0) != weight.heads)
    return emitOpError("bias must have ") << weight.heads << " components";
  if (tokens.heads != 1 || tokens.width != 1 || mask.heads != 1 || mask.width != 1 ||
      !elementOf(getMask()).isInteger(1))
    return emitOpError("takes one token and one truth value per token");
  SmallVector<Value> operands = {getInput(), getWeight()};
  if (getBias())
    operands.push_back(getBias());
  auto isGradient = [](Value gradient, Value of) { // in f32, whatever the operand's type; the input's may be rounded
    return cast<RankedTensorType>(gradient.getType()).getShape() == cast<RankedTensorType>(of.getType()).getShape() &&
           (elementOf(gradient).isF32() || (isTokenwise(of.getType()) && elementOf(gradient).isBF16()));
  };
  if (getNumResults() != 0 && (getNumResults() != operands.size() || !llvm::all_of(llvm::zip(getResults(), operands), [&](auto pair) {
        return isGradient(std::get<0>(pair), std::get<1>(pair));
      })))
    return emitOpError("gives no gradient, or those of input, weight and bias");
  return verifyFactors(*this, getInput(), getWeight());
}

} // namespace caa
