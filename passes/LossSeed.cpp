// The gradient with which the reverse sweep starts at a loss op. See LossSeed.h.
#include "passes/LossSeed.h"

#include "dialect/Caa/Builders.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace caa {

Value buildLossSeed(OpBuilder &builder, LossOp loss, Value gradient) {
  Location location = loss.getLoc();
  Value scale = LossScaleOp::create(builder, location, perHeadType(1, 1, builder.getF32Type()), loss.getIndex());
  Type type = loss.getValue().getType();
  Value mask = loss.getMask();
  if (!mask) { // an input gives the batch and the length
    Value like = loss->getParentOfType<func::FuncOp>().getArgument(0);
    Value everywhere = BroadcastOp::create(builder, location, type, scale, like);
    if (!gradient)
      return everywhere;
    return buildMap(builder, location, type, {everywhere, gradient},
                    [](ScalarBuilder &scalars, ValueRange v) { return scalars.mul(v[0], v[1]); });
  }
  SmallVector<Value> operands = {mask, scale};
  if (gradient)
    operands.push_back(gradient);
  return buildMap(builder, location, type, operands, [&](ScalarBuilder &scalars, ValueRange v) {
    return scalars.select(v[0], gradient ? scalars.mul(v[1], v[2]) : v[1]);
  });
}

bool isLossSeed(Value seed, LossOp loss) {
  auto isScale = [&](Value value) {
    auto scale = value.getDefiningOp<LossScaleOp>();
    return scale && scale.getIndex() == loss.getIndex();
  };
  if (auto broadcast = seed.getDefiningOp<BroadcastOp>())
    return !loss.getMask() && isScale(broadcast.getValue());
  auto map = seed.getDefiningOp<MapOp>();
  if (!map || !loss.getMask() || map.getNumOperands() != 2 || map.getNumResults() != 1 ||
      map.getOperand(0) != loss.getMask() || !isScale(map.getOperand(1)))
    return false;
  Block &block = map.getBody().front();
  auto select = block.getTerminator()->getOperand(0).getDefiningOp<arith::SelectOp>();
  return select && select.getCondition() == block.getArgument(0) && select.getTrueValue() == block.getArgument(1) &&
         constantOf(select.getFalseValue()) == 0.0;
}

} // namespace caa
