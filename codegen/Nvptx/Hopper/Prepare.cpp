// Brings a kernel into the form that Plan.cpp reads. All rewrites keep every bit of the results.
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
  tidy();
}

} // namespace caa::nvptx::hopper
