// Scalar code of kernels (arith, math, the caa scalar ops) on values of one lane or many.
#pragma once

#include "codegen/Cpu/Code.h"

#include "mlir/IR/Operation.h"

namespace caa::cpu {

/// Emits `op` (no regions) on operands that all have `lanes` lanes. Returns its results, or failure with a diagnostic if the
/// backend does not know the op. With `narrow`, i64 values are held as i32.
mlir::FailureOr<SmallVector<Value>> emitScalarOp(Code &code, mlir::Operation *op, ValueRange operands, int64_t lanes,
                                                 bool narrow = false);

} // namespace caa::cpu
