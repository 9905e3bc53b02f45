// caa-fuse-residual: a rounded sum of a stored value and a product becomes one product that adds.
#include "passes/Passes.h"

#include "dialect/Caa/Rounding.h"

using namespace mlir;

namespace caa {
#define GEN_PASS_DEF_FUSERESIDUAL
#include "passes/Passes.h.inc"

namespace {

/// Whether a map adds its two operands, component by component.
bool isSum(MapOp map) {
  if (map.getNumOperands() != 2 || map.getNumResults() != 1 || map.getOperand(0).getType() != map.getOperand(1).getType() ||
      map.getOperand(0).getType() != map.getResult(0).getType())
    return false;
  Block &body = map.getBody().front();
  auto add = body.getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  return add && ((add.getLhs() == body.getArgument(0) && add.getRhs() == body.getArgument(1)) ||
                 (add.getLhs() == body.getArgument(1) && add.getRhs() == body.getArgument(0)));
}

/// The rounded value that `value` is, widened; null if it is none.
Value storedFormOf(Value value) {
  auto map = value.getDefiningOp<MapOp>();
  return map && isWidening(map) && isTokenwise(map.getOperand(0).getType()) ? map.getOperand(0) : Value();
}

struct FuseResidualPass : impl::FuseResidualBase<FuseResidualPass> {
  using FuseResidualBase::FuseResidualBase;

  bool fuse(MapOp rounding) {
    auto sum = rounding.getOperand(0).getDefiningOp<MapOp>();
    if (!isNarrowing(rounding) || !sum || !sum->hasOneUse() || !isSum(sum))
      return false;
    for (unsigned n : {0, 1}) {
      auto linear = sum.getOperand(n).getDefiningOp<LinearOp>();
      Value addend = storedFormOf(sum.getOperand(1 - n));
      if (!linear || !linear->hasOneUse() || linear.getBias() || !elementOf(linear.getInput()).isBF16() || !addend)
        continue;
      OpBuilder builder(rounding);
      Value result = LinearAddOp::create(builder, FusedLoc::get(&getContext(), {linear.getLoc(), sum.getLoc()}),
                                         rounding.getResult(0).getType(), linear.getInput(), linear.getWeight(), addend);
      rounding.getResult(0).replaceAllUsesWith(result);
      for (Operation *dead : {rounding.getOperation(), sum.getOperation(), linear.getOperation()})
        dead->erase();
      return true;
    }
    return false;
  }

  void runOnOperation() override {
    SmallVector<MapOp> maps;
    getOperation().walk([&](MapOp map) { maps.push_back(map); });
    // From the end, so that what an erased op reads has been looked at after it.
    for (MapOp map : llvm::reverse(maps))
      if (isNarrowing(map))
        fused += fuse(map);
  }
};

} // namespace
} // namespace caa
