// Derivative rule of map: another map, which computes the forward scalars again from the operands.
#include "dialect/Caa/Adjoints/Scalars.h"

using namespace mlir;

namespace caa {

LogicalResult MapOp::buildAdjoint(OpBuilder &builder, ValueRange gradients, ArrayRef<bool> wanted,
                                  MutableArrayRef<Value> operandGradients) {
  // Its operands: those of the map, then the gradients that there are.
  SmallVector<Value> operands(getOperands());
  SmallVector<unsigned> seeded;
  for (auto [number, gradient] : llvm::enumerate(gradients))
    if (gradient) {
      seeded.push_back(number);
      operands.push_back(gradient);
    }
  Region region;
  Block &block = region.emplaceBlock();
  for (Value operand : operands)
    block.addArgument(elementOf(operand), getLoc());

  OpBuilder inner(builder.getContext());
  inner.setInsertionPointToStart(&block);
  Block &forwardBlock = getBody().front();
  IRMapping forward;
  forward.map(forwardBlock.getArguments(), block.getArguments().take_front(getNumOperands()));
  cloneScalars(inner, forwardBlock, forward);
  ValueRange yields = cast<YieldOp>(forwardBlock.getTerminator()).getValues();
  SmallVector<ScalarSeed> seeds;
  for (auto [position, number] : llvm::enumerate(seeded))
    seeds.push_back({yields[number], block.getArgument(getNumOperands() + position), {}});
  FailureOr<ScalarGradients> adjoint = differentiateScalars(inner, forwardBlock, forward, seeds, wanted);
  if (failed(adjoint))
    return failure();

  // One result per operand that something arrives at, as wide as the map; what was broadcast is summed afterwards.
  SmallVector<Value> results;
  SmallVector<Type> types;
  SmallVector<unsigned> targets;
  Shape shape = shapeOf(getResult(0));
  for (auto [number, gradient] : llvm::enumerate(adjoint->scalars)) {
    if (!gradient || !wanted[number])
      continue;
    targets.push_back(number);
    results.push_back(gradient);
    types.push_back(sameAxes(getResult(0).getType(), shape.heads, shape.width, gradient.getType()));
  }
  if (results.empty())
    return success();
  YieldOp::create(inner, getLoc(), results);
  auto map = MapOp::create(builder, getLoc(), types, operands);
  map.getBody().takeBody(region);
  for (auto [result, number] : llvm::zip(map.getResults(), targets))
    operandGradients[number] = buildReduceTo(builder, result, getOperand(number).getType());
  return success();
}

} // namespace caa
