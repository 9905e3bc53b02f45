// See Rows.h.
#include "codegen/Nvptx/Rows/Rows.h"

#include "codegen/Nvptx/Rows/RowsEmitter.h"
#include "codegen/Nvptx/Rows/TableKernel.h"

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
  if (isTableKernel(kernel))
    return emitTableKernel(kernel, module, target);
  RowsPlan plan(kernel);
  Frame frame(kernel, module, target, {});
  RowsEmitter emitter(frame, plan);
  if (failed(emitter.run()))
    return failure();
  return frame.finish();
}

} // namespace caa::nvptx
