// Brings a kernel into the form that Plan.cpp reads. The rewrites keep every bit of the results, but for factors of sums (deferFactors).
#include "codegen/Nvptx/Hopper/Plan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;

namespace caa::nvptx::hopper {

namespace {

/// Moves what does not depend on `loop`'s arguments in front of it. Loads are of inputs, which nothing writes.
void hoistInvariants(Operation *loop) {
  for (Region &region : loop->getRegions())
    for (Operation &op : llvm::make_early_inc_range(region.front().without_terminator())) {
      if (!isPure(&op) && !isa<tile::LoadOp>(op))
        continue;
      bool invariant = true;
      op.walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          invariant &= !loop->isAncestor(operand.getParentBlock()->getParentOp()) || op.isAncestor(operand.getParentBlock()->getParentOp());
      });
      if (invariant)
        op.moveBefore(loop);
    }
}

/// (a n + i) / n is a where i runs from 0 to n: all heads of a group share their held head.
void simplifyGroups(scf::ForOp loop) {
  auto count = getConstantIntValue(loop.getUpperBound()), first = getConstantIntValue(loop.getLowerBound());
  if (!count || first != 0)
    return;
  SmallVector<Operation *> dead;
  loop.walk([&](arith::DivUIOp division) {
    auto sum = division.getLhs().getDefiningOp<arith::AddIOp>();
    if (!sum || getConstantIntValue(division.getRhs()) != count)
      return;
    Value a = sum.getLhs(), b = sum.getRhs();
    if (a == loop.getInductionVar())
      std::swap(a, b);
    auto product = a.getDefiningOp<arith::MulIOp>();
    if (b != loop.getInductionVar() || !product)
      return;
    if (getConstantIntValue(product.getRhs()) == count)
      division.replaceAllUsesWith(product.getLhs());
    else if (getConstantIntValue(product.getLhs()) == count)
      division.replaceAllUsesWith(product.getRhs());
  });
}

std::optional<APFloat> constantOf(Value value) {
  auto op = value.getDefiningOp<arith::ConstantOp>();
  auto attribute = op ? dyn_cast<FloatAttr>(op.getValue()) : FloatAttr();
  return attribute ? std::optional(attribute.getValue()) : std::nullopt;
}

/// select(c, x k, y) with a constant k > 0 and y of 0 or an infinity is select(c, x, y) k: a factor that comes last may be folded
/// into what uses it.
void pullFactors(tile::MapOp map) {
  for (Operation &op : llvm::make_early_inc_range(map.getBody().front())) {
    auto select = dyn_cast<arith::SelectOp>(op);
    if (!select || !select.getType().isF32())
      continue;
    auto product = select.getTrueValue().getDefiningOp<arith::MulFOp>();
    auto other = constantOf(select.getFalseValue());
    if (!product || !other || !(other->isZero() || other->isInfinity()))
      continue;
    auto factor = constantOf(product.getRhs());
    if (!factor || factor->isNegative() || factor->isZero() || !factor->isFinite())
      continue;
    OpBuilder builder(select);
    Value inner = arith::SelectOp::create(builder, select.getLoc(), select.getCondition(), product.getLhs(), select.getFalseValue());
    Value outer = arith::MulFOp::create(builder, select.getLoc(), inner, product.getRhs());
    select.replaceAllUsesWith(outer);
    select.erase();
  }
}

/// A constant factor of every weight that a sum over the sweep takes multiplies the sum instead: one product per element of the result,
/// none per pair.
void deferFactors(tile::SweepOp sweep) {
  auto loop = dyn_cast<scf::ForOp>(sweep->getParentOp());
  struct Sum {
    SmallVector<std::pair<Operation *, arith::MulFOp>> weights; ///< the rounding and the product before it
    std::optional<APFloat> factor;
    bool possible = true;
  };
  std::vector<Sum> sums(sweep.getInits().size());
  sweep.walk([&](tile::DotOp dot) {
    if (dot.getTransposeB() || !dot.getAccumulator())
      return;
    Value start = dot.getAccumulator();
    if (auto map = start.getDefiningOp<tile::MapOp>())
      start = map.getOperand(0);
    auto carried = dyn_cast<BlockArgument>(start);
    if (!carried || carried.getOwner()->getParentOp() != sweep || carried.getArgNumber() == 0)
      return;
    Sum &sum = sums[carried.getArgNumber() - 1];
    auto map = dot.getA().getDefiningOp<tile::MapOp>();
    Value yielded = map ? map.getBody().front().getTerminator()->getOperand(cast<OpResult>(dot.getA()).getResultNumber()) : Value();
    auto rounding = yielded ? yielded.getDefiningOp<arith::TruncFOp>() : arith::TruncFOp();
    auto product = rounding ? rounding.getIn().getDefiningOp<arith::MulFOp>() : arith::MulFOp();
    auto factor = product ? constantOf(product.getRhs()) : std::nullopt;
    if (!factor || !dot.getA().hasOneUse() || !rounding->hasOneUse() || (sum.factor && *sum.factor != *factor)) {
      sum.possible = false;
      return;
    }
    sum.factor = factor;
    sum.weights.emplace_back(rounding, product);
  });
  for (auto [n, sum] : llvm::enumerate(sums)) {
    Value init = sweep.getInits()[n], result = sweep.getResult(unsigned(n));
    if (loop) {
      auto argument = dyn_cast<BlockArgument>(init);
      if (!argument || argument.getOwner() != loop.getBody())
        continue;
      init = loop.getInitArgs()[argument.getArgNumber() - 1];
      result = loop.getResult(argument.getArgNumber() - 1);
    }
    auto splat = init.getDefiningOp<tile::SplatOp>();
    auto zero = splat ? constantOf(splat.getValue()) : std::nullopt;
    if (!sum.possible || !sum.factor || !zero || !zero->isZero())
      continue;
    for (auto [rounding, product] : sum.weights)
      rounding->setOperand(0, product.getLhs());
    OpBuilder builder(result.getContext());
    builder.setInsertionPointAfter(result.getDefiningOp());
    Location loc = result.getLoc();
    auto map = tile::MapOp::create(builder, loc, TypeRange(result.getType()), ValueRange(result));
    Block *body = builder.createBlock(&map.getBody(), {}, {builder.getF32Type()}, {loc});
    Value constant = arith::ConstantOp::create(builder, loc, builder.getFloatAttr(builder.getF32Type(), *sum.factor));
    Value scaled = arith::MulFOp::create(builder, loc, body->getArgument(0), constant);
    tile::YieldOp::create(builder, loc, ValueRange(scaled));
    result.replaceAllUsesExcept(map.getResult(0), map);
  }
}

} // namespace

void prepareKernel(func::FuncOp kernel) {
  IRRewriter rewriter(kernel.getContext());
  auto tidy = [&] {
    DominanceInfo dominance(kernel);
    eliminateCommonSubExpressions(rewriter, dominance, kernel);
    (void)runRegionDCE(rewriter, kernel->getRegions());
  };
  kernel.walk([](tile::SweepOp sweep) { hoistInvariants(sweep); });
  kernel.walk([](scf::ForOp loop) {
    simplifyGroups(loop);
    hoistInvariants(loop);
  });
  tidy();
  kernel.walk([](tile::MapOp map) { pullFactors(map); });
  kernel.walk([](tile::SweepOp sweep) { deferFactors(sweep); });
  tidy();
}

} // namespace caa::nvptx::hopper
