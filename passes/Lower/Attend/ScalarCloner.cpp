// Recursion over the region's expression, demand-driven: a branch that is not taken is never copied.
#include "passes/Lower/Attend/ScalarCloner.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace caa::attend {

bool isConstant(Value value, double expected) {
  Attribute attribute;
  if (!matchPattern(value, m_Constant(&attribute)))
    return false;
  if (auto number = dyn_cast<FloatAttr>(attribute))
    return number.getValueAsDouble() == expected;
  if (auto number = dyn_cast<IntegerAttr>(attribute))
    return number.getType().isInteger(1) ? number.getValue().getBoolValue() == (expected != 0)
                                         : number.getValue().getSExtValue() == int64_t(expected);
  return false;
}

Value insertFolded(OpBuilder &builder, Operation *op, unsigned result) {
  SmallVector<Value> folded; // stays empty if the op changed in place: a constant moved to the right, for one
  if (succeeded(builder.tryFold(op, folded)) && !folded.empty()) {
    op->destroy();
    return folded[result];
  }
  builder.insert(op);
  return op->getResult(result);
}

Value ScalarCloner::constant(Location location, TypedAttr value) {
  return arith::ConstantOp::create(builder, location, value);
}

Value ScalarCloner::get(Value value) {
  if (Value copy = copies.lookup(value))
    return copy;
  Value result;
  if (known && known->count(value))
    result = constant(value.getLoc(), known->lookup(value));
  else if (Value given = leaf(value))
    result = given;
  else
    result = copy(value.getDefiningOp(), cast<OpResult>(value).getResultNumber());
  return copies[value] = result;
}

/// 1 / x of a constant: for a power of two, where multiplying by it gives the same bits as dividing, or for any x.
static std::optional<APFloat> inverseOf(Value divisor, bool exact) {
  Attribute attribute;
  if (!matchPattern(divisor, m_Constant(&attribute)))
    return std::nullopt;
  APFloat value = cast<FloatAttr>(attribute).getValue(), inverse(value);
  if (value.getExactInverse(&inverse))
    return inverse;
  inverse = APFloat::getOne(value.getSemantics());
  inverse.divide(value, APFloat::rmNearestTiesToEven);
  return exact || !inverse.isNormal() ? std::nullopt : std::optional(inverse);
}

Value ScalarCloner::copy(Operation *op, unsigned result) {
  if (auto select = dyn_cast<arith::SelectOp>(op)) {
    Value condition = get(select.getCondition());
    if (isConstant(condition, 1))
      return get(select.getTrueValue());
    if (isConstant(condition, 0))
      return get(select.getFalseValue());
  }
  if (isa<arith::MulFOp, arith::AndIOp>(op))
    for (unsigned side : {0u, 1u}) {
      // Look first at the side that is cheap to see through, so that nothing is copied for nothing.
      Value factor = get(op->getOperand(side));
      if (isConstant(factor, 0))
        return factor;
    }
  if (isa<arith::AddFOp>(op))
    for (unsigned side : {0u, 1u})
      if (isConstant(get(op->getOperand(side)), 0))
        return get(op->getOperand(1 - side));
  if (isa<arith::SubFOp>(op) && isConstant(get(op->getOperand(1)), 0))
    return get(op->getOperand(0));

  if (isa<arith::DivFOp>(op))
    if (std::optional<APFloat> inverse = inverseOf(get(op->getOperand(1)), !inverses || !inverses(op->getResult(0)))) {
      Value factor = constant(op->getLoc(), builder.getFloatAttr(op->getResult(0).getType(), *inverse));
      return arith::MulFOp::create(builder, op->getLoc(), get(op->getOperand(0)), factor);
    }

  IRMapping mapping;
  for (Value operand : op->getOperands())
    mapping.map(operand, get(operand));
  return insertFolded(builder, op->clone(mapping), result);
}

} // namespace caa::attend
