// Verifiers and folders of the token-wise ops.
#include "dialect/Caa/CaaDialect.h"

using namespace mlir;

namespace caa {

static bool divides(int64_t part, int64_t whole) { return part > 0 && whole % part == 0; }

LogicalResult RandomOp::verify() {
  return getIntegers().empty() ? emitOpError("needs an integer to hash") : success();
}

LogicalResult MapOp::verify() {
  if (getNumResults() == 0)
    return emitOpError("needs a result");
  bool tokenwise = llvm::any_of(getOperandTypes(), [](Type type) { return isTokenwise(type); });
  Shape shape = shapeOf(getResult(0));
  for (Value result : getResults()) {
    if (isTokenwise(result.getType()) != tokenwise)
      return emitOpError("results are per-head exactly if every operand is");
    if (shapeOf(result).heads != shape.heads || shapeOf(result).width != shape.width)
      return emitOpError("results differ in heads or width");
  }
  Block &block = getBody().front();
  if (block.getNumArguments() != getNumOperands())
    return emitOpError("region needs one argument per operand");
  for (auto [operand, argument] : llvm::zip(getOperands(), block.getArguments())) {
    Shape from = shapeOf(operand);
    if (!divides(from.heads, shape.heads))
      return emitOpError("operand's ") << from.heads << " heads do not divide the result's " << shape.heads;
    if (from.width != 1 && from.width != shape.width)
      return emitOpError("operand's width ") << from.width << " is neither 1 nor the result's " << shape.width;
    if (argument.getType() != elementOf(operand))
      return emitOpError("region argument ") << argument.getArgNumber() << " must be " << elementOf(operand);
  }
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  if (!yield || yield.getNumOperands() != getNumResults())
    return emitOpError("must yield one scalar per result");
  for (auto [scalar, result] : llvm::zip(yield.getValues(), getResults()))
    if (scalar.getType() != elementOf(result))
      return emitOpError("yields ") << scalar.getType() << " for a result of " << elementOf(result);
  return success();
}

LogicalResult verifyFactors(Operation *op, Value a, Value b) {
  if (elementOf(a) != elementOf(b))
    return op->emitOpError("multiplies ") << elementOf(a) << " by " << elementOf(b) << ": both must be f32, or both bf16";
  return success();
}

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

LogicalResult LinearOp::verify() {
  Shape in = shapeOf(getInput()), out = shapeOf(getResult()), weight = shapeOf(getWeight());
  if (weight.heads != out.heads * out.width || weight.width != in.heads * in.width)
    return emitOpError("weight must be [") << out.heads * out.width << ", " << in.heads * in.width << "]";
  if (getBias() && cast<RankedTensorType>(getBias().getType()).getDimSize(0) != weight.heads)
    return emitOpError("bias must have ") << weight.heads << " components";
  return verifyFactors(*this, getInput(), getWeight());
}

LogicalResult EmbedOp::verify() {
  Shape index = shapeOf(getIndex()), out = shapeOf(getResult());
  if (index.heads != 1 || index.width != 1 || !isa<IntegerType>(elementOf(getIndex())))
    return emitOpError("index must be one integer per token");
  if (out.heads != 1 || out.width != shapeOf(getTable()).width)
    return emitOpError("result must be one head as wide as the table");
  if (elementOf(getResult()) != elementOf(getTable()))
    return emitOpError("result must have the table's element type");
  return success();
}

template <typename Norm> static LogicalResult verifyNorm(Norm op, Value row) {
  if (op.getInput().getType() != op.getResult().getType())
    return op.emitOpError("result must have the input's type");
  if (cast<RankedTensorType>(row.getType()).getDimSize(0) != shapeOf(op.getInput()).width)
    return op.emitOpError("weight must be as wide as a head");
  return success();
}

LogicalResult RmsNormOp::verify() { return verifyNorm(*this, getWeight()); }
LogicalResult LayerNormOp::verify() {
  return failed(verifyNorm(*this, getWeight())) ? failure() : verifyNorm(*this, getBias());
}

LogicalResult AsHeadOp::verify() {
  Shape out = shapeOf(getResult());
  if (out.heads != 1 || out.width != cast<RankedTensorType>(getValue().getType()).getDimSize(0))
    return emitOpError("result must be [1, width of the row]");
  return success();
}

LogicalResult AsRowOp::verify() {
  Shape in = shapeOf(getValue());
  if (in.heads != 1 || in.width != cast<RankedTensorType>(getResult().getType()).getDimSize(0))
    return emitOpError("takes [1, width of the row]");
  return success();
}

LogicalResult RopeOp::verify() {
  Shape in = shapeOf(getInput()), table = shapeOf(getTable());
  if (getInput().getType() != getResult().getType())
    return emitOpError("result must have the input's type");
  if (in.width % 2 != 0)
    return emitOpError("width must be even, is ") << in.width;
  if (table.heads != 1 || table.width != in.width)
    return emitOpError("table must be one head of width ") << in.width;
  return success();
}

static LogicalResult verifySameKind(Operation *op, Value from, Value to) {
  if (isTokenwise(from.getType()) != isTokenwise(to.getType()))
    return op->emitOpError("keeps token-wise values token-wise and per-head values per-head");
  if (elementOf(from) != elementOf(to))
    return op->emitOpError("keeps the element type");
  return success();
}

LogicalResult ReshapeOp::verify() {
  Shape in = shapeOf(getValue()), out = shapeOf(getResult());
  if (in.heads * in.width != out.heads * out.width)
    return emitOpError("must keep the number of components");
  return verifySameKind(*this, getValue(), getResult());
}

OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  return getValue().getType() == getResult().getType() ? getValue() : OpFoldResult();
}

LogicalResult SliceOp::verify() {
  Shape in = shapeOf(getValue()), out = shapeOf(getResult());
  if (in.heads != out.heads || int64_t(getStart()) < 0 || int64_t(getStart()) + out.width > in.width)
    return emitOpError("reaches outside the value");
  return verifySameKind(*this, getValue(), getResult());
}

LogicalResult ConcatOp::verify() {
  int64_t width = 0;
  for (Value value : getValues()) {
    if (shapeOf(value).heads != shapeOf(getResult()).heads)
      return emitOpError("head counts differ");
    if (failed(verifySameKind(*this, value, getResult())))
      return failure();
    width += shapeOf(value).width;
  }
  if (width != shapeOf(getResult()).width)
    return emitOpError("widths must add up to the result's");
  return success();
}

LogicalResult ReduceWidthOp::verify() {
  Shape in = shapeOf(getValue()), out = shapeOf(getResult());
  if (in.heads != out.heads || out.width != 1)
    return emitOpError("result must have the same heads and width 1");
  return verifySameKind(*this, getValue(), getResult());
}

LogicalResult ReduceHeadsOp::verify() {
  Shape in = shapeOf(getValue()), out = shapeOf(getResult());
  if (in.width != out.width || !divides(out.heads, in.heads))
    return emitOpError("result's heads must divide the value's, at the same width");
  return verifySameKind(*this, getValue(), getResult());
}

LogicalResult ReduceTokensOp::verify() {
  auto type = cast<RankedTensorType>(getResult().getType());
  Shape in = shapeOf(getValue());
  if (type.getNumElements() != in.heads * in.width || type.getRank() > 2)
    return emitOpError("result must hold the value's heads and width");
  return success();
}

LogicalResult ShiftOp::verify() {
  return int64_t(getBy()) < 0 ? emitOpError("shifts by a number of tokens that is not negative") : success();
}

LogicalResult HoldOp::verify() {
  return int64_t(getBlock()) < 1 ? emitOpError("needs blocks of at least one token") : success();
}

LogicalResult PoolOp::verify() {
  return int64_t(getBlock()) < 1 ? emitOpError("needs blocks of at least one token") : success();
}

LogicalResult BroadcastOp::verify() {
  Shape in = shapeOf(getValue()), out = shapeOf(getResult());
  if (!divides(in.heads, out.heads) || (in.width != 1 && in.width != out.width))
    return emitOpError("heads must divide the result's, and the width be 1 or the result's");
  if (isTokenwise(getResult().getType()) != (isTokenwise(getValue().getType()) || getLike()))
    return emitOpError("needs `like` exactly if a per-head value becomes token-wise");
  return success();
}

LogicalResult CrossEntropyOp::verify() {
  Shape logits = shapeOf(getLogits()), tokens = shapeOf(getTokens()), loss = shapeOf(getLoss());
  if (logits.heads != 1 || tokens.heads != 1 || tokens.width != 1 || loss.heads != 1 || loss.width != 1)
    return emitOpError("takes one head of logits and one token, and gives one number per token");
  return success();
}

} // namespace caa
