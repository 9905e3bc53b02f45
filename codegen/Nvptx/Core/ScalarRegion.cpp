// See ScalarRegion.h. f32: the special function unit's approximations where they are good enough, with range reduction around
// them where they are not; what is rare is computed in f64.
#include "codegen/Nvptx/Core/ScalarRegion.h"

#include "codegen/Llvm/ScalarOps.h"
#include "codegen/Llvm/VectorMath.h"
#include "codegen/Nvptx/Core/DoubleMath.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace caa::nvptx {

namespace {

struct GpuFunctions : emit::Functions {
  GpuFunctions(ThreadCode &code, const ScalarOptions &options) : code(code), options(options) {}
  ThreadCode &code;
  const ScalarOptions &options;

  Value one() const { return code.real(1.0, code.f32); }

  Value exp(Value x) const {
    constexpr double log2OfE = 1.44269502162933349609375, rest = 1.925963033500e-08;
    if (options.approximate)
      return code.intrinsic("llvm.nvvm.ex2.approx.ftz.f32", code.f32, {code.fmul(x, code.real(log2OfE, code.f32))});
    // x log2 e = n + f with n integral, as far as 2^n is normal; what n lacks f has.
    Value clamped = extremum32(false, extremum32(true, code.fmul(x, code.real(log2OfE, code.f32)), code.real(-126, code.f32)),
                               code.real(127, code.f32));
    Value magic = code.real(12582912.0, code.f32);
    Value shifted = code.fadd(clamped, magic), n = code.fsub(shifted, magic);
    Value f = code.fma(x, code.real(log2OfE, code.f32), code.fneg(n));
    f = code.fma(x, code.real(rest, code.f32), f);
    // The low bits of `shifted` hold n; those of the magic number leave the word.
    Value bits = code.shiftLeft(code.add(code.bitcast(shifted, code.i32), code.word(127)), 23);
    return code.fmul(exp2(f), code.bitcast(bits, code.f32));
  }
  Value exp2(Value x) const { return code.intrinsic("llvm.nvvm.ex2.approx.f32", code.f32, {x}); }

  // The other one if one is NaN.
  Value extremum32(bool most, Value a, Value b) const {
    return most ? Value(LLVM::MaxNumOp::create(code.builder, code.loc, a, b))
                : Value(LLVM::MinNumOp::create(code.builder, code.loc, a, b));
  }

  Value call(emit::Code &, StringRef name, ValueRange in) const override {
    Value x = in[0];
    if (x.getType().isF64())
      return emitDouble(code, name, in);
    if (!x.getType().isF32())
      return {};
    if (name == "exp")
      return exp(x);
    if (name == "exp2")
      return exp2(x);
    if (name == "sigmoid")
      return divide(code, one(), code.fadd(one(), exp(code.fneg(x))));
    if (options.approximate && (name == "log" || name == "log2")) {
      Value log2 = code.intrinsic("llvm.nvvm.lg2.approx.f", code.f32, {x});
      return name == "log2" ? log2 : code.fmul(log2, code.real(M_LN2, code.f32));
    }
    if (name == "log")
      return emit::emitLog(code, x);
    if (name == "log2")
      return emit::emitLog2(code, x);
    if (name == "log1p")
      return emit::emitLog1p(code, x);
    if (name == "expm1")
      return emit::emitExpm1(code, x);
    if (name == "tanh")
      return emit::emitTanh(code, x);
    if (name == "softplus")
      return emit::emitSoftplus(code, x);
    if (name == "erf")
      return emit::emitErf(code, x);
    SmallVector<Value> wide;
    for (Value value : in)
      wide.push_back(LLVM::FPExtOp::create(code.builder, code.loc, code.f64, value));
    Value result = emitDouble(code, name, wide);
    return result ? Value(LLVM::FPTruncOp::create(code.builder, code.loc, code.f32, result)) : Value();
  }

  Value divide(emit::Code &, Value a, Value b) const override {
    if (!a.getType().isF32())
      return code.fdiv(a, b);
    return code.intrinsic("llvm.nvvm.div.full", code.f32, {a, b});
  }
  Value sqrt(emit::Code &, Value x) const override {
    if (!x.getType().isF32())
      return LLVM::SqrtOp::create(code.builder, code.loc, x);
    return code.intrinsic("llvm.nvvm.sqrt.approx.f", code.f32, {x});
  }
  Value rsqrt(emit::Code &, Value x) const override {
    if (!x.getType().isF32())
      return emit::Functions::rsqrt(code, x);
    return code.intrinsic("llvm.nvvm.rsqrt.approx.f", code.f32, {x});
  }
  Value extremum(emit::Code &, bool most, Value a, Value b) const override {
    if (!a.getType().isF32())
      return emit::Functions::extremum(code, most, a, b);
    return most ? Value(LLVM::MaximumOp::create(code.builder, code.loc, a, b))
                : Value(LLVM::MinimumOp::create(code.builder, code.loc, a, b));
  }
  Value numberExtremum(emit::Code &, bool most, Value a, Value b) const override { return extremum32(most, a, b); }
  Value roundBf16(emit::Code &, Value x) const override { return code.extend(code.truncate(x)); }
};

} // namespace

Value narrowed(ThreadCode &code, Value integer) {
  if (integer.getType() != code.i64)
    return integer;
  return code.toWord(code.maximum(code.minimum(integer, code.index(mostPosition)), code.index(-mostPosition)));
}

FailureOr<Value> emitScalarOp(ThreadCode &code, Operation *op, ValueRange operands, const ScalarOptions &options) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op); constant && options.narrow && op->getResult(0).getType().isIntOrIndex())
    if (auto value = cast<IntegerAttr>(constant.getValue()); registerType(value.getType()) == code.i64)
      return code.word(std::clamp(value.getInt(), -mostPosition, mostPosition));
  Block *block = code.builder.getInsertionBlock();
  Operation *last = block->empty() ? nullptr : &block->back();
  auto results = emit::emitScalarOp(code, op, operands, 1, options.narrow, GpuFunctions(code, options));
  if (failed(results))
    return failure();
  if (options.contract) {
    for (auto it = last ? std::next(last->getIterator()) : block->begin(); it != block->end(); ++it)
      if (auto math = dyn_cast<LLVM::FastmathFlagsInterface>(&*it))
        math->setAttr("fastmathFlags", LLVM::FastmathFlagsAttr::get(code.builder.getContext(), LLVM::FastmathFlags::contract));
  }
  return (*results)[0];
}

FailureOr<SmallVector<Value>> emitScalarRegion(ThreadCode &code, Region &region, ValueRange arguments,
                                               function_ref<Value(Value)> outer, const ScalarOptions &options) {
  Block &block = region.front();
  DenseMap<Value, Value> values;
  for (auto [argument, value] : llvm::zip_equal(block.getArguments(), arguments))
    values[argument] = value;
  auto get = [&](Value value) {
    auto found = values.find(value);
    return found != values.end() ? found->second : outer(value);
  };
  for (Operation &op : block.without_terminator()) {
    SmallVector<Value> operands;
    for (Value operand : op.getOperands())
      operands.push_back(get(operand));
    FailureOr<Value> result = emitScalarOp(code, &op, operands, options);
    if (failed(result))
      return failure();
    values[op.getResult(0)] = *result;
  }
  SmallVector<Value> yielded;
  for (Value value : block.getTerminator()->getOperands())
    yielded.push_back(get(value));
  return yielded;
}

} // namespace caa::nvptx
