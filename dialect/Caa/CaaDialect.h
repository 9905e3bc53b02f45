// The `caa` dialect: a language model as tensors. See CaaDialect.td for the kinds of values.
#pragma once

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace caa {

/// Heads and width of a token-wise or per-head value.
struct Shape {
  int64_t heads, width;
};

/// tensor<?x?xHxNxE>, E one of f32, bf16, f64, i64, i32, i1.
bool isTokenwise(mlir::Type type);
/// The same with float elements of `bits` bits.
bool isTokenwise(mlir::Type type, unsigned bits);
/// tensor<HxNxE>.
bool isPerHead(mlir::Type type);
bool isMatrix(mlir::Type type);
bool isRow(mlir::Type type);
bool isScalar(mlir::Type type);

/// Heads and width of a token-wise or per-head type.
Shape shapeOf(mlir::Type type);
inline Shape shapeOf(mlir::Value value) { return shapeOf(value.getType()); }
mlir::Type elementOf(mlir::Type type);
inline mlir::Type elementOf(mlir::Value value) { return elementOf(value.getType()); }

/// tensor<?x?xHxNxE>
mlir::RankedTensorType tokenwiseType(int64_t heads, int64_t width, mlir::Type element);
/// tensor<HxNxE>
mlir::RankedTensorType perHeadType(int64_t heads, int64_t width, mlir::Type element);
/// Fails with a diagnostic unless both factors of a matrix product are f32 or both are bf16.
mlir::LogicalResult verifyFactors(mlir::Operation *op, mlir::Value a, mlir::Value b);
/// What an operand looks like in the region of an attend: the element where the width is 1, else a vector.
mlir::Type pairArgumentType(mlir::Type operand);

} // namespace caa

#include "dialect/Caa/CaaDialect.h.inc"
#include "dialect/Caa/CaaEnums.h.inc"
#include "dialect/Caa/DifferentiableOpInterface.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/Caa/CaaAttributes.h.inc"
#define GET_OP_CLASSES
#include "dialect/Caa/CaaOps.h.inc"
