// The scalar ops of the `caa` dialect in terms of arith and math.
#pragma once

#include "mlir/IR/Region.h"

namespace caa {

/// Replaces sigmoid, softplus, clip and round_bf16 in a region (and in regions inside it) by arith and math.
void expandScalars(mlir::Region &region);

} // namespace caa
