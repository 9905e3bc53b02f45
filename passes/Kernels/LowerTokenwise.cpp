// caa-lower-tokenwise: picks the lowering by what a kernel holds.
#include "passes/Kernels/MergeTileMaps.h"
#include "passes/Kernels/Passes.h"
#include "passes/Kernels/TileFunction.h"

#include "mlir/IR/Dominance.h"
#include "mlir/Transforms/CSE.h"

using namespace mlir;

namespace caa {
#define GEN_PASS_DEF_LOWERTOKENWISE
#include "passes/Kernels/Passes.h.inc"

namespace {

class LowerTokenwisePass : public impl::LowerTokenwiseBase<LowerTokenwisePass> {
  void runOnOperation() override {
    for (auto function : llvm::to_vector(getOperation().getOps<func::FuncOp>())) {
      if (!function->hasAttr("caa.kernel"))
        continue;
      Operation &first = function.getBody().front().front();
      if (isa<AttendOp>(first))
        continue;
      if (isa<HeadLossRowsOp, CrossEntropyOp, CrossEntropyGradOp>(first))
        lowerRowLoss(function);
      else if (isa<EmbedGradOp>(first))
        lowerEmbedGrad(function);
      else if (isa<ReportPartialsOp>(first))
        lowerReport(function);
      else if (isa<CombineReportsOp>(first))
        lowerReportSum(function);
      else if (isa<ReduceTokensOp>(first))
        lowerColumnSum(function);
      else if (isa<CumsumOp>(first))
        lowerCumsum(function);
      else if (isa<ShiftOp, HoldOp>(first))
        lowerMove(function);
      else if (isa<PoolOp>(first))
        lowerPool(function);
      else
        lowerTokens(function);
    }
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (function->hasAttr("tile.kernel")) {
        mergeTileMaps(function);
        IRRewriter rewriter(&getContext());
        DominanceInfo dominance(function);
        eliminateCommonSubExpressions(rewriter, dominance, function);
      }
  }
};

} // namespace
} // namespace caa
