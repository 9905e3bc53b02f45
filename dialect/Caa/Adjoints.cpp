// Derivative rules: one per differentiable op.
#include "dialect/Caa/CaaDialect.h"

using namespace mlir;

namespace caa {
#define CAA_NO_RULE(Op)                                                                                                \
  LogicalResult Op::buildAdjoint(OpBuilder &, ValueRange, ArrayRef<bool>, MutableArrayRef<Value>) {                    \
    return emitOpError("has no derivative rule yet");                                                                  \
  }
CAA_NO_RULE(MapOp)
CAA_NO_RULE(StopOp)
CAA_NO_RULE(RoundOp)
CAA_NO_RULE(LinearOp)
CAA_NO_RULE(EmbedOp)
CAA_NO_RULE(RmsNormOp)
CAA_NO_RULE(LayerNormOp)
CAA_NO_RULE(AsHeadOp)
CAA_NO_RULE(RopeOp)
CAA_NO_RULE(ReshapeOp)
CAA_NO_RULE(SliceOp)
CAA_NO_RULE(ConcatOp)
CAA_NO_RULE(ReduceWidthOp)
CAA_NO_RULE(ReduceHeadsOp)
CAA_NO_RULE(BroadcastOp)
CAA_NO_RULE(CrossEntropyOp)
CAA_NO_RULE(AttendOp)
} // namespace caa
