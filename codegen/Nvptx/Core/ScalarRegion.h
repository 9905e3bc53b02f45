// Scalar code of tile kernels on one GPU thread: regions of maps, and the scalar ops between tiles.
#pragma once

#include "codegen/Nvptx/Core/ThreadCode.h"

#include "mlir/IR/Operation.h"

namespace caa::nvptx {

struct ScalarOptions {
  /// f32 exponentials and logarithms as one approximate instruction: relative error of e^x about 2^-23 |x| (and ftz), for values
  /// that are rounded to bf16 next. Without it f32 functions are good to about 2e-7.
  bool approximate = false;
  /// Lets the code generator contract a b + c to a fused multiply-add.
  bool contract = false;
  /// Values of type i64 and index are held as i32: for code whose integers are positions and counts, which are below
  /// `mostPosition`. What is beyond that becomes it, so that a position plus or minus it does not overflow.
  bool narrow = false;
};
constexpr int64_t mostPosition = 1 << 30;

/// An integer of memory as `narrow` holds it.
Value narrowed(ThreadCode &code, Value integer);

/// Emits one op without regions (arith, math, caa scalar ops) on scalars. Fails with a diagnostic if it is unknown.
mlir::FailureOr<Value> emitScalarOp(ThreadCode &code, mlir::Operation *op, ValueRange operands, const ScalarOptions &options);

/// Clones a region of one block (a map's) on scalars `arguments`; `outer` gives what it captures. Returns what its terminator
/// yields.
mlir::FailureOr<SmallVector<Value>> emitScalarRegion(ThreadCode &code, mlir::Region &region, ValueRange arguments,
                                                     llvm::function_ref<Value(Value)> outer, const ScalarOptions &options);

} // namespace caa::nvptx
