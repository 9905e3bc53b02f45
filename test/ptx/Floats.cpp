// Arithmetic of float32, float64 and bfloat16. Approximate instructions give what float32's functions of the host do.
#include "test/ptx/Floats.h"
#include "test/ptx/Elementwise.h"

namespace caa::ptx {
namespace {

template <typename T> T add(T a, T b) { return a + b; }
template <typename T> T sub(T a, T b) { return a - b; }
template <typename T> T mul(T a, T b) { return a * b; }
template <typename T> T div(T a, T b) { return a / b; }
template <typename T> T fma(T a, T b, T c) { return std::fma(a, b, c); }
template <typename T> T neg(T a) { return -a; }
template <typename T> T abs(T a) { return std::fabs(a); }
template <typename T> T sqrt(T a) { return std::sqrt(a); }
template <typename T> T reciprocal(T a) { return T(1) / a; }
template <typename T> T copysign(T from, T to) { return std::copysign(to, from); }
/// A NaN gives way to a number; -0 is below +0.
template <typename T> T min(T a, T b) {
  T equal = std::signbit(a) ? a : b;
  return a < b || b != b ? a : a == b ? equal : b;
}
template <typename T> T max(T a, T b) {
  T equal = std::signbit(a) ? b : a;
  return a > b || b != b ? a : a == b ? equal : b;
}
float minNan(float a, float b) { return a != a ? a : b != b ? b : min(a, b); }
float maxNan(float a, float b) { return a != a ? a : b != b ? b : max(a, b); }

float exp2Ftz(float a) { return flushed(std::exp2(flushed(a))); }
float exp2Plain(float a) { return std::exp2(a); }
float log2Plain(float a) { return std::log2(a); }
float log2Ftz(float a) { return std::log2(flushed(a)); }
float tanhPlain(float a) { return std::tanh(a); }
float sinPlain(float a) { return std::sin(a); }
float cosPlain(float a) { return std::cos(a); }
float rsqrt(float a) { return float(1 / std::sqrt(double(a))); }
float rsqrtFtz(float a) { return rsqrt(flushed(a)); }
float divFtz(float a, float b) { return flushed(flushed(a) / flushed(b)); }
float reciprocalFtz(float a) { return flushed(1 / flushed(a)); }
float addFtz(float a, float b) { return flushed(flushed(a) + flushed(b)); }
float mulFtz(float a, float b) { return flushed(flushed(a) * flushed(b)); }
float fmaFtz(float a, float b, float c) { return flushed(std::fma(flushed(a), flushed(b), flushed(c))); }

Bfloat addBf16(Bfloat a, Bfloat b) { return {narrow(widen(a.bits) + widen(b.bits))}; }
Bfloat subBf16(Bfloat a, Bfloat b) { return {narrow(widen(a.bits) - widen(b.bits))}; }
Bfloat mulBf16(Bfloat a, Bfloat b) { return {narrow(widen(a.bits) * widen(b.bits))}; }
/// The sum of a product in float64 is rounded to float32 toward odd, so that there is one rounding to the nearest.
Bfloat fmaBf16(Bfloat a, Bfloat b, Bfloat c) {
  double exact = double(widen(a.bits)) * widen(b.bits) + widen(c.bits);
  float near = float(exact);
  if (double(near) != exact && std::isfinite(near)) {
    if (std::fabs(double(near)) > std::fabs(exact))
      near = std::nextafter(near, 0.0f);
    near = std::bit_cast<float>(std::bit_cast<uint32_t>(near) | 1u);
  }
  return {narrow(near)};
}
Bfloat negBf16(Bfloat a) { return {uint16_t(a.bits ^ 0x8000)}; }
Bfloat absBf16(Bfloat a) { return {uint16_t(a.bits & 0x7fff)}; }
Bfloat maxBf16(Bfloat a, Bfloat b) { return {narrow(max(widen(a.bits), widen(b.bits)))}; }
Bfloat minBf16(Bfloat a, Bfloat b) { return {narrow(min(widen(a.bits), widen(b.bits)))}; }
template <Bfloat (*function)(Bfloat, Bfloat)> uint32_t pairs(uint32_t a, uint32_t b) {
  auto low = function({uint16_t(a)}, {uint16_t(b)}).bits;
  auto high = function({uint16_t(a >> 16)}, {uint16_t(b >> 16)}).bits;
  return uint32_t(high) << 16 | low;
}
uint32_t fmaPairs(uint32_t a, uint32_t b, uint32_t c) {
  auto low = fmaBf16({uint16_t(a)}, {uint16_t(b)}, {uint16_t(c)}).bits;
  auto high = fmaBf16({uint16_t(a >> 16)}, {uint16_t(b >> 16)}, {uint16_t(c >> 16)}).bits;
  return uint32_t(high) << 16 | low;
}

template <typename T> bool eq(T a, T b) { return a == b; }
template <typename T> bool ne(T a, T b) { return a < b || a > b; }
template <typename T> bool lt(T a, T b) { return a < b; }
template <typename T> bool le(T a, T b) { return a <= b; }
template <typename T> bool gt(T a, T b) { return a > b; }
template <typename T> bool ge(T a, T b) { return a >= b; }
template <typename T> bool equ(T a, T b) { return !(a < b || a > b); }
template <typename T> bool neu(T a, T b) { return a != b; }
template <typename T> bool ltu(T a, T b) { return !(a >= b); }
template <typename T> bool leu(T a, T b) { return !(a > b); }
template <typename T> bool gtu(T a, T b) { return !(a <= b); }
template <typename T> bool geu(T a, T b) { return !(a < b); }
template <typename T> bool num(T a, T b) { return a == a && b == b; }
template <typename T> bool nan(T a, T b) { return a != a || b != b; }

template <typename T> void addType(Table &table, const std::string &type) {
  for (const char *rounding : {".rn.", "."}) {
    table["add" + (rounding + type)] = elementwise<&add<T>>();
    table["sub" + (rounding + type)] = elementwise<&sub<T>>();
    table["mul" + (rounding + type)] = elementwise<&mul<T>>();
  }
  table["fma.rn." + type] = elementwise<&fma<T>>();
  table["div.rn." + type] = elementwise<&div<T>>();
  table["sqrt.rn." + type] = elementwise<&sqrt<T>>();
  table["rcp.rn." + type] = elementwise<&reciprocal<T>>();
  table["neg." + type] = elementwise<&neg<T>>();
  table["abs." + type] = elementwise<&abs<T>>();
  table["min." + type] = elementwise<&min<T>>();
  table["max." + type] = elementwise<&max<T>>();
  table["copysign." + type] = elementwise<&copysign<T>>();
  table["setp.eq." + type] = elementwise<&eq<T>>();
  table["setp.ne." + type] = elementwise<&ne<T>>();
  table["setp.lt." + type] = elementwise<&lt<T>>();
  table["setp.le." + type] = elementwise<&le<T>>();
  table["setp.gt." + type] = elementwise<&gt<T>>();
  table["setp.ge." + type] = elementwise<&ge<T>>();
  table["setp.equ." + type] = elementwise<&equ<T>>();
  table["setp.neu." + type] = elementwise<&neu<T>>();
  table["setp.ltu." + type] = elementwise<&ltu<T>>();
  table["setp.leu." + type] = elementwise<&leu<T>>();
  table["setp.gtu." + type] = elementwise<&gtu<T>>();
  table["setp.geu." + type] = elementwise<&geu<T>>();
  table["setp.num." + type] = elementwise<&num<T>>();
  table["setp.nan." + type] = elementwise<&nan<T>>();
}

} // namespace

void addFloats(Table &table) {
  addType<float>(table, "f32");
  addType<double>(table, "f64");
  table["min.NaN.f32"] = elementwise<&minNan>();
  table["max.NaN.f32"] = elementwise<&maxNan>();
  table["div.full.f32"] = table["div.approx.f32"] = elementwise<&div<float>>();
  table["div.approx.ftz.f32"] = table["div.full.ftz.f32"] = elementwise<&divFtz>();
  table["rcp.approx.f32"] = elementwise<&reciprocal<float>>();
  table["rcp.approx.ftz.f32"] = elementwise<&reciprocalFtz>();
  table["sqrt.approx.f32"] = elementwise<&sqrt<float>>();
  table["rsqrt.approx.f32"] = elementwise<&rsqrt>();
  table["rsqrt.approx.ftz.f32"] = elementwise<&rsqrtFtz>();
  table["ex2.approx.f32"] = elementwise<&exp2Plain>();
  table["ex2.approx.ftz.f32"] = elementwise<&exp2Ftz>();
  table["lg2.approx.f32"] = elementwise<&log2Plain>();
  table["lg2.approx.ftz.f32"] = elementwise<&log2Ftz>();
  table["tanh.approx.f32"] = elementwise<&tanhPlain>();
  table["sin.approx.f32"] = elementwise<&sinPlain>();
  table["cos.approx.f32"] = elementwise<&cosPlain>();
  table["add.ftz.f32"] = table["add.rn.ftz.f32"] = elementwise<&addFtz>();
  table["mul.ftz.f32"] = table["mul.rn.ftz.f32"] = elementwise<&mulFtz>();
  table["fma.rn.ftz.f32"] = elementwise<&fmaFtz>();
  for (const char *rounding : {".rn", ""}) {
    table["add" + std::string(rounding) + ".bf16"] = elementwise<&addBf16>();
    table["sub" + std::string(rounding) + ".bf16"] = elementwise<&subBf16>();
    table["mul" + std::string(rounding) + ".bf16"] = elementwise<&mulBf16>();
    table["add" + std::string(rounding) + ".bf16x2"] = elementwise<&pairs<addBf16>>();
    table["sub" + std::string(rounding) + ".bf16x2"] = elementwise<&pairs<subBf16>>();
    table["mul" + std::string(rounding) + ".bf16x2"] = elementwise<&pairs<mulBf16>>();
  }
  table["fma.rn.bf16"] = elementwise<&fmaBf16>();
  table["fma.rn.bf16x2"] = elementwise<&fmaPairs>();
  table["neg.bf16"] = elementwise<&negBf16>();
  table["abs.bf16"] = elementwise<&absBf16>();
  table["max.bf16"] = elementwise<&maxBf16>();
  table["min.bf16"] = elementwise<&minBf16>();
  table["max.bf16x2"] = elementwise<&pairs<maxBf16>>();
  table["min.bf16x2"] = elementwise<&pairs<minBf16>>();
}

} // namespace caa::ptx
