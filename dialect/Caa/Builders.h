// Shorthand for building `caa` IR: scalar arithmetic that folds as it goes, maps from a lambda, sums and reductions.
#pragma once

#include "dialect/Caa/CaaDialect.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace caa {

/// Arithmetic on the scalars of a region (or of any block), each step folded if it can be.
class ScalarBuilder {
public:
  ScalarBuilder(mlir::OpBuilder &builder, mlir::Location location) : builder(builder), location(location) {}

  mlir::OpBuilder &getBuilder() { return builder; }
  mlir::Location getLocation() const { return location; }
  void setLocation(mlir::Location to) { location = to; }

  mlir::Value constant(double value, mlir::Type type);
  mlir::Value constant(double value) { return constant(value, builder.getF32Type()); }
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value sub(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, mlir::Value b);
  mlir::Value div(mlir::Value a, mlir::Value b);
  mlir::Value neg(mlir::Value a);
  /// `then` where the condition holds, else `otherwise` (0 if null).
  mlir::Value select(mlir::Value condition, mlir::Value then, mlir::Value otherwise = {});
  mlir::Value compare(mlir::arith::CmpFPredicate predicate, mlir::Value a, mlir::Value b);
  mlir::Value logicalAnd(mlir::Value a, mlir::Value b);
  mlir::Value logicalOr(mlir::Value a, mlir::Value b);
  mlir::Value logicalNot(mlir::Value a);
  /// The dot product of two vectors; of two scalars (width 1), their product.
  mlir::Value dot(mlir::Value a, mlir::Value b);
  /// A unary op of math or of this dialect.
  template <typename Op> mlir::Value unary(mlir::Value a) { return builder.createOrFold<Op>(location, a); }

private:
  mlir::OpBuilder &builder;
  mlir::Location location;
};

/// The number that a scalar of a region is known to be, if it is a float constant.
std::optional<double> constantOf(mlir::Value scalar);

using ScalarFunction = llvm::function_ref<llvm::SmallVector<mlir::Value>(ScalarBuilder &, mlir::ValueRange arguments)>;

/// A map whose region `function` fills: from one scalar per operand to one per result.
MapOp buildMap(mlir::OpBuilder &builder, mlir::Location location, mlir::TypeRange results, mlir::ValueRange operands,
               ScalarFunction function);

/// The same with one result.
mlir::Value buildMap(mlir::OpBuilder &builder, mlir::Location location, mlir::Type result, mlir::ValueRange operands,
                     llvm::function_ref<mlir::Value(ScalarBuilder &, mlir::ValueRange)> function);

/// The sum of values of one type (token-wise, per-head or matrices), in their order. Concatenations that fill
/// complementary parts of the width with zeros become one concatenation.
mlir::Value buildSum(mlir::OpBuilder &builder, mlir::Location location, mlir::ValueRange values);

/// Zeros of a token-wise type, with the batch and length of `like`, or of a per-head type.
mlir::Value buildZeros(mlir::OpBuilder &builder, mlir::Location location, mlir::RankedTensorType type,
                       mlir::Value like);

/// Whether a value is zeros as `buildZeros` makes them.
bool isZeros(mlir::Value value);

/// Undoes a broadcast: sums over width, groups of heads and tokens until the value has type `to`.
mlir::Value buildReduceTo(mlir::OpBuilder &builder, mlir::Value value, mlir::Type to);

/// The token-wise or per-head type of f32 with the given heads and width that goes with `kind`'s axes.
mlir::RankedTensorType sameAxes(mlir::Type kind, int64_t heads, int64_t width, mlir::Type element);

} // namespace caa
