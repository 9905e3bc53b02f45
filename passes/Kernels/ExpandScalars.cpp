// The scalar ops of the `caa` dialect in terms of arith and math. See ExpandScalars.h.
#include "passes/Kernels/ExpandScalars.h"

#include "dialect/Caa/CaaDialect.h"

using namespace mlir;

namespace caa {
namespace {

class Expander {
public:
  explicit Expander(Operation *op) : builder(op), location(op->getLoc()), type(op->getResult(0).getType()) {}

  /// 1 / (1 + e^-x): right at both ends, where e^-x is infinite or 0.
  Value sigmoid(Value x) {
    Value power = math::ExpOp::create(builder, location, arith::NegFOp::create(builder, location, x));
    Value sum = arith::AddFOp::create(builder, location, constant(1.0), power);
    return arith::DivFOp::create(builder, location, constant(1.0), sum);
  }

  /// max(x, 0) + log(1 + e^-|x|)
  Value softplus(Value x) {
    Value negative = arith::NegFOp::create(builder, location, math::AbsFOp::create(builder, location, x));
    Value tail = math::Log1pOp::create(builder, location, math::ExpOp::create(builder, location, negative));
    return arith::AddFOp::create(builder, location, arith::MaximumFOp::create(builder, location, x, constant(0.0)),
                                 tail);
  }

  Value clip(Value x) {
    Value low = arith::MaximumFOp::create(builder, location, x, constant(0.0));
    return arith::MinimumFOp::create(builder, location, low, constant(1.0));
  }

  /// Adds half of the last kept bit, less one where that bit is even, and clears the rest; a NaN stays as it is.
  Value roundBf16(Value x) {
    Type integer = builder.getI32Type();
    if (auto vector = dyn_cast<VectorType>(type))
      integer = vector.clone(integer);
    auto number = [&](int64_t value) -> Value {
      return arith::ConstantOp::create(builder, location, integer,
                                       splat(integer, builder.getI32IntegerAttr(int32_t(value))));
    };
    Value bits = arith::BitcastOp::create(builder, location, integer, x);
    Value odd = arith::AndIOp::create(builder, location, arith::ShRUIOp::create(builder, location, bits, number(16)),
                                      number(1));
    Value raised =
        arith::AddIOp::create(builder, location, bits, arith::AddIOp::create(builder, location, odd, number(0x7fff)));
    Value kept = arith::AndIOp::create(builder, location, raised, number(0xffff0000));
    Value rounded = arith::BitcastOp::create(builder, location, type, kept);
    Value isNan = arith::CmpFOp::create(builder, location, arith::CmpFPredicate::UNO, x, x);
    return arith::SelectOp::create(builder, location, isNan, x, rounded);
  }

private:
  static TypedAttr splat(Type type, TypedAttr scalar) {
    auto vector = dyn_cast<VectorType>(type);
    return vector ? TypedAttr(DenseElementsAttr::get(vector, scalar)) : scalar;
  }
  Value constant(double value) {
    auto scalar = cast<TypedAttr>(builder.getFloatAttr(getElementTypeOrSelf(type), value));
    return arith::ConstantOp::create(builder, location, type, splat(type, scalar));
  }

  OpBuilder builder;
  Location location;
  Type type;
};

} // namespace

void expandScalars(Region &region) {
  region.walk([](Operation *op) {
    Value result;
    if (auto sigmoid = dyn_cast<SigmoidOp>(op))
      result = Expander(op).sigmoid(sigmoid.getValue());
    else if (auto softplus = dyn_cast<SoftplusOp>(op))
      result = Expander(op).softplus(softplus.getValue());
    else if (auto clip = dyn_cast<ClipOp>(op))
      result = Expander(op).clip(clip.getValue());
    else if (auto round = dyn_cast<RoundBf16Op>(op))
      result = Expander(op).roundBf16(round.getValue());
    else
      return;
    op->getResult(0).replaceAllUsesWith(result);
    op->erase();
  });
}

} // namespace caa
