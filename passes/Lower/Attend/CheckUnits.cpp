// caa-check-units: see Passes.td.
#include "passes/Lower/Attend/LowerAttend.h"

#include "dialect/Caa/CaaDialect.h"

using namespace mlir;

namespace caa::attend {

#define GEN_PASS_DEF_CHECKUNITS
#include "passes/Lower/Attend/Passes.h.inc"

namespace {

struct CheckUnits : impl::CheckUnitsBase<CheckUnits> {
  using CheckUnitsBase::CheckUnitsBase;

  void runOnOperation() override {
    getOperation()->walk([&](Operation *op) {
      if (!isa<UnitReduceOp, UnitAnyOp>(op))
        return WalkResult::advance();
      int64_t unit = op->getParentOfType<AttendOp>().getUnit();
      if (unit <= most)
        return WalkResult::advance();
      op->emitError("a GPU looks at the keys of a block together if it has at most ")
          << int64_t(most) << "; this one has " << unit << ": rank blocks by `pool`, or compile for the processor alone (`--target cpu`)";
      signalPassFailure();
      return WalkResult::interrupt();
    });
  }
};

} // namespace
} // namespace caa::attend
