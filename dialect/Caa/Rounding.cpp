// See Rounding.h.
#include "dialect/Caa/Rounding.h"

#include "dialect/Caa/Builders.h"

using namespace mlir;

namespace caa {

/// Whether a map has one operand and yields `Op` of its component.
template <typename Op> static bool isOnly(MapOp map) {
  if (map.getNumOperands() != 1 || map.getNumResults() != 1)
    return false;
  auto op = map.getBody().front().getTerminator()->getOperand(0).getDefiningOp<Op>();
  Shape from = shapeOf(map.getOperand(0)), to = shapeOf(map.getResult(0));
  return op && op->getOperand(0) == map.getBody().getArgument(0) && from.heads == to.heads && from.width == to.width;
}

bool isRounding(MapOp map) { return isOnly<RoundBf16Op>(map) && elementOf(map.getResult(0)).isF32(); }
bool isNarrowing(MapOp map) { return isOnly<arith::TruncFOp>(map) && elementOf(map.getResult(0)).isBF16(); }
bool isWidening(MapOp map) { return isOnly<arith::ExtFOp>(map) && elementOf(map.getOperand(0)).isBF16(); }

static Value convert(OpBuilder &builder, Value value, Type element, bool widens) {
  auto type = cast<RankedTensorType>(value.getType());
  Location location = value.getLoc();
  bool isRow = type.getRank() == 1;
  if (isRow)
    value = AsHeadOp::create(builder, location, perHeadType(1, type.getDimSize(0), type.getElementType()), value);
  auto target = RankedTensorType::get(cast<RankedTensorType>(value.getType()).getShape(), element);
  value = buildMap(builder, location, target, value, [&](ScalarBuilder &scalars, ValueRange v) -> Value {
    return widens ? arith::ExtFOp::create(scalars.getBuilder(), location, element, v[0]).getResult()
                  : arith::TruncFOp::create(scalars.getBuilder(), location, element, v[0]).getResult();
  });
  return isRow ? Value(AsRowOp::create(builder, location, RankedTensorType::get(type.getShape(), element), value)) : value;
}

Value buildNarrowing(OpBuilder &builder, Value value) { return convert(builder, value, builder.getBF16Type(), false); }
Value buildWidening(OpBuilder &builder, Value value) { return convert(builder, value, builder.getF32Type(), true); }

} // namespace caa
