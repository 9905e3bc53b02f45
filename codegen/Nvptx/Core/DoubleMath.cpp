// See DoubleMath.h.
#include "codegen/Nvptx/Core/DoubleMath.h"

#include <cmath>

using namespace mlir;
using LLVM::FCmpPredicate;

namespace caa::nvptx {

namespace {

using emit::Code;

struct DoubleMath {
  Code &code;

  Value real(double value) { return code.real(value, code.f64); }
  Value below(Value a, Value b) { return code.compare(FCmpPredicate::olt, a, b); }
  Value absolute(Value x) { return LLVM::FAbsOp::create(code.builder, code.loc, x); }
  Value copySign(Value size, Value sign) { return LLVM::CopySignOp::create(code.builder, code.loc, size, sign); }
  Value least(Value a, Value b) { return code.select(below(a, b), a, b); }
  Value most(Value a, Value b) { return code.select(below(b, a), a, b); }
  // c[0] + x (c[1] + x (...)).
  Value polynomial(Value x, ArrayRef<double> c) {
    Value result = real(c.back());
    for (double coefficient : llvm::reverse(c.drop_back()))
      result = code.fma(result, x, real(coefficient));
    return result;
  }
  // The nearest integer of |x| < 2^51, and as i64 in its low bits.
  Value nearest(Value x, Value &bits) {
    Value magic = real(6755399441055744.0); // 1.5 * 2^52
    Value shifted = code.fadd(x, magic);
    bits = code.bitcast(shifted, code.i64);
    return code.fsub(shifted, magic);
  }
  // 2^n, n in [-1022, 1023] in the low bits.
  Value power(Value n) { return code.bitcast(code.shiftLeft(code.add(n, code.index(1023)), 52), code.f64); }

  static constexpr double ln2High = 6.93147180369123816490e-01, ln2Low = 1.90821492927058770002e-10;

  // x = n ln 2 + r; gives e^r - 1. Terms up to r^14 / 14!.
  Value reducedExpm1(Value x, Value &n, Value &bits) {
    n = nearest(code.fmul(x, real(1.4426950408889634)), bits);
    Value r = code.fma(n, real(-ln2Low), code.fma(n, real(-ln2High), x));
    double coefficients[13], factorial = 1;
    for (int k = 2; k < 15; ++k)
      coefficients[k - 2] = 1 / (factorial *= k);
    return code.fma(code.fmul(r, r), polynomial(r, coefficients), r);
  }
  Value keepNan(Value x, Value result) { return code.select(code.compare(FCmpPredicate::uno, x, x), x, result); }

  Value exp(Value x) {
    Value n, bits;
    Value q = reducedExpm1(most(real(-746), least(real(710), x)), n, bits);
    // In two steps, so that neither power leaves the range; `whole` has the sign of n.
    Value whole = code.sub(bits, code.index(0x4338000000000000));
    Value half = code.shiftRight(whole, 1), rest = code.sub(whole, half);
    return keepNan(x, code.fmul(code.fmul(code.fadd(q, real(1)), power(half)), power(rest)));
  }
  Value expm1(Value x) {
    Value n, bits;
    Value q = reducedExpm1(most(real(-40), least(real(710), x)), n, bits);
    Value half = power(code.sub(code.sub(bits, code.index(0x4338000000000000)), code.index(1)));
    Value result = code.fma(half, q, code.fsub(half, real(0.5)));
    result = code.fadd(result, result);
    return code.select(code.compare(FCmpPredicate::ueq, x, real(0)), x, result); // zeros and NaN as they are
  }
  Value log(Value x) {
    Value small = below(x, real(2.2250738585072014e-308));
    Value scaled = code.select(small, code.fmul(x, real(18014398509481984.0)), x); // 2^54
    Value bits = code.bitcast(scaled, code.i64);
    Value offset = code.sub(bits, code.index(0x3fe6a09e667f3bcd)); // sqrt(1/2)
    Value exponent = code.shiftRight(offset, 52);
    Value m = code.bitcast(code.sub(bits, code.shiftLeft(exponent, 52)), code.f64);
    exponent = code.sub(exponent, code.select(small, code.index(54), code.index(0)));
    Value e = LLVM::SIToFPOp::create(code.builder, code.loc, code.f64, exponent);
    Value f = code.fsub(m, real(1));
    Value s = code.fdiv(f, code.fadd(f, real(2))), z = code.fmul(s, s);
    double coefficients[11];
    for (int k = 0; k < 11; ++k)
      coefficients[k] = 2.0 / (2 * k + 3);
    // log m = 2 s + s z (2/3 + ...), with the low part of e ln 2.
    Value tail = code.fma(code.fmul(s, z), polynomial(z, coefficients), code.fmul(e, real(ln2Low)));
    Value result = code.fma(e, real(ln2High), code.fadd(code.fadd(s, s), tail));
    Value infinity = real(HUGE_VAL);
    result = code.select(code.compare(FCmpPredicate::oeq, x, infinity), infinity, result);
    result = code.select(code.compare(FCmpPredicate::oeq, x, real(0)), real(-HUGE_VAL), result);
    return code.select(code.compare(FCmpPredicate::ult, x, real(0)), real(NAN), result);
  }
  Value log1p(Value x) {
    Value u = code.fadd(x, real(1));
    Value lost = code.fdiv(code.fsub(x, code.fsub(u, real(1))), u);
    Value finite = below(absolute(lost), real(1));
    Value result = code.fadd(log(u), code.select(finite, lost, real(0)));
    return code.select(below(absolute(x), real(1e-18)), x, result);
  }
  Value tanh(Value x) {
    Value size = least(real(30), absolute(x));
    Value e = expm1(code.fadd(size, size));
    return keepNan(x, copySign(code.fdiv(e, code.fadd(e, real(2))), x));
  }
  Value sigmoid(Value x) { return code.fdiv(real(1), code.fadd(real(1), exp(code.fneg(x)))); }
  Value softplus(Value x) { return code.fadd(most(x, real(0)), log1p(exp(code.fneg(absolute(x))))); }

  // sin(x + shift pi / 2): pi / 2 in three parts, then one of the two series.
  Value sine(Value x, int64_t shift) {
    Value bits;
    Value n = nearest(code.fmul(x, real(0.6366197723675814)), bits);
    Value r = code.fma(n, real(-1.5707963267948966), x);
    r = code.fma(n, real(-6.123233995736766e-17), r);
    r = code.fma(n, real(1.4973849048591833e-33), r);
    Value quadrant = code.add(bits, code.index(shift)), z = code.fmul(r, r);
    double sines[8], cosines[8], factorial = 1;
    for (int k = 2; k <= 17; ++k) {
      factorial *= k;
      double term = (k / 2 % 2 ? -1 : 1) / factorial;
      (k % 2 ? sines[k / 2 - 1] : cosines[k / 2 - 1]) = term;
    }
    Value sin = code.fma(code.fmul(r, z), polynomial(z, sines), r);
    Value cos = code.fma(z, polynomial(z, cosines), real(1));
    auto bit = [&](int64_t which) {
      return code.compare(LLVM::ICmpPredicate::ne, code.bitAnd(quadrant, code.index(which)), code.index(0));
    };
    Value result = code.select(bit(1), cos, sin);
    return code.select(bit(2), code.fneg(result), result);
  }

  Value atan(Value x) {
    Value size = absolute(x);
    Value large = below(real(1), size);
    Value y = code.select(large, code.fdiv(real(1), size), size);
    Value upper = below(real(0.41421356237309503), y); // tan(pi / 8)
    Value reduced = code.select(upper, code.fdiv(code.fsub(y, real(1)), code.fadd(y, real(1))), y);
    double coefficients[22];
    for (int k = 0; k < 22; ++k)
      coefficients[k] = (k % 2 ? 1.0 : -1.0) / (2 * k + 3);
    Value z = code.fmul(reduced, reduced);
    Value angle = code.fma(code.fmul(reduced, z), polynomial(z, coefficients), reduced);
    angle = code.select(upper, code.fadd(angle, real(M_PI_4)), angle);
    angle = code.select(large, code.fsub(real(M_PI_2), angle), angle);
    return keepNan(x, copySign(angle, x));
  }
  Value atan2(Value y, Value x) {
    Value a = absolute(y), b = absolute(x);
    Value ratio = code.fdiv(least(a, b), most(a, b));
    Value both = code.compare(FCmpPredicate::oeq, a, b);
    ratio = code.select(both, code.select(code.compare(FCmpPredicate::oeq, a, real(0)), real(0), real(1)), ratio);
    Value angle = atan(ratio);
    angle = code.select(below(b, a), code.fsub(real(M_PI_2), angle), angle);
    Value negative = code.compare(LLVM::ICmpPredicate::slt, code.bitcast(x, code.i64), code.index(0));
    angle = code.select(negative, code.fsub(real(M_PI), angle), angle);
    Value invalid = code.compare(FCmpPredicate::uno, x, y);
    return code.select(invalid, real(NAN), copySign(angle, y));
  }

  // 2 / sqrt(pi) e^-x^2 x (1 + 2x^2/3 (1 + 2x^2/5 (...))), all terms positive; for |x| < 2.5.
  Value erfSeries(Value x) {
    Value z = code.fmul(code.fmul(x, x), real(2)), sum = real(1);
    for (int k = 48; k >= 1; --k)
      sum = code.fma(code.fmul(z, real(1.0 / (2 * k + 1))), sum, real(1));
    return code.fmul(code.fmul(code.fmul(x, real(M_2_SQRTPI)), exp(code.fneg(code.fmul(x, x)))), sum);
  }
  // e^-x^2 / sqrt(pi) / (x + (1/2)/(x + 1/(x + (3/2)/(x + ...)))), for x >= 2.5.
  Value erfcTail(Value x) {
    Value t = x;
    for (int k = 40; k >= 1; --k)
      t = code.fadd(x, code.fdiv(real(0.5 * k), t));
    return code.fdiv(code.fmul(exp(code.fneg(code.fmul(x, x))), real(M_2_SQRTPI / 2)), t);
  }
  Value erf(Value x) {
    Value size = least(absolute(x), real(7));
    Value inner = below(size, real(2.5));
    Value near = erfSeries(least(size, real(2.5))), far = code.fsub(real(1), erfcTail(most(size, real(2.5))));
    return keepNan(x, copySign(code.select(inner, near, far), x));
  }
  Value erfc(Value x) {
    Value size = absolute(x);
    Value inner = below(size, real(2.5));
    Value near = code.fsub(real(1), erfSeries(copySign(least(size, real(2.5)), x)));
    Value tail = erfcTail(least(most(size, real(2.5)), real(30)));
    Value far = code.select(below(x, real(0)), code.fsub(real(2), tail), tail);
    return keepNan(x, code.select(inner, near, far));
  }

  Value pow(Value x, Value y) {
    Value size = exp(code.fmul(y, log(absolute(x))));
    // Negative bases: y must be an integer; its parity is the sign.
    Value whole = LLVM::FFloorOp::create(code.builder, code.loc, y), half = code.fmul(y, real(0.5));
    Value odd = code.compare(FCmpPredicate::une, LLVM::FFloorOp::create(code.builder, code.loc, half).getResult(), half);
    Value integral = code.compare(FCmpPredicate::oeq, whole, y);
    Value negative = code.select(integral, code.select(odd, code.fneg(size), size), real(NAN));
    Value result = code.select(below(x, real(0)), negative, size);
    Value one = code.bitOr(code.compare(FCmpPredicate::oeq, y, real(0)), code.compare(FCmpPredicate::oeq, x, real(1)));
    return code.select(one, real(1), result);
  }
  Value cbrt(Value x) {
    Value size = absolute(x);
    Value root = exp(code.fmul(log(size), real(1.0 / 3)));
    // One step of Newton's.
    Value square = code.fmul(root, root);
    root = code.fsub(root, code.fdiv(code.fsub(root, code.fdiv(size, square)), real(3)));
    Value special = code.bitOr(code.compare(FCmpPredicate::ueq, x, real(0)), code.compare(FCmpPredicate::oeq, size, real(HUGE_VAL)));
    return code.select(special, x, copySign(root, x));
  }
  Value sinh(Value x) {
    Value e = expm1(absolute(x));
    Value half = code.fmul(real(0.5), code.fadd(e, code.fdiv(e, code.fadd(e, real(1)))));
    Value large = below(real(700), absolute(x));
    return copySign(code.select(large, e, half), x);
  }
  Value cosh(Value x) {
    Value e = exp(absolute(x));
    return code.fmul(real(0.5), code.fadd(e, code.fdiv(real(1), e)));
  }

  Value call(StringRef name, ValueRange in) {
    Value x = in[0];
    if (name == "exp")
      return exp(x);
    if (name == "exp2")
      return exp(code.fmul(x, real(M_LN2)));
    if (name == "expm1")
      return expm1(x);
    if (name == "log")
      return log(x);
    if (name == "log2")
      return code.fmul(log(x), real(M_LOG2E));
    if (name == "log10")
      return code.fmul(log(x), real(M_LOG10E));
    if (name == "log1p")
      return log1p(x);
    if (name == "tanh")
      return tanh(x);
    if (name == "sigmoid")
      return sigmoid(x);
    if (name == "softplus")
      return softplus(x);
    if (name == "sin")
      return sine(x, 0);
    if (name == "cos")
      return sine(x, 1);
    if (name == "tan")
      return code.fdiv(sine(x, 0), sine(x, 1));
    if (name == "atan")
      return atan(x);
    if (name == "atan2")
      return atan2(x, in[1]);
    if (name == "erf")
      return erf(x);
    if (name == "erfc")
      return erfc(x);
    if (name == "pow")
      return pow(x, in[1]);
    if (name == "cbrt")
      return cbrt(x);
    if (name == "sinh")
      return sinh(x);
    if (name == "cosh")
      return cosh(x);
    return {};
  }
};

} // namespace

Value emitDouble(Code &code, StringRef name, ValueRange operands) { return DoubleMath{code}.call(name, operands); }

} // namespace caa::nvptx
