// caa-decompose: norms and biases as maps and sums over the width, which every later pass understands.
#include "passes/Passes.h"

#include "dialect/Caa/Builders.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace caa {
#define GEN_PASS_DEF_DECOMPOSE
#include "passes/Passes.h.inc"

namespace {

Value asHead(OpBuilder &builder, Location location, Value row) {
  int64_t width = cast<RankedTensorType>(row.getType()).getDimSize(0);
  return AsHeadOp::create(builder, location, perHeadType(1, width, builder.getF32Type()), row);
}

/// 1 / sqrt(mean x^2 + eps), one number per head.
Value buildInverseDeviation(OpBuilder &builder, Location location, Value x, double eps) {
  Shape shape = shapeOf(x);
  Type narrow = tokenwiseType(shape.heads, 1, builder.getF32Type());
  Value squares = buildMap(builder, location, x.getType(), x,
                           [](ScalarBuilder &scalars, ValueRange v) { return scalars.mul(v[0], v[0]); });
  Value sum = ReduceWidthOp::create(builder, location, narrow, squares);
  return buildMap(builder, location, narrow, sum, [&](ScalarBuilder &scalars, ValueRange v) {
    Value mean = scalars.mul(v[0], scalars.constant(1.0 / shape.width));
    Value root = scalars.unary<math::SqrtOp>(scalars.add(mean, scalars.constant(eps)));
    return scalars.div(scalars.constant(1), root);
  });
}

struct DecomposeRmsNorm : OpRewritePattern<RmsNormOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(RmsNormOp op, PatternRewriter &rewriter) const override {
    Location location = op.getLoc();
    auto product = [](ScalarBuilder &scalars, ValueRange v) { return scalars.mul(v[0], v[1]); };
    Value x = op.getInput();
    Value inverse = buildInverseDeviation(rewriter, location, x, op.getEps().convertToDouble());
    Value normed = buildMap(rewriter, location, x.getType(), {x, inverse}, product);
    Value rounded = RoundOp::create(rewriter, location, normed);
    rewriter.replaceOp(
        op, buildMap(rewriter, location, x.getType(), {rounded, asHead(rewriter, location, op.getWeight())}, product));
    return success();
  }
};

struct DecomposeLayerNorm : OpRewritePattern<LayerNormOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(LayerNormOp op, PatternRewriter &rewriter) const override {
    Location location = op.getLoc();
    Value x = op.getInput();
    Shape shape = shapeOf(x);
    Value sum = ReduceWidthOp::create(rewriter, location, tokenwiseType(shape.heads, 1, rewriter.getF32Type()), x);
    Value centred = buildMap(rewriter, location, x.getType(), {x, sum}, [&](ScalarBuilder &scalars, ValueRange v) {
      return scalars.sub(v[0], scalars.mul(v[1], scalars.constant(1.0 / shape.width)));
    });
    Value inverse = buildInverseDeviation(rewriter, location, centred, op.getEps().convertToDouble());
    Value weight = asHead(rewriter, location, op.getWeight()), bias = asHead(rewriter, location, op.getBias());
    rewriter.replaceOp(op, buildMap(rewriter, location, x.getType(), {centred, inverse, weight, bias},
                                    [](ScalarBuilder &scalars, ValueRange v) {
                                      return scalars.add(scalars.mul(scalars.mul(v[0], v[1]), v[2]), v[3]);
                                    }));
    return success();
  }
};

/// Takes the bias out of a linear, so that it is added where its result is used next.
struct DecomposeBias : OpRewritePattern<LinearOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(LinearOp op, PatternRewriter &rewriter) const override {
    bool isHead = llvm::any_of(op->getUsers(), [](Operation *user) { return isa<CrossEntropyOp, LogitsOp>(user); });
    if (!op.getBias() || isHead)
      return failure();
    Location location = op.getLoc();
    Shape shape = shapeOf(op.getResult());
    Value product = LinearOp::create(rewriter, location, op.getType(), op.getInput(), op.getWeight(), Value());
    Value bias = asHead(rewriter, location, op.getBias());
    bias =
        rewriter.createOrFold<ReshapeOp>(location, perHeadType(shape.heads, shape.width, rewriter.getF32Type()), bias);
    rewriter.replaceOp(op, buildMap(rewriter, location, op.getType(), {product, bias},
                                    [](ScalarBuilder &scalars, ValueRange v) { return scalars.add(v[0], v[1]); }));
    return success();
  }
};

struct DecomposePass : impl::DecomposeBase<DecomposePass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<DecomposeRmsNorm, DecomposeLayerNorm, DecomposeBias>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace caa
