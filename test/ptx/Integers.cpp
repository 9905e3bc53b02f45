// Integer arithmetic, comparisons, bits, and predicates.
#include "test/ptx/Elementwise.h"

#include <bit>
#include <limits>

namespace caa::ptx {
namespace {

template <typename T> using Unsigned = std::make_unsigned_t<T>;
template <typename T> T wrap(Unsigned<T> value) { return T(value); }

template <typename T> T add(T a, T b) { return wrap<T>(Unsigned<T>(a) + Unsigned<T>(b)); }
template <typename T> T sub(T a, T b) { return wrap<T>(Unsigned<T>(a) - Unsigned<T>(b)); }
template <typename T> T mulLo(T a, T b) { return wrap<T>(Unsigned<T>(uint64_t(a) * uint64_t(b))); }
template <typename T> T madLo(T a, T b, T c) { return add(mulLo(a, b), c); }
template <typename T> T mulHi(T a, T b) {
  if constexpr (sizeof(T) == 8)
    return T((std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>(a) * b) >> 64);
  else
    return T((std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>(a) * b) >> (8 * sizeof(T)));
}
template <typename W, typename T> W mulWide(T a, T b) { return W(a) * W(b); }
template <typename W, typename T> W madWide(T a, T b, W c) { return add(mulWide<W, T>(a, b), c); }
template <typename T> bool overflows(T a, T b) {
  return std::is_signed_v<T> && b == T(-1) && a == std::numeric_limits<T>::min();
}
template <typename T> T div(T a, T b) { return b == 0 ? T(-1) : overflows(a, b) ? a : T(a / (b ? b : 1)); }
template <typename T> T rem(T a, T b) { return b == 0 ? a : overflows(a, b) ? T(0) : T(a % (b ? b : 1)); }
template <typename T> T min(T a, T b) { return a < b ? a : b; }
template <typename T> T max(T a, T b) { return a > b ? a : b; }
template <typename T> T neg(T a) { return wrap<T>(Unsigned<T>(0) - Unsigned<T>(a)); }
template <typename T> T abs(T a) { return a < 0 ? neg(a) : a; }
int32_t maxRelu(int32_t a, int32_t b) { return max(max(a, b), 0); }
int32_t minRelu(int32_t a, int32_t b) { return max(min(a, b), 0); }

template <typename T> T bitAnd(T a, T b) { return a & b; }
template <typename T> T bitOr(T a, T b) { return a | b; }
template <typename T> T bitXor(T a, T b) { return a ^ b; }
template <typename T> T bitNot(T a) { return T(~a); }
bool notPredicate(bool a) { return !a; }
template <typename T> T shiftLeft(T a, uint32_t b) {
  return b < 8 * sizeof(T) ? T(a << (b & (8 * sizeof(T) - 1))) : T(0);
}
template <typename T> T shiftRight(T a, uint32_t b) {
  constexpr uint32_t bits = 8 * sizeof(T);
  if constexpr (std::is_signed_v<T>)
    return T(a >> (b < bits ? b : bits - 1));
  else
    return b < bits ? T(a >> (b & (bits - 1))) : T(0);
}
template <typename T> T extract(T a, uint32_t begin, uint32_t length) {
  constexpr uint32_t bits = 8 * sizeof(T);
  begin &= 255;
  length &= 255;
  if (length == 0)
    return 0;
  const uint32_t top = std::min(begin + length - 1, bits - 1);
  using U = Unsigned<T>;
  U value = begin < bits ? U(a) >> begin : 0;
  if (length < bits)
    value &= (U(1) << length) - 1;
  if (std::is_signed_v<T> && ((U(a) >> top) & 1) && length < bits)
    value |= ~((U(1) << (begin < bits ? std::min(length, bits - begin) : 0)) - 1);
  return T(value);
}
template <typename T> T insert(T a, T b, uint32_t begin, uint32_t length) {
  constexpr uint32_t bits = 8 * sizeof(T);
  begin &= 255;
  length &= 255;
  if (length == 0 || begin >= bits)
    return b;
  T mask = (length >= bits ? T(~T(0)) : T((T(1) << length) - 1)) << begin;
  return (b & ~mask) | ((a << begin) & mask);
}
uint32_t popc32(uint32_t a) { return uint32_t(std::popcount(a)); }
uint32_t popc64(uint64_t a) { return uint32_t(std::popcount(a)); }
uint32_t clz32(uint32_t a) { return uint32_t(std::countl_zero(a)); }
uint32_t clz64(uint64_t a) { return uint32_t(std::countl_zero(a)); }
uint32_t brev32(uint32_t a) {
  uint32_t value = 0;
  for (int i = 0; i < 32; ++i)
    value |= ((a >> i) & 1) << (31 - i);
  return value;
}
uint32_t logic3(uint32_t a, uint32_t b, uint32_t c, uint32_t rule) {
  uint32_t value = 0;
  for (uint32_t i = 0; i < 8; ++i)
    if ((rule >> i) & 1)
      value |= ((i & 4) ? a : ~a) & ((i & 2) ? b : ~b) & ((i & 1) ? c : ~c);
  return value;
}
uint32_t permute(uint32_t a, uint32_t b, uint32_t selection) {
  const uint64_t bytes = uint64_t(b) << 32 | a;
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    uint32_t one = (selection >> (4 * i)) & 15;
    auto byte = uint32_t(bytes >> (8 * (one & 7))) & 255;
    if (one & 8)
      byte = byte & 128 ? 255 : 0;
    value |= byte << (8 * i);
  }
  return value;
}
uint32_t funnelLeft(uint32_t a, uint32_t b, uint32_t c) { return uint32_t((uint64_t(b) << 32 | a) << (c & 31) >> 32); }
uint32_t funnelRight(uint32_t a, uint32_t b, uint32_t c) { return uint32_t((uint64_t(b) << 32 | a) >> (c & 31)); }

template <typename T> bool eq(T a, T b) { return a == b; }
template <typename T> bool ne(T a, T b) { return a != b; }
template <typename T> bool lt(T a, T b) { return a < b; }
template <typename T> bool le(T a, T b) { return a <= b; }
template <typename T> bool gt(T a, T b) { return a > b; }
template <typename T> bool ge(T a, T b) { return a >= b; }
template <typename T> T select(T a, T b, bool p) { return p ? a : b; }

template <typename T> void addType(Table &table, const std::string &type) {
  table["add." + type] = elementwise<&add<T>>();
  table["sub." + type] = elementwise<&sub<T>>();
  table["mul.lo." + type] = elementwise<&mulLo<T>>();
  table["mul.hi." + type] = elementwise<&mulHi<T>>();
  table["mad.lo." + type] = elementwise<&madLo<T>>();
  table["div." + type] = elementwise<&div<T>>();
  table["rem." + type] = elementwise<&rem<T>>();
  table["min." + type] = elementwise<&min<T>>();
  table["max." + type] = elementwise<&max<T>>();
  table["shr." + type] = elementwise<&shiftRight<T>>();
  table["setp.lt." + type] = elementwise<&lt<T>>();
  table["setp.le." + type] = elementwise<&le<T>>();
  table["setp.gt." + type] = elementwise<&gt<T>>();
  table["setp.ge." + type] = elementwise<&ge<T>>();
  if constexpr (std::is_signed_v<T>) {
    table["neg." + type] = elementwise<&neg<T>>();
    table["abs." + type] = elementwise<&abs<T>>();
  }
  if constexpr (sizeof(T) > 2)
    table["bfe." + type] = elementwise<&extract<T>>();
}

template <typename T> void addBits(Table &table, const std::string &bits) {
  table["and.b" + bits] = elementwise<&bitAnd<T>>();
  table["or.b" + bits] = elementwise<&bitOr<T>>();
  table["xor.b" + bits] = elementwise<&bitXor<T>>();
  table["not.b" + bits] = elementwise<&bitNot<T>>();
  table["shl.b" + bits] = elementwise<&shiftLeft<T>>();
  table["shr.b" + bits] = elementwise<&shiftRight<T>>();
  for (const char *type : {"b", "u", "s"}) {
    table[std::string("setp.eq.") + type + bits] = elementwise<&eq<T>>();
    table[std::string("setp.ne.") + type + bits] = elementwise<&ne<T>>();
    table[std::string("selp.") + type + bits] = elementwise<&select<T>>();
  }
  if constexpr (sizeof(T) > 2)
    table["bfi.b" + bits] = elementwise<&insert<T>>();
}

} // namespace

void addIntegers(Table &table) {
  addType<int16_t>(table, "s16");
  addType<uint16_t>(table, "u16");
  addType<int32_t>(table, "s32");
  addType<uint32_t>(table, "u32");
  addType<int64_t>(table, "s64");
  addType<uint64_t>(table, "u64");
  addBits<uint16_t>(table, "16");
  addBits<uint32_t>(table, "32");
  addBits<uint64_t>(table, "64");
  table["selp.f32"] = elementwise<&select<uint32_t>>();
  table["selp.f64"] = elementwise<&select<uint64_t>>();
  table["mul.wide.s16"] = elementwise<&mulWide<int32_t, int16_t>>();
  table["mul.wide.u16"] = elementwise<&mulWide<uint32_t, uint16_t>>();
  table["mul.wide.s32"] = elementwise<&mulWide<int64_t, int32_t>>();
  table["mul.wide.u32"] = elementwise<&mulWide<uint64_t, uint32_t>>();
  table["mad.wide.s32"] = elementwise<&madWide<int64_t, int32_t>>();
  table["mad.wide.u32"] = elementwise<&madWide<uint64_t, uint32_t>>();
  table["max.relu.s32"] = elementwise<&maxRelu>();
  table["min.relu.s32"] = elementwise<&minRelu>();
  table["popc.b32"] = elementwise<&popc32>();
  table["popc.b64"] = elementwise<&popc64>();
  table["clz.b32"] = elementwise<&clz32>();
  table["clz.b64"] = elementwise<&clz64>();
  table["brev.b32"] = elementwise<&brev32>();
  table["lop3.b32"] = elementwise<&logic3>();
  table["prmt.b32"] = elementwise<&permute>();
  table["shf.l.wrap.b32"] = elementwise<&funnelLeft>();
  table["shf.r.wrap.b32"] = elementwise<&funnelRight>();
  table["and.pred"] = elementwise<&bitAnd<bool>>();
  table["or.pred"] = elementwise<&bitOr<bool>>();
  table["xor.pred"] = elementwise<&bitXor<bool>>();
  table["not.pred"] = elementwise<&notPredicate>();
}

} // namespace caa::ptx
