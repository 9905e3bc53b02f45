// See VectorMath.h. `x` is always f32, one lane or many.
#include "codegen/Llvm/VectorMath.h"

using namespace mlir;
using LLVM::FCmpPredicate;

namespace caa::emit {

namespace {

// Horner's scheme, highest coefficient last in the list.
Value polynomial(Code &code, Value x, ArrayRef<double> coefficients) {
  Value result = code.real(coefficients.back(), x.getType());
  for (double coefficient : llvm::reverse(coefficients.drop_back()))
    result = code.fma(result, x, code.real(coefficient, x.getType()));
  return result;
}

// NaN stays: the comparison is false for it.
Value clamp(Code &code, Value x, double low, double high) {
  Value least = code.real(low, x.getType()), most = code.real(high, x.getType());
  return code.fminFast(most, code.fmaxFast(least, x));
}

// Rounds |x| < 2^22 to the nearest integer by adding 1.5 * 2^23, whose last bit is worth 1. `bits` gets the integer in
// its low bits.
Value roundSmall(Code &code, Value scaled, Value &bits) {
  Value magic = code.real(12582912.0, scaled.getType());
  Value shifted = code.fadd(scaled, magic);
  bits = code.bitcast(shifted, code.i32);
  return code.fsub(shifted, magic);
}

// value * 2^n, n integral in [-151, 129], rounded once into the subnormals: `bits` holds n in its low bits.
Value scaleByPower(Code &code, Value value, Value n, Value bits) {
  if (Value scaled = code.scaleByPower(value, n))
    return scaled;
  // In two steps, n = h + (n - h), so that neither power leaves f32's range. The magic number's low bits are zero.
  Value whole = code.sub(bits, code.integer(0x4b400000, bits.getType()));
  Value half = code.shiftRight(whole, 1), rest = code.sub(whole, half);
  Value bias = code.integer(127, bits.getType());
  Value first = code.bitcast(code.shiftLeft(code.add(half, bias), 23), code.f32);
  Value second = code.bitcast(code.shiftLeft(code.add(rest, bias), 23), code.f32);
  return code.fmul(code.fmul(value, first), second);
}

constexpr double log2OfE = 1.4426950408889634, ln2High = 0.693145751953125, ln2Low = 1.4286067653e-6;

// e^x = 2^n e^r, |r| <= ln 2 / 2.
Value reduceExp(Code &code, Value x, Value &n, Value &bits) {
  Type type = x.getType();
  n = roundSmall(code, code.fmul(x, code.real(log2OfE, type)), bits);
  Value r = code.fma(n, code.real(-ln2High, type), x);
  return code.fma(n, code.real(-ln2Low, type), r);
}

// (e^r - 1 - r) / r^2
Value expTail(Code &code, Value r) {
  return polynomial(code, r,
                    {0.4999999403953552, 0.16666515171527863, 0.04166845604777336, 0.008369418792426586, 0.0013813144760206342});
}

// Splits a positive x into m in [sqrt(1/2), sqrt(2)) and its power of two; gives log(m) = f - (half - s (half + R)) as parts.
struct LogParts {
  Value f, half, tail, exponent;
};
LogParts splitLog(Code &code, Value x) {
  Type type = x.getType(), ints = code.like(type, code.i32);
  // Subnormals are scaled up first.
  Value small = code.compare(FCmpPredicate::olt, x, code.real(1.17549435e-38, type));
  Value scaled = code.select(small, code.fmul(x, code.real(8388608.0, type)), x);
  Value shift = code.select(small, code.integer(23, ints), code.integer(0, ints));
  Value bits = code.bitcast(scaled, code.i32);
  Value offset = code.sub(bits, code.integer(0x3f3504f3, ints)); // sqrt(1/2)
  Value exponent = code.shiftRight(offset, 23);
  Value mantissa = code.bitcast(code.sub(bits, code.shiftLeft(exponent, 23)), code.f32);
  Value f = code.fsub(mantissa, code.real(1.0, type));
  Value s = code.fdiv(f, code.fadd(f, code.real(2.0, type)));
  Value z = code.fmul(s, s);
  Value r = code.fmul(z, polynomial(code, z, {0.6666666269302368, 0.4000035524368286, 0.28535890579223633, 0.23610523343086243}));
  Value half = code.fmul(code.fmul(f, f), code.real(0.5, type));
  Value tail = code.fmul(s, code.fadd(half, r));
  Value power = LLVM::SIToFPOp::create(code.builder, code.loc, type, code.sub(exponent, shift));
  return {f, half, tail, power};
}

// log's values where its argument is no positive finite number.
Value logSpecial(Code &code, Value x, Value result) {
  Type type = x.getType();
  Value infinity = code.real(HUGE_VAL, type);
  result = code.select(code.compare(FCmpPredicate::oeq, x, infinity), infinity, result);
  result = code.select(code.compare(FCmpPredicate::oeq, x, code.real(0.0, type)), code.real(-HUGE_VAL, type), result);
  Value invalid = code.compare(FCmpPredicate::ult, x, code.real(0.0, type));
  return code.select(invalid, code.real(NAN, type), result);
}

// log(1 + y) for y in [0, 1], relative error everywhere: 2 atanh(y / (2 + y)).
Value logOnePlusUnit(Code &code, Value y) {
  Value s = code.fdiv(y, code.fadd(y, code.real(2.0, y.getType())));
  Value z = code.fmul(s, s);
  Value r = polynomial(code, z, {0.6666667461395264, 0.39998874068260193, 0.2861703634262085, 0.21425852179527283, 0.24308320879936218});
  return code.fma(code.fmul(s, z), r, code.fadd(s, s));
}

} // namespace

Value emitAbs(Code &code, Value x) { return LLVM::FAbsOp::create(code.builder, code.loc, x); }

Value emitCopySign(Code &code, Value magnitude, Value sign) {
  return LLVM::CopySignOp::create(code.builder, code.loc, magnitude, sign);
}

Value emitExp(Code &code, Value x) {
  Value n, bits;
  x = clamp(code, x, -104.0, 89.0);
  Value r = reduceExp(code, x, n, bits);
  Value p = code.fma(code.fmul(r, r), expTail(code, r), r);
  return scaleByPower(code, code.fadd(p, code.real(1.0, x.getType())), n, bits);
}

Value emitExp2(Code &code, Value x) {
  Value bits;
  x = clamp(code, x, -151.0, 129.0);
  Value n = roundSmall(code, x, bits), r = code.fsub(x, n);
  Value q = polynomial(code, r, {0.6931471824645996, 0.24022647738456726, 0.05550329387187958, 0.009618449956178665,
                                 0.0013400169555097818, 0.0001535231713205576});
  return scaleByPower(code, code.fma(q, r, code.real(1.0, x.getType())), n, bits);
}

// 2^n (e^r - 1) + (2^n - 1), with half of 2^n so that n = 128 stays finite.
Value emitExpm1(Code &code, Value x) {
  Type type = x.getType();
  Value n, bits;
  Value clamped = clamp(code, x, -20.0, 89.0);
  Value r = reduceExp(code, clamped, n, bits);
  Value q = code.fma(code.fmul(r, r), expTail(code, r), r);
  Value power = code.add(code.shiftLeft(bits, 23), code.integer(126 << 23, bits.getType()));
  Value half = code.bitcast(power, code.f32);
  Value result = code.fma(half, q, code.fsub(half, code.real(0.5, type)));
  result = code.fadd(result, result);
  // Keeps the sign of zero.
  return code.select(code.compare(FCmpPredicate::oeq, x, code.real(0.0, type)), x, result);
}

Value emitLog(Code &code, Value x) {
  Type type = x.getType();
  LogParts parts = splitLog(code, x);
  Value low = code.fma(parts.exponent, code.real(ln2Low, type), parts.tail);
  Value result = code.fsub(parts.f, code.fsub(parts.half, low));
  return logSpecial(code, x, code.fma(parts.exponent, code.real(ln2High, type), result));
}

Value emitLog2(Code &code, Value x) {
  LogParts parts = splitLog(code, x);
  Value natural = code.fsub(parts.f, code.fsub(parts.half, parts.tail));
  return logSpecial(code, x, code.fma(natural, code.real(log2OfE, x.getType()), parts.exponent));
}

Value emitLog1p(Code &code, Value x) {
  Type type = x.getType();
  Value one = code.real(1.0, type), zero = code.real(0.0, type);
  Value u = code.fadd(x, one);
  // What rounding took from u, made good to first order.
  Value lost = code.fdiv(code.fsub(x, code.fsub(u, one)), u);
  Value finite = code.compare(FCmpPredicate::olt, emitAbs(code, lost), one);
  Value result = code.fadd(emitLog(code, u), code.select(finite, lost, zero));
  Value tiny = code.compare(FCmpPredicate::olt, emitAbs(code, x), code.real(1e-8, type));
  return code.select(tiny, x, result);
}

// e / (e + 2) with e = e^{2|x|} - 1.
Value emitTanh(Code &code, Value x) {
  Type type = x.getType();
  Value size = code.fminFast(code.real(10.0, type), emitAbs(code, x));
  Value e = emitExpm1(code, code.fadd(size, size));
  return emitCopySign(code, code.fdiv(e, code.fadd(e, code.real(2.0, type))), x);
}

// 1 / (1 + e^-x) or e^x / (1 + e^x): the exponential of the negative one never overflows.
Value emitSigmoid(Code &code, Value x) {
  Type type = x.getType();
  Value one = code.real(1.0, type);
  Value e = emitExp(code, LLVM::FNegOp::create(code.builder, code.loc, emitAbs(code, x)));
  Value negative = code.compare(FCmpPredicate::olt, x, code.real(0.0, type));
  return code.fdiv(code.select(negative, e, one), code.fadd(one, e));
}

Value emitSoftplus(Code &code, Value x) {
  Type type = x.getType();
  Value e = emitExp(code, LLVM::FNegOp::create(code.builder, code.loc, emitAbs(code, x)));
  return code.fadd(code.fmaxFast(code.real(0.0, type), x), logOnePlusUnit(code, e));
}

Value emitErf(Code &code, Value x) {
  Type type = x.getType();
  Value size = emitAbs(code, x), one = code.real(1.0, type);
  Value z = code.fmul(x, x);
  Value small = code.fmul(x, polynomial(code, z, {1.128379225730896, -0.37612637877464294, 0.11283782124519348, -0.0268654003739357,
                                                  0.005220945458859205, -0.0008482828852720559, 0.00011256949073867872,
                                                  -9.641519682190847e-06}));
  // 1 - e^-Q(|x|), Q = -log erfc, fitted around 2.45.
  Value t = code.fsub(code.fminFast(code.real(3.92, type), size), code.real(2.45, type));
  Value q = polynomial(code, t, {7.541539669036865, 5.258373737335205, 0.942230761051178, 0.011297736316919327, -0.0022766650654375553,
                                 0.0004505979595705867, -6.940738239791244e-05, 2.1686748368665576e-05});
  Value big = code.fsub(one, emitExp(code, LLVM::FNegOp::create(code.builder, code.loc, q)));
  Value inner = code.compare(FCmpPredicate::olt, size, one);
  return code.select(inner, small, emitCopySign(code, big, x));
}

} // namespace caa::emit
