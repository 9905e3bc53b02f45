// caa-resolve-precision: what `caa.round` means on the target.
#include "passes/Passes.h"

#include "dialect/Caa/Builders.h"

using namespace mlir;

namespace caa {
#define GEN_PASS_DEF_RESOLVEPRECISION
#include "passes/Passes.h.inc"

namespace {

/// A rounding map; a parameter row goes through a map as one head.
Value buildRounding(OpBuilder &builder, Location location, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  bool isRow = type.getRank() == 1;
  if (isRow)
    value = AsHeadOp::create(builder, location, perHeadType(1, type.getDimSize(0), type.getElementType()), value);
  value = buildMap(builder, location, value.getType(), value,
                   [](ScalarBuilder &scalars, ValueRange v) { return scalars.unary<RoundBf16Op>(v[0]); });
  return isRow ? Value(AsRowOp::create(builder, location, type, value)) : value;
}

struct ResolvePrecisionPass : impl::ResolvePrecisionBase<ResolvePrecisionPass> {
  using ResolvePrecisionBase::ResolvePrecisionBase;

  void runOnOperation() override {
    if (precision != "fp32" && precision != "bf16") {
      getOperation().emitError("unknown precision `") << precision << "`: fp32 or bf16";
      return signalPassFailure();
    }
    getOperation()->setAttr("caa.precision", StringAttr::get(&getContext(), precision));
    getOperation().walk([&](RoundOp op) {
      OpBuilder builder(op);
      op.getResult().replaceAllUsesWith(precision == "fp32" ? op.getValue()
                                                            : buildRounding(builder, op.getLoc(), op.getValue()));
      op.erase();
    });
  }
};

} // namespace
} // namespace caa
