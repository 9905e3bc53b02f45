// Derivative rules of the ops that move components or sum them.
#include "dialect/Caa/Builders.h"

using namespace mlir;

namespace caa {

LogicalResult ReshapeOp::buildAdjoint(OpBuilder &builder, ValueRange gradients, ArrayRef<bool>,
                                      MutableArrayRef<Value> operandGradients) {
  operandGradients[0] = ReshapeOp::create(builder, getLoc(), getValue().getType(), gradients[0]);
  return success();
}

/// Zeros on both sides; the slices of one value add up to one concatenation (buildSum).
LogicalResult SliceOp::buildAdjoint(OpBuilder &builder, ValueRange gradients, ArrayRef<bool>,
                                    MutableArrayRef<Value> operandGradients) {
  Shape whole = shapeOf(getValue()), part = shapeOf(getResult());
  int64_t before = getStart(), after = whole.width - before - part.width;
  SmallVector<Value> parts;
  auto pad = [&](int64_t width) {
    if (width > 0)
      parts.push_back(buildZeros(
          builder, getLoc(), sameAxes(getValue().getType(), whole.heads, width, elementOf(getValue())), gradients[0]));
  };
  pad(before);
  parts.push_back(gradients[0]);
  pad(after);
  operandGradients[0] = ConcatOp::create(builder, getLoc(), getValue().getType(), parts);
  return success();
}

LogicalResult ConcatOp::buildAdjoint(OpBuilder &builder, ValueRange gradients, ArrayRef<bool> wanted,
                                     MutableArrayRef<Value> operandGradients) {
  int64_t start = 0;
  for (auto [number, value] : llvm::enumerate(getValues())) {
    if (wanted[number])
      operandGradients[number] = SliceOp::create(builder, getLoc(), value.getType(), gradients[0], start);
    start += shapeOf(value).width;
  }
  return success();
}

LogicalResult ReduceWidthOp::buildAdjoint(OpBuilder &builder, ValueRange gradients, ArrayRef<bool>,
                                          MutableArrayRef<Value> operandGradients) {
  operandGradients[0] = BroadcastOp::create(builder, getLoc(), getValue().getType(), gradients[0], Value());
  return success();
}

LogicalResult ReduceHeadsOp::buildAdjoint(OpBuilder &builder, ValueRange gradients, ArrayRef<bool>,
                                          MutableArrayRef<Value> operandGradients) {
  operandGradients[0] = BroadcastOp::create(builder, getLoc(), getValue().getType(), gradients[0], Value());
  return success();
}

/// A token's value is in the sums of all tokens from it on.
LogicalResult CumsumOp::buildAdjoint(OpBuilder &builder, ValueRange gradients, ArrayRef<bool>,
                                     MutableArrayRef<Value> operandGradients) {
  operandGradients[0] = CumsumOp::create(builder, getLoc(), gradients[0], !getReverse());
  return success();
}

LogicalResult ShiftOp::buildAdjoint(OpBuilder &builder, ValueRange gradients, ArrayRef<bool>,
                                    MutableArrayRef<Value> operandGradients) {
  operandGradients[0] = ShiftOp::create(builder, getLoc(), gradients[0], getBy(), !getReverse());
  return success();
}

LogicalResult HoldOp::buildAdjoint(OpBuilder &builder, ValueRange gradients, ArrayRef<bool>,
                                   MutableArrayRef<Value> operandGradients) {
  operandGradients[0] = HoldOp::create(builder, getLoc(), gradients[0], getBlock(), !getReverse());
  return success();
}

LogicalResult BroadcastOp::buildAdjoint(OpBuilder &builder, ValueRange gradients, ArrayRef<bool> wanted,
                                        MutableArrayRef<Value> operandGradients) {
  if (wanted[0])
    operandGradients[0] = buildReduceTo(builder, gradients[0], getValue().getType());
  return success();
}

} // namespace caa
