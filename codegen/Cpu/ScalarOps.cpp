// See ScalarOps.h. f32 functions go to VectorMath, f64 ones and the rare ones to the C library.
#include "codegen/Cpu/ScalarOps.h"

#include "codegen/Llvm/ScalarOps.h"
#include "codegen/Llvm/VectorMath.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace caa::cpu {

Value Code::scaleByPower(Value value, Value n) {
  if (!target.isAvx512() || lanesOf(value.getType()) != 16)
    return {};
  Value all = integer(-1, IntegerType::get(value.getContext(), 16)), rounding = integer(4, i32);
  return LLVM::CallIntrinsicOp::create(builder, loc, value.getType(), builder.getStringAttr("llvm.x86.avx512.mask.scalef.ps.512"),
                                       ValueRange{value, n, value, all, rounding})
      .getResult(0);
}

namespace {

struct CpuFunctions : emit::Functions {
  Value call(emit::Code &code, StringRef name, ValueRange in) const override {
    bool isF32 = Code::elementOf(in[0].getType()).isF32();
    using Emit = Value (*)(emit::Code &, Value);
    Emit vector = llvm::StringSwitch<Emit>(name)
                      .Case("exp", emit::emitExp)
                      .Case("exp2", emit::emitExp2)
                      .Case("expm1", emit::emitExpm1)
                      .Case("log", emit::emitLog)
                      .Case("log2", emit::emitLog2)
                      .Case("log1p", emit::emitLog1p)
                      .Case("tanh", emit::emitTanh)
                      .Case("erf", emit::emitErf)
                      .Case("sigmoid", emit::emitSigmoid)
                      .Case("softplus", emit::emitSoftplus)
                      .Default(nullptr);
    if (isF32 && vector)
      return vector(code, in[0]);
    Type type = in[0].getType();
    if (name == "sigmoid")
      return code.fdiv(code.real(1.0, type), code.fadd(code.real(1.0, type), code.callPerLane("exp", code.fneg(in[0]))));
    if (name == "softplus") {
      Value e = code.callPerLane("exp", code.fneg(emit::emitAbs(code, in[0])));
      return code.fadd(code.fmaxFast(code.real(0.0, type), in[0]), code.callPerLane("log1p", e));
    }
    return code.callPerLane(isF32 ? (name + "f").str() : name.str(), in);
  }
};

} // namespace

FailureOr<SmallVector<Value>> emitScalarOp(Code &code, Operation *op, ValueRange operands, int64_t lanes, bool narrow) {
  return emit::emitScalarOp(code, op, operands, lanes, narrow, CpuFunctions());
}

} // namespace caa::cpu
