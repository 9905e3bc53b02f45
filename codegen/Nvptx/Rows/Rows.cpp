// See Rows.h.
#include "codegen/Nvptx/Rows/Rows.h"

#include "dialect/Tile/TileDialect.h"

using namespace mlir;

namespace caa::nvptx {

bool takesRows(func::FuncOp kernel, caa_target target) { return false; }

FailureOr<LaunchInfo> emitRows(func::FuncOp kernel, ModuleOp module, caa_target target) { return failure(); }

} // namespace caa::nvptx
