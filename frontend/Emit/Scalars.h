// The language's scalar functions as arith, math and caa ops: what stands in the regions of `map` and `attend`.
#pragma once

#include "dialect/Caa/CaaDialect.h"
#include "frontend/Sema/Value.h"

namespace caa {

class Scalars {
public:
  Scalars(mlir::OpBuilder &builder, mlir::Location loc) : b(builder), loc(loc) {}

  struct Operand {
    mlir::Value value;              // null for a constant
    std::optional<Number> constant; // truth values as 0 and 1
  };

  mlir::Value number(const Number &value, mlir::Type type);
  // To i1, i64, f64 or f32; narrower integers are widened.
  mlir::Value convert(mlir::Value value, mlir::Type type);
  mlir::Value convert(const Operand &operand, mlir::Type type);
  // `elem` is that of the result.
  mlir::Value apply(Fn fn, llvm::ArrayRef<Operand> operands, Elem elem);
  // A membership met with another; i1 or f32.
  mlir::Value meet(mlir::Value a, mlir::Value b);

  static mlir::Type type(mlir::MLIRContext *context, Elem elem);

private:
  mlir::Value arithmetic(Fn fn, mlir::Value x, mlir::Value y, const Operand *exponent);
  mlir::Value integerArithmetic(Fn fn, mlir::Value x, mlir::Value y, bool divisorIsSafe);
  mlir::Value function(Fn fn, mlir::Value x, mlir::Value y);
  mlir::Value power(mlir::Value x, mlir::Value y, const Operand &exponent);
  mlir::Value compare(Fn fn, mlir::Value x, mlir::Value y);
  mlir::Value logic(Fn fn, llvm::ArrayRef<Operand> operands, Elem elem);
  mlir::Value select(mlir::Value c, mlir::Value x, mlir::Value y);
  mlir::Value real(double value, mlir::Type type) { return number(Number::of(value), type); }

  mlir::OpBuilder &b;
  mlir::Location loc;
};

} // namespace caa
