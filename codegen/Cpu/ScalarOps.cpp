// See ScalarOps.h. One TypeSwitch per dialect; f32 functions go to VectorMath, f64 ones to the C library.
#include "codegen/Cpu/ScalarOps.h"

#include "codegen/Cpu/VectorMath.h"
#include "dialect/Caa/CaaDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using LLVM::FCmpPredicate;
using LLVM::ICmpPredicate;

namespace caa::cpu {

namespace {

struct ScalarEmitter {
  Code &code;
  ValueRange in;
  int64_t lanes;
  bool narrow;

  Type typeOf(Type type) {
    type = registerType(type);
    if (narrow && type.isInteger(64))
      type = code.i32;
    return code.vector(type, lanes);
  }
  template <typename Op, typename... Args> Value make(Args... args) {
    return Op::create(code.builder, code.loc, args...);
  }
  bool isF32() { return Code::elementOf(in[0].getType()).isF32(); }

  // A function of the C library where there is no vector form: `name` for f64, `name`f for f32.
  Value library(StringRef name) { return code.callPerLane(isF32() ? (name + "f").str() : name.str(), in); }
  Value function(Value (*emit)(Code &, Value), StringRef name) { return isF32() ? emit(code, in[0]) : library(name); }

  // NaN if either is NaN.
  Value extremum(bool most, Value a, Value b) {
    auto isNumber = [](Value value) {
      auto op = value.getDefiningOp<LLVM::ConstantOp>();
      auto splat = op ? dyn_cast<DenseElementsAttr>(op.getValue()) : DenseElementsAttr();
      auto scalar = op ? dyn_cast<FloatAttr>(op.getValue()) : FloatAttr();
      return (splat && splat.isSplat() && !splat.getSplatValue<APFloat>().isNaN()) || (scalar && !scalar.getValue().isNaN());
    };
    if (isNumber(b))
      std::swap(a, b);
    Value result = most ? code.fmaxFast(a, b) : code.fminFast(a, b); // b where one is NaN
    return isNumber(a) ? result : code.select(code.compare(FCmpPredicate::uno, a, a), a, result);
  }
  // The other one if one is NaN.
  Value numberExtremum(bool most, Value a, Value b) {
    Value result = most ? code.fmaxFast(a, b) : code.fminFast(a, b);
    return code.select(code.compare(FCmpPredicate::uno, b, b), a, result);
  }

  Value convert(Type to) {
    Type from = in[0].getType();
    if (from == to)
      return in[0];
    unsigned fromBits = Code::elementOf(from).getIntOrFloatBitWidth(), toBits = Code::elementOf(to).getIntOrFloatBitWidth();
    if (isa<FloatType>(Code::elementOf(from)))
      return fromBits < toBits ? make<LLVM::FPExtOp>(to, in[0]) : make<LLVM::FPTruncOp>(to, in[0]);
    return fromBits < toBits ? make<LLVM::SExtOp>(to, in[0]) : make<LLVM::TruncOp>(to, in[0]);
  }
  Value extendUnsigned(Type to) { return in[0].getType() == to ? in[0] : make<LLVM::ZExtOp>(to, in[0]); }

  // Floor and ceiling division of signed integers.
  Value roundedDivision(bool up) {
    Value quotient = make<LLVM::SDivOp>(in[0], in[1]), remainder = make<LLVM::SRemOp>(in[0], in[1]);
    Value zero = code.integer(0, in[0].getType()), one = code.integer(1, in[0].getType());
    Value inexact = code.compare(ICmpPredicate::ne, remainder, zero);
    Value negative = code.compare(ICmpPredicate::slt, code.bitXor(in[0], in[1]), zero);
    if (up)
      negative = code.bitXor(negative, code.integer(1, negative.getType()));
    Value moved = up ? code.add(quotient, one) : code.sub(quotient, one);
    return code.select(code.bitAnd(inexact, negative), moved, quotient);
  }

  Value roundBf16(Value x) {
    Value bits = code.bitcast(x, code.i32);
    Type type = bits.getType();
    Value odd = code.bitAnd(LLVM::LShrOp::create(code.builder, code.loc, bits, code.integer(16, type)), code.integer(1, type));
    Value rounded = code.add(bits, code.add(odd, code.integer(0x7fff, type)));
    Value result = code.bitcast(code.bitAnd(rounded, code.integer(-65536, type)), code.f32);
    return code.select(code.compare(FCmpPredicate::uno, x, x), x, result);
  }

  Value powi(Value base, int64_t n) {
    bool inverse = n < 0;
    uint64_t left = inverse ? 0 - uint64_t(n) : uint64_t(n);
    Value result, square = base;
    for (; left; left >>= 1) {
      if (left & 1)
        result = result ? code.fmul(result, square) : square;
      if (left > 1)
        square = code.fmul(square, square);
    }
    if (!result)
      return code.real(1.0, base.getType());
    return inverse ? code.fdiv(code.real(1.0, base.getType()), result) : result;
  }

  Value power(math::PowFOp op) {
    FloatAttr exponent;
    if (auto constant = op.getRhs().getDefiningOp<arith::ConstantOp>())
      exponent = dyn_cast<FloatAttr>(constant.getValue());
    double value = exponent ? exponent.getValueAsDouble() : 0.5;
    if (exponent && value == double(int64_t(value)) && std::abs(value) <= 8)
      return powi(in[0], int64_t(value));
    return library("pow");
  }

  Value constant(arith::ConstantOp op) {
    if (auto value = dyn_cast<IntegerAttr>(op.getValue()))
      return code.integer(value.getType().isInteger(1) ? value.getValue().getZExtValue() : value.getInt(), typeOf(op.getType()));
    if (auto value = dyn_cast<FloatAttr>(op.getValue())) {
      Type type = typeOf(op.getType());
      Attribute scalar = value;
      if (auto vector = dyn_cast<VectorType>(type))
        return code.constant(cast<TypedAttr>(DenseElementsAttr::get(vector, scalar)));
      return code.constant(value);
    }
    return {};
  }

  Value emitArith(Operation *op) {
    return TypeSwitch<Operation *, Value>(op)
        .Case([&](arith::ConstantOp o) { return constant(o); })
        .Case([&](arith::AddFOp) { return code.fadd(in[0], in[1]); })
        .Case([&](arith::SubFOp) { return code.fsub(in[0], in[1]); })
        .Case([&](arith::MulFOp) { return code.fmul(in[0], in[1]); })
        .Case([&](arith::DivFOp) { return code.fdiv(in[0], in[1]); })
        .Case([&](arith::RemFOp) { return make<LLVM::FRemOp>(in[0], in[1]); })
        .Case([&](arith::NegFOp) { return make<LLVM::FNegOp>(in[0]); })
        .Case([&](arith::MaximumFOp) { return extremum(true, in[0], in[1]); })
        .Case([&](arith::MinimumFOp) { return extremum(false, in[0], in[1]); })
        .Case([&](arith::MaxNumFOp) { return numberExtremum(true, in[0], in[1]); })
        .Case([&](arith::MinNumFOp) { return numberExtremum(false, in[0], in[1]); })
        .Case([&](arith::CmpFOp o) {
          // MLIR's two enumerations number the predicates alike but for `false` and `true`, which no kernel has.
          return code.compare(static_cast<FCmpPredicate>(o.getPredicate()), in[0], in[1]);
        })
        .Case([&](arith::AddIOp) { return code.add(in[0], in[1]); })
        .Case([&](arith::SubIOp) { return code.sub(in[0], in[1]); })
        .Case([&](arith::MulIOp) { return code.mul(in[0], in[1]); })
        .Case([&](arith::DivSIOp) { return make<LLVM::SDivOp>(in[0], in[1]); })
        .Case([&](arith::DivUIOp) { return make<LLVM::UDivOp>(in[0], in[1]); })
        .Case([&](arith::FloorDivSIOp) { return roundedDivision(false); })
        .Case([&](arith::CeilDivSIOp) { return roundedDivision(true); })
        .Case([&](arith::CeilDivUIOp) {
          Value one = code.integer(1, in[0].getType());
          return make<LLVM::UDivOp>(code.add(in[0], code.sub(in[1], one)), in[1]);
        })
        .Case([&](arith::RemSIOp) { return make<LLVM::SRemOp>(in[0], in[1]); })
        .Case([&](arith::RemUIOp) { return make<LLVM::URemOp>(in[0], in[1]); })
        .Case([&](arith::MaxSIOp) { return code.maximum(in[0], in[1]); })
        .Case([&](arith::MinSIOp) { return code.minimum(in[0], in[1]); })
        .Case([&](arith::MaxUIOp) { return make<LLVM::UMaxOp>(in[0], in[1]); })
        .Case([&](arith::MinUIOp) { return make<LLVM::UMinOp>(in[0], in[1]); })
        .Case([&](arith::AndIOp) { return code.bitAnd(in[0], in[1]); })
        .Case([&](arith::OrIOp) { return code.bitOr(in[0], in[1]); })
        .Case([&](arith::XOrIOp) { return code.bitXor(in[0], in[1]); })
        .Case([&](arith::ShLIOp) { return make<LLVM::ShlOp>(in[0], in[1]); })
        .Case([&](arith::ShRSIOp) { return make<LLVM::AShrOp>(in[0], in[1]); })
        .Case([&](arith::ShRUIOp) { return make<LLVM::LShrOp>(in[0], in[1]); })
        .Case([&](arith::CmpIOp o) { return code.compare(static_cast<ICmpPredicate>(o.getPredicate()), in[0], in[1]); })
        .Case([&](arith::SelectOp) { return code.select(in[0], in[1], in[2]); })
        .Case([&](arith::SIToFPOp o) { return make<LLVM::SIToFPOp>(typeOf(o.getType()), in[0]); })
        .Case([&](arith::UIToFPOp o) { return make<LLVM::UIToFPOp>(typeOf(o.getType()), in[0]); })
        .Case([&](arith::FPToSIOp o) { return make<LLVM::FPToSIOp>(typeOf(o.getType()), in[0]); })
        .Case([&](arith::FPToUIOp o) { return make<LLVM::FPToUIOp>(typeOf(o.getType()), in[0]); })
        .Case<arith::ExtFOp, arith::TruncFOp, arith::ExtSIOp, arith::TruncIOp, arith::IndexCastOp>(
            [&](auto o) { return convert(typeOf(o.getType())); })
        .Case<arith::ExtUIOp, arith::IndexCastUIOp>([&](auto o) { return extendUnsigned(typeOf(o.getType())); })
        .Case([&](arith::BitcastOp o) { return code.bitcast(in[0], Code::elementOf(typeOf(o.getType()))); })
        .Default([](Operation *) { return Value(); });
  }

  Value emitMath(Operation *op) {
    return TypeSwitch<Operation *, Value>(op)
        .Case([&](math::ExpOp) { return function(emitExp, "exp"); })
        .Case([&](math::Exp2Op) { return function(emitExp2, "exp2"); })
        .Case([&](math::ExpM1Op) { return function(emitExpm1, "expm1"); })
        .Case([&](math::LogOp) { return function(emitLog, "log"); })
        .Case([&](math::Log2Op) { return function(emitLog2, "log2"); })
        .Case([&](math::Log1pOp) { return function(emitLog1p, "log1p"); })
        .Case([&](math::TanhOp) { return function(emitTanh, "tanh"); })
        .Case([&](math::ErfOp) { return function(emitErf, "erf"); })
        .Case([&](math::SqrtOp) { return make<LLVM::SqrtOp>(in[0]); })
        .Case([&](math::RsqrtOp) { return code.fdiv(code.real(1.0, in[0].getType()), make<LLVM::SqrtOp>(in[0])); })
        .Case([&](math::AbsFOp) { return emitAbs(code, in[0]); })
        .Case([&](math::AbsIOp) {
          return code.maximum(in[0], code.sub(code.integer(0, in[0].getType()), in[0]));
        })
        .Case([&](math::CopySignOp) { return emitCopySign(code, in[0], in[1]); })
        .Case([&](math::FmaOp) { return code.fma(in[0], in[1], in[2]); })
        .Case([&](math::FloorOp) { return make<LLVM::FFloorOp>(in[0]); })
        .Case([&](math::CeilOp) { return make<LLVM::FCeilOp>(in[0]); })
        .Case([&](math::TruncOp) { return make<LLVM::FTruncOp>(in[0]); })
        .Case([&](math::RoundEvenOp) { return make<LLVM::RoundEvenOp>(in[0]); })
        .Case([&](math::RoundOp) { return make<LLVM::RoundOp>(in[0]); })
        .Case([&](math::IsNaNOp) { return code.compare(FCmpPredicate::uno, in[0], in[0]); })
        .Case([&](math::IsInfOp) {
          return code.compare(FCmpPredicate::oeq, emitAbs(code, in[0]), code.real(HUGE_VAL, in[0].getType()));
        })
        .Case([&](math::IsFiniteOp) {
          return code.compare(FCmpPredicate::olt, emitAbs(code, in[0]), code.real(HUGE_VAL, in[0].getType()));
        })
        .Case([&](math::PowFOp o) { return power(o); })
        .Case([&](math::FPowIOp o) -> Value {
          auto exponent = o.getRhs().getDefiningOp<arith::ConstantOp>();
          auto value = exponent ? dyn_cast<IntegerAttr>(exponent.getValue()) : IntegerAttr();
          return value ? powi(in[0], value.getInt()) : Value();
        })
        .Case([&](math::SinOp) { return library("sin"); })
        .Case([&](math::CosOp) { return library("cos"); })
        .Case([&](math::TanOp) { return library("tan"); })
        .Case([&](math::AtanOp) { return library("atan"); })
        .Case([&](math::Atan2Op) { return library("atan2"); })
        .Case([&](math::SinhOp) { return library("sinh"); })
        .Case([&](math::CoshOp) { return library("cosh"); })
        .Case([&](math::ErfcOp) { return library("erfc"); })
        .Case([&](math::CbrtOp) { return library("cbrt"); })
        .Case([&](math::Log10Op) { return library("log10"); })
        .Default([](Operation *) { return Value(); });
  }

  Value emitCaa(Operation *op) {
    Type type = in[0].getType();
    Value one = code.real(1.0, type), zero = code.real(0.0, type);
    return TypeSwitch<Operation *, Value>(op)
        .Case([&](caa::SigmoidOp) -> Value {
          if (isF32())
            return emitSigmoid(code, in[0]);
          return code.fdiv(one, code.fadd(one, code.callPerLane("exp", make<LLVM::FNegOp>(in[0]))));
        })
        .Case([&](caa::SoftplusOp) -> Value {
          if (isF32())
            return emitSoftplus(code, in[0]);
          Value e = code.callPerLane("exp", make<LLVM::FNegOp>(emitAbs(code, in[0])));
          return code.fadd(code.fmaxFast(zero, in[0]), code.callPerLane("log1p", e));
        })
        .Case([&](caa::ClipOp) { return extremum(false, extremum(true, in[0], zero), one); })
        .Case([&](caa::RoundBf16Op) { return isF32() ? roundBf16(in[0]) : Value(); })
        .Default([](Operation *) { return Value(); });
  }
};

} // namespace

FailureOr<SmallVector<Value>> emitScalarOp(Code &code, Operation *op, ValueRange operands, int64_t lanes, bool narrow) {
  ScalarEmitter emitter{code, operands, lanes, narrow};
  Value result;
  StringRef dialect = op->getName().getDialectNamespace();
  if (dialect == "arith")
    result = emitter.emitArith(op);
  else if (dialect == "math")
    result = emitter.emitMath(op);
  else if (dialect == "caa" && op->getNumOperands() > 0)
    result = emitter.emitCaa(op);
  if (!result)
    return op->emitError() << "the CPU backend cannot compute `" << op->getName() << "`";
  return SmallVector<Value>{result};
}

} // namespace caa::cpu
