// See Rows.h.
#include "codegen/Nvptx/Rows/Rows.h"

#include "codegen/Nvptx/Rows/RowsEmitter.h"

using namespace mlir;

namespace caa::nvptx {

bool takesRows(func::FuncOp kernel, caa_target) {
  return !kernel
              .walk([](Operation *op) {
                return isa<tile::DotOp, tile::RankingOp, tile::RankOp, tile::ThresholdOp>(op) ? WalkResult::interrupt()
                                                                                            : WalkResult::advance();
              })
              .wasInterrupted();
}

FailureOr<LaunchInfo> emitRows(func::FuncOp kernel, ModuleOp module, caa_target target) {
  OwningOpRef<func::FuncOp> prepared = kernel.clone();
  RowsPlan plan(*prepared);
  Frame frame(*prepared, module, target, {});
  RowsEmitter emitter(frame, plan);
  if (failed(emitter.run()))
    return failure();
  return frame.finish();
}

} // namespace caa::nvptx
