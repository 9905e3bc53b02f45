// `--remarks`: what passes say through MLIR's remark engine, brought to the model's author.
#pragma once

#include "mlir/IR/MLIRContext.h"

namespace caa {

/// From here on, remarks about what was not done or is slow become diagnostics: "the reason [name-of-the-remark]".
void enableRemarks(mlir::MLIRContext &context);

} // namespace caa
