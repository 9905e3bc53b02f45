// A short hand for writing LLVM dialect code: constants kept once per function, arithmetic on scalars and vectors alike,
// rotated loops, loads and stores of whole vectors. A vector of one lane is a scalar, so that one emitter serves both. Each
// backend has a class of its own on top, with what its target adds.
#pragma once

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"

namespace caa::emit {

using mlir::ArrayRef;
using mlir::Block;
using mlir::SmallVector;
using mlir::Type;
using mlir::Value;
using mlir::ValueRange;

/// The element type that stands for `type` in registers: index is i64, everything else itself.
Type registerType(Type type);
/// The element type in memory: i1 is a byte.
Type memoryType(Type type);
int64_t bytesOf(Type type);

class Code {
public:
  explicit Code(mlir::LLVM::LLVMFuncOp function);
  virtual ~Code() = default;

  mlir::OpBuilder builder;
  mlir::Location loc;
  mlir::LLVM::LLVMFuncOp function;
  Type i1, i8, i32, i64, f32, f64, pointer;

  //===-- Types and constants -----------------------------------------------------------------------------------===//
  Type vector(Type element, int64_t lanes);
  static int64_t lanesOf(Type type);
  static Type elementOf(Type type);
  /// `type` with another element.
  Type like(Type type, Type element) { return vector(element, lanesOf(type)); }

  Value integer(int64_t value, Type type); ///< scalar or splat
  Value real(double value, Type type);     ///< scalar or splat
  Value index(int64_t value) { return integer(value, i64); }
  Value boolean(bool value) { return integer(value, i1); }
  /// 0, 1, 2, ... as a vector of integers.
  Value counting(Type type);
  Value constant(mlir::TypedAttr attribute);
  /// The constant's value, if `value` is an integer constant made here.
  static std::optional<int64_t> known(Value value);

  //===-- Arithmetic --------------------------------------------------------------------------------------------===//
  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value fadd(Value a, Value b);
  Value fsub(Value a, Value b);
  Value fmul(Value a, Value b);
  Value fdiv(Value a, Value b);
  Value fma(Value a, Value b, Value c);
  Value fneg(Value a);
  Value bitAnd(Value a, Value b);
  Value bitOr(Value a, Value b);
  Value bitXor(Value a, Value b);
  Value shiftLeft(Value a, int64_t bits);
  Value shiftRight(Value a, int64_t bits); ///< arithmetic
  Value compare(mlir::LLVM::ICmpPredicate predicate, Value a, Value b);
  Value compare(mlir::LLVM::FCmpPredicate predicate, Value a, Value b);
  Value select(Value condition, Value a, Value b);
  Value bitcast(Value a, Type element); ///< the same lanes as another element type
  Value minimum(Value a, Value b);      ///< signed integers
  Value maximum(Value a, Value b);
  /// a > b ? a : b, one instruction: b where either is NaN.
  Value fmaxFast(Value a, Value b);
  Value fminFast(Value a, Value b);
  /// ceil(a / b) of non-negative a and positive constant b.
  Value ceilDiv(Value a, int64_t b);

  //===-- Vectors -----------------------------------------------------------------------------------------------===//
  Value splat(Value scalar, int64_t lanes);
  Value lane(Value vector, int64_t n);
  Value withLane(Value vector, Value scalar, int64_t n);
  Value undefined(Type type);
  Value shuffle(Value a, Value b, ArrayRef<int32_t> mask);
  /// Lanes [first, first + count).
  Value part(Value vector, int64_t first, int64_t count);
  /// value * 2^n in one instruction, where the target has one: n integral, both f32. Null where it has none.
  virtual Value scaleByPower(Value value, Value n) { return {}; }
  /// Combines all lanes by halving: a fixed order.
  Value reduceLanes(Value vector, llvm::function_ref<Value(Value, Value)> combine);
  /// Whether any lane of a vector of truth values is true.
  Value anyLane(Value mask);
  /// Calls a scalar function of the C library on every lane.
  Value callPerLane(llvm::StringRef name, ValueRange arguments);

  //===-- Memory ------------------------------------------------------------------------------------------------===//
  /// base + offset elements of `element` (in memory).
  Value address(Value base, Type element, Value offset);
  Value address(Value base, Type element, int64_t offset);
  /// Loads `lanes` elements; i1 is widened from bytes.
  Value load(Value address, Type element, int64_t lanes);
  void store(Value value, Value address);

  //===-- Control -----------------------------------------------------------------------------------------------===//
  using Body = llvm::function_ref<SmallVector<Value>(Value, ValueRange)>;
  /// for (i = lower; i < upper; i += step) with carried values, in the type of `lower`; the bounds' order is tested unless both are constants.
  SmallVector<Value> loop(Value lower, Value upper, int64_t step, ValueRange inits, Body body);
  void loop(int64_t lower, int64_t upper, int64_t step, llvm::function_ref<void(Value)> body);
  void loop(Value lower, Value upper, int64_t step, llvm::function_ref<void(Value)> body);
  /// Runs until `body` gives false first: a do-while of carried values. Returns the last ones.
  SmallVector<Value> repeat(ValueRange inits, llvm::function_ref<std::pair<Value, SmallVector<Value>>(ValueRange)> body);
  void when(Value condition, llvm::function_ref<void()> then);
  SmallVector<Value> choose(Value condition, mlir::TypeRange types, llvm::function_ref<SmallVector<Value>()> then,
                            llvm::function_ref<SmallVector<Value>()> otherwise);
  /// A new block after the present one, with arguments of `types`.
  Block *newBlock(mlir::TypeRange types = {});
  void jump(Block *to, ValueRange values = {});
  void enter(Block *block) { builder.setInsertionPointToEnd(block); }

private:
  llvm::DenseMap<mlir::Attribute, Value> constants;
  mlir::OpBuilder entry; ///< where constants go
};

} // namespace caa::emit
