// See ScalarOps.h. One TypeSwitch per dialect.
#include "codegen/Llvm/ScalarOps.h"

#include "dialect/Caa/CaaDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using LLVM::FCmpPredicate;
using LLVM::ICmpPredicate;

namespace caa::emit {

namespace {

struct ScalarEmitter {
  Code &code;
  ValueRange in;
  int64_t lanes;
  bool narrow;
  const Functions &functions;

  Type typeOf(Type type) {
    type = registerType(type);
    if (narrow && type.isInteger(64))
      type = code.i32;
    return code.vector(type, lanes);
  }
  template <typename Op, typename... Args> Value make(Args... args) {
    return Op::create(code.builder, code.loc, args...);
  }
  Value call(StringRef name) { return functions.call(code, name, in); }
  Value absolute(Value x) { return LLVM::FAbsOp::create(code.builder, code.loc, x); }

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

  // 64 bits whatever else is narrow: the products need them all. The fraction's 24 bits fit a signed 32-bit integer.
  Value random() {
    Type wide = code.vector(code.i64, lanes);
    auto number = [&](uint64_t value) { return code.integer(int64_t(value), wide); };
    auto mixed = [&](Value z, uint64_t shift) { return code.bitXor(z, make<LLVM::LShrOp>(z, number(shift))); };
    Value h = number(0);
    for (Value integer : in) {
      if (integer.getType() != wide)
        integer = make<LLVM::SExtOp>(wide, integer);
      Value z = code.add(code.bitXor(h, integer), number(0x9E3779B97F4A7C15ull));
      z = code.mul(mixed(z, 30), number(0xBF58476D1CE4E5B9ull));
      z = code.mul(mixed(z, 27), number(0x94D049BB133111EBull));
      h = mixed(z, 31);
    }
    Value top = make<LLVM::TruncOp>(code.vector(code.i32, lanes), make<LLVM::LShrOp>(h, number(40)));
    Type real = code.vector(code.f32, lanes);
    return code.fmul(make<LLVM::SIToFPOp>(real, top), code.real(1.0 / 16777216, real));
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
    return inverse ? functions.divide(code, code.real(1.0, base.getType()), result) : result;
  }

  Value power(math::PowFOp op) {
    FloatAttr exponent;
    if (auto constant = op.getRhs().getDefiningOp<arith::ConstantOp>())
      exponent = dyn_cast<FloatAttr>(constant.getValue());
    double value = exponent ? exponent.getValueAsDouble() : 0.5;
    if (exponent && value == double(int64_t(value)) && std::abs(value) <= 8)
      return powi(in[0], int64_t(value));
    return call("pow");
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
        .Case([&](arith::DivFOp) { return functions.divide(code, in[0], in[1]); })
        .Case([&](arith::RemFOp) { return make<LLVM::FRemOp>(in[0], in[1]); })
        .Case([&](arith::NegFOp) { return make<LLVM::FNegOp>(in[0]); })
        .Case([&](arith::MaximumFOp) { return functions.extremum(code, true, in[0], in[1]); })
        .Case([&](arith::MinimumFOp) { return functions.extremum(code, false, in[0], in[1]); })
        .Case([&](arith::MaxNumFOp) { return functions.numberExtremum(code, true, in[0], in[1]); })
        .Case([&](arith::MinNumFOp) { return functions.numberExtremum(code, false, in[0], in[1]); })
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
        .Case([&](math::ExpOp) { return call("exp"); })
        .Case([&](math::Exp2Op) { return call("exp2"); })
        .Case([&](math::ExpM1Op) { return call("expm1"); })
        .Case([&](math::LogOp) { return call("log"); })
        .Case([&](math::Log2Op) { return call("log2"); })
        .Case([&](math::Log1pOp) { return call("log1p"); })
        .Case([&](math::TanhOp) { return call("tanh"); })
        .Case([&](math::ErfOp) { return call("erf"); })
        .Case([&](math::SqrtOp) { return functions.sqrt(code, in[0]); })
        .Case([&](math::RsqrtOp) { return functions.rsqrt(code, in[0]); })
        .Case([&](math::AbsFOp) { return absolute(in[0]); })
        .Case([&](math::AbsIOp) {
          return code.maximum(in[0], code.sub(code.integer(0, in[0].getType()), in[0]));
        })
        .Case([&](math::CopySignOp) { return make<LLVM::CopySignOp>(in[0], in[1]); })
        .Case([&](math::FmaOp) { return code.fma(in[0], in[1], in[2]); })
        .Case([&](math::FloorOp) { return make<LLVM::FFloorOp>(in[0]); })
        .Case([&](math::CeilOp) { return make<LLVM::FCeilOp>(in[0]); })
        .Case([&](math::TruncOp) { return make<LLVM::FTruncOp>(in[0]); })
        .Case([&](math::RoundEvenOp) { return make<LLVM::RoundEvenOp>(in[0]); })
        .Case([&](math::RoundOp) { return make<LLVM::RoundOp>(in[0]); })
        .Case([&](math::IsNaNOp) { return code.compare(FCmpPredicate::uno, in[0], in[0]); })
        .Case([&](math::IsInfOp) {
          return code.compare(FCmpPredicate::oeq, absolute(in[0]), code.real(HUGE_VAL, in[0].getType()));
        })
        .Case([&](math::IsFiniteOp) {
          return code.compare(FCmpPredicate::olt, absolute(in[0]), code.real(HUGE_VAL, in[0].getType()));
        })
        .Case([&](math::PowFOp o) { return power(o); })
        .Case([&](math::FPowIOp o) -> Value {
          auto exponent = o.getRhs().getDefiningOp<arith::ConstantOp>();
          auto value = exponent ? dyn_cast<IntegerAttr>(exponent.getValue()) : IntegerAttr();
          return value ? powi(in[0], value.getInt()) : Value();
        })
        .Case([&](math::SinOp) { return call("sin"); })
        .Case([&](math::CosOp) { return call("cos"); })
        .Case([&](math::TanOp) { return call("tan"); })
        .Case([&](math::AtanOp) { return call("atan"); })
        .Case([&](math::Atan2Op) { return call("atan2"); })
        .Case([&](math::SinhOp) { return call("sinh"); })
        .Case([&](math::CoshOp) { return call("cosh"); })
        .Case([&](math::ErfcOp) { return call("erfc"); })
        .Case([&](math::CbrtOp) { return call("cbrt"); })
        .Case([&](math::Log10Op) { return call("log10"); })
        .Default([](Operation *) { return Value(); });
  }

  Value emitCaa(Operation *op) {
    if (isa<caa::RandomOp>(op))
      return random();
    Type type = in[0].getType();
    Value one = code.real(1.0, type), zero = code.real(0.0, type);
    return TypeSwitch<Operation *, Value>(op)
        .Case([&](caa::SigmoidOp) { return call("sigmoid"); })
        .Case([&](caa::SoftplusOp) { return call("softplus"); })
        .Case([&](caa::ClipOp) { return functions.extremum(code, false, functions.extremum(code, true, in[0], zero), one); })
        .Case([&](caa::RoundBf16Op) { return functions.roundBf16(code, in[0]); })
        .Default([](Operation *) { return Value(); });
  }
};

} // namespace

Value Functions::divide(Code &code, Value a, Value b) const { return code.fdiv(a, b); }

Value Functions::sqrt(Code &code, Value x) const { return LLVM::SqrtOp::create(code.builder, code.loc, x); }

Value Functions::rsqrt(Code &code, Value x) const { return divide(code, code.real(1.0, x.getType()), sqrt(code, x)); }

Value Functions::extremum(Code &code, bool most, Value a, Value b) const {
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

Value Functions::numberExtremum(Code &code, bool most, Value a, Value b) const {
  Value result = most ? code.fmaxFast(a, b) : code.fminFast(a, b);
  return code.select(code.compare(FCmpPredicate::uno, b, b), a, result);
}

Value Functions::roundBf16(Code &code, Value x) const {
  Value bits = code.bitcast(x, code.i32);
  Type type = bits.getType();
  Value odd = code.bitAnd(LLVM::LShrOp::create(code.builder, code.loc, bits, code.integer(16, type)), code.integer(1, type));
  Value rounded = code.add(bits, code.add(odd, code.integer(0x7fff, type)));
  Value result = code.bitcast(code.bitAnd(rounded, code.integer(-65536, type)), code.f32);
  return code.select(code.compare(FCmpPredicate::uno, x, x), x, result);
}

FailureOr<SmallVector<Value>> emitScalarOp(Code &code, Operation *op, ValueRange operands, int64_t lanes, bool narrow,
                                           const Functions &functions) {
  ScalarEmitter emitter{code, operands, lanes, narrow, functions};
  Value result;
  StringRef dialect = op->getName().getDialectNamespace();
  if (dialect == "arith")
    result = emitter.emitArith(op);
  else if (dialect == "math")
    result = emitter.emitMath(op);
  else if (dialect == "caa" && op->getNumOperands() > 0)
    result = emitter.emitCaa(op);
  if (!result)
    return op->emitError() << "the backend cannot compute `" << op->getName() << "`";
  return SmallVector<Value>{result};
}

} // namespace caa::emit
