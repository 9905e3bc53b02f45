// Arithmetic on bounds: emitted (and folded where possible), or done at once.
#include "passes/Lower/Attend/Numbers.h"
#include "passes/Lower/Attend/ScalarCloner.h"

#include "dialect/Caa/CaaDialect.h"
#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;

namespace caa::attend {

//===-- Emitted ----------------------------------------------------------------------------------------------------===//

bool RuntimeNumbers::sure(Truth truth) const { return truth && matchPattern(truth, m_One()); }

std::optional<double> RuntimeNumbers::constant(Number number) const {
  Attribute attribute;
  if (!number || !matchPattern(number, m_Constant(&attribute)))
    return std::nullopt;
  if (auto value = dyn_cast<FloatAttr>(attribute))
    return value.getValueAsDouble();
  return double(cast<IntegerAttr>(attribute).getValue().getSExtValue());
}

Value RuntimeNumbers::number(double value, Type type) {
  TypedAttr attribute = isa<FloatType>(type) ? TypedAttr(builder.getFloatAttr(type, value)) : builder.getIntegerAttr(type, int64_t(value));
  return arith::ConstantOp::create(builder, location, attribute);
}

Value RuntimeNumbers::apply(Operation *op, ArrayRef<Value> operands) {
  Operation *clone = op->clone();
  clone->setLoc(location);
  clone->setOperands(operands);
  return insertFolded(builder, clone);
}

Value RuntimeNumbers::multipleBelow(Value a, int64_t k) {
  Value size = number(double(k), a.getType());
  return builder.createOrFold<arith::MulIOp>(location, builder.createOrFold<arith::DivUIOp>(location, a, size), size);
}

Value RuntimeNumbers::subtract(Value a, Value b) {
  return isa<FloatType>(a.getType()) ? builder.createOrFold<arith::SubFOp>(location, a, b)
                                     : builder.createOrFold<arith::SubIOp>(location, a, b);
}

Value RuntimeNumbers::compare(Value a, Value b, bool orEqual) {
  if (isa<FloatType>(a.getType()))
    return builder.createOrFold<arith::CmpFOp>(location, orEqual ? arith::CmpFPredicate::OLE : arith::CmpFPredicate::OLT, a, b);
  return builder.createOrFold<arith::CmpIOp>(location, orEqual ? arith::CmpIPredicate::sle : arith::CmpIPredicate::slt, a, b);
}

Value RuntimeNumbers::less(Value a, Value b) { return compare(a, b, false); }
Value RuntimeNumbers::lessEqual(Value a, Value b) { return compare(a, b, true); }

Value RuntimeNumbers::choose(Value truth, Value a, Value b) {
  if (!truth || a == b)
    return b;
  return builder.createOrFold<arith::SelectOp>(location, truth, a, b);
}

Value RuntimeNumbers::certain() { return arith::ConstantOp::create(builder, location, builder.getBoolAttr(true)); }

Value RuntimeNumbers::negate(Value truth) { return builder.createOrFold<arith::XOrIOp>(location, truth, certain()); }

// A truth that can never be certain is null, so that code for it does not exist.
static Value known(Value truth) { return truth && matchPattern(truth, m_Zero()) ? Value() : truth; }

Value RuntimeNumbers::all(Value a, Value b) {
  a = known(a), b = known(b);
  if (!a || !b)
    return {};
  return known(builder.createOrFold<arith::AndIOp>(location, a, b));
}

Value RuntimeNumbers::any(Value a, Value b) {
  a = known(a), b = known(b);
  if (!a || !b)
    return a ? a : b;
  return builder.createOrFold<arith::OrIOp>(location, a, b);
}

//===-- Known ------------------------------------------------------------------------------------------------------===//

static std::optional<double> evaluate(Operation *op, ArrayRef<std::optional<double>> x) {
  auto divideDown = [](double a, double b) { return std::floor(a / b); };
  if (isa<arith::AddFOp, arith::AddIOp>(op))
    return *x[0] + *x[1];
  if (isa<arith::SubFOp, arith::SubIOp>(op))
    return *x[0] - *x[1];
  if (isa<arith::MulFOp, arith::MulIOp>(op))
    return *x[0] * *x[1];
  if (isa<arith::DivFOp>(op))
    return *x[0] / *x[1];
  if (isa<arith::FloorDivSIOp>(op))
    return divideDown(*x[0], *x[1]);
  if (isa<arith::CeilDivSIOp>(op))
    return std::ceil(*x[0] / *x[1]);
  if (isa<arith::DivSIOp, arith::FPToSIOp>(op))
    return std::trunc(isa<arith::DivSIOp>(op) ? *x[0] / *x[1] : *x[0]);
  if (isa<arith::RemSIOp>(op))
    return std::fmod(*x[0], *x[1]);
  if (isa<arith::MinSIOp, arith::MinimumFOp, arith::MinNumFOp>(op))
    return std::min(*x[0], *x[1]);
  if (isa<arith::MaxSIOp, arith::MaximumFOp, arith::MaxNumFOp>(op))
    return std::max(*x[0], *x[1]);
  if (isa<arith::NegFOp>(op))
    return -*x[0];
  if (isa<math::FloorOp>(op))
    return std::floor(*x[0]);
  if (isa<math::CeilOp>(op))
    return std::ceil(*x[0]);
  if (isa<math::SqrtOp>(op))
    return std::sqrt(*x[0]);
  if (isa<ClipOp>(op))
    return std::min(std::max(*x[0], 0.0), 1.0);
  if (isa<arith::SIToFPOp, arith::ExtFOp, arith::TruncFOp, arith::ExtSIOp, arith::ExtUIOp, arith::IndexCastOp>(op))
    return *x[0];
  return std::nullopt;
}

KnownNumbers::Number KnownNumbers::apply(Operation *op, ArrayRef<Number> operands) const {
  Number value = evaluate(op, operands);
  if (value && op->getResult(0).getType().isF32())
    value = double(float(*value));
  return value;
}

} // namespace caa::attend
