// The gradient with which the reverse sweep starts at a loss op.
#pragma once

#include "dialect/Caa/CaaDialect.h"

namespace caa {

/// 1 / count where the loss's mask holds, 0 elsewhere; times `gradient` (tensor<1x1xf32>), if there is one.
mlir::Value buildLossSeed(mlir::OpBuilder &builder, LossOp loss, mlir::Value gradient);

/// Whether `seed` is what `buildLossSeed` makes for the loss, without a gradient.
bool isLossSeed(mlir::Value seed, LossOp loss);

} // namespace caa
