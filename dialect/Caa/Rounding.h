// Maps that round, narrow and widen: how rounded values are recognised after caa-resolve-precision.
#pragma once

#include "dialect/Caa/CaaDialect.h"

namespace caa {

/// Whether a map rounds one f32 value to bf16, still as f32.
bool isRounding(MapOp map);
/// Whether a map only makes bf16 of f32 (rounding to nearest, ties to even), or f32 of bf16.
bool isNarrowing(MapOp map);
bool isWidening(MapOp map);

/// The maps themselves. A parameter row is widened as a per-head value.
mlir::Value buildNarrowing(mlir::OpBuilder &builder, mlir::Value value);
mlir::Value buildWidening(mlir::OpBuilder &builder, mlir::Value value);

} // namespace caa
