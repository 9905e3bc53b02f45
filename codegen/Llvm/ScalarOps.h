// Scalar code of kernels (arith, math, the caa scalar ops) as LLVM dialect code, on values of one lane or many.
#pragma once

#include "codegen/Llvm/Code.h"

#include "mlir/IR/Operation.h"

namespace caa::emit {

/// How a target computes what its instructions do not: operands are f32 or f64, of one lane or many.
class Functions {
public:
  virtual ~Functions() = default;
  /// The function `name`: a name of the C library without the f of f32, or "sigmoid", "softplus". Null if it is unknown.
  virtual Value call(Code &code, llvm::StringRef name, ValueRange operands) const = 0;
  virtual Value divide(Code &code, Value a, Value b) const;
  virtual Value sqrt(Code &code, Value x) const;
  virtual Value rsqrt(Code &code, Value x) const;
  /// NaN if either is NaN.
  virtual Value extremum(Code &code, bool most, Value a, Value b) const;
  /// The other one if one is NaN.
  virtual Value numberExtremum(Code &code, bool most, Value a, Value b) const;
  /// The nearest bf16 value, as f32.
  virtual Value roundBf16(Code &code, Value x) const;
};

/// Emits `op` (no regions) on operands that all have `lanes` lanes. Returns its results, or failure with a diagnostic if it
/// is unknown. With `narrow`, i64 values are held as i32.
mlir::FailureOr<SmallVector<Value>> emitScalarOp(Code &code, mlir::Operation *op, ValueRange operands, int64_t lanes,
                                                 bool narrow, const Functions &functions);

} // namespace caa::emit
