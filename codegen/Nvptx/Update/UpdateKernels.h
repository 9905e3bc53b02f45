// The kernels of a GPU's entries "update" and "refresh", over the whole arenas of parameters. They are the same for all models
// but for a few counts; codegen/Schedule/Update.h makes the tables and entries that launch them.
//
//   caa_update_squares   one block per segment: the sum of the gradient's squares
//   caa_update_norms     one block: norms and clip scales of the groups, whether the step is to be skipped
//   caa_update_adamw     one block per segment: the update, rounded copies, gradients to zero
//   caa_update_refresh   one block per `UpdateShape::segmentElements` of the arena: rounded copies alone
//
// Formulas are those of runtime/train/adamw.cpp. Sums run in an order that depends on nothing but the shapes.
#pragma once

#include "codegen/Nvptx/Core/Nvptx.h"
#include "codegen/Schedule/Update.h"

#include "llvm/Support/Error.h"

namespace caa::nvptx {

/// PTX of the kernels and how they are launched. Their operands are those of the commands in codegen/Schedule/Update.cpp.
llvm::Expected<Code> compileUpdate(mlir::MLIRContext &context, caa_target target, const schedule::UpdateShape &shape);

} // namespace caa::nvptx
