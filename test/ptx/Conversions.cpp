// cvt: from one type to another.
#include "test/ptx/Elementwise.h"
#include "test/ptx/Floats.h"

#include <limits>

namespace caa::ptx {
namespace {

template <typename D, typename S> D convert(S value) { return D(value); }
float fromBf16(Bfloat value) { return widen(value.bits); }
Bfloat toBf16(float value) { return {narrow(value)}; }
Bfloat toBf16Zero(float value) { return {truncate(value)}; }
uint32_t toPair(float high, float low) { return uint32_t(narrow(high)) << 16 | narrow(low); }
uint32_t toPairZero(float high, float low) { return uint32_t(truncate(high)) << 16 | truncate(low); }
/// tf32: 10 bits of mantissa; ties away from zero, which is what .rna is.
uint32_t toTf32(float value) { return (std::bit_cast<uint32_t>(value) + 0x1000u) & 0xffffe000u; }

enum class Rounding { Zero, Nearest, Down, Up };
template <Rounding rounding, typename S> S rounded(S value) {
  if constexpr (rounding == Rounding::Zero)
    return std::trunc(value);
  else if constexpr (rounding == Rounding::Nearest)
    return std::nearbyint(value);
  else if constexpr (rounding == Rounding::Down)
    return std::floor(value);
  else
    return std::ceil(value);
}
/// Beyond the range the nearest bound, and 0 for what is no number.
template <Rounding rounding, typename D, typename S> D toInteger(S value) {
  S whole = rounded<rounding>(value);
  if (whole != whole)
    return 0;
  constexpr D least = std::numeric_limits<D>::min(), most = std::numeric_limits<D>::max();
  return whole <= S(least) ? least : whole >= S(most) ? most : D(whole);
}

/// The low bits of a register that is wider than the type.
template <typename D, typename S, typename R> D convertLow(R value) { return D(S(value)); }

template <typename D, typename S> void addNarrowing(Table &table, const std::string &to, const std::string &from) {
  table["cvt." + to + "." + from] = [](Decoder &decoder) {
    const Operand &source = decoder.operand(1);
    if (source.kind == Operand::Kind::Register && source.width == Width::Double)
      return Apply<&convertLow<D, S, uint64_t>>::decode(decoder);
    if (source.kind == Operand::Kind::Register && source.width == Width::Word)
      return Apply<&convertLow<D, S, uint32_t>>::decode(decoder);
    Apply<&convert<D, S>>::decode(decoder);
  };
}

template <Rounding rounding, typename S>
void addRounding(Table &table, const std::string &how, const std::string &type) {
  table["cvt." + how + "i." + type + "." + type] = elementwise<&rounded<rounding, S>>();
  table["cvt." + how + "i.s32." + type] = elementwise<&toInteger<rounding, int32_t, S>>();
  table["cvt." + how + "i.u32." + type] = elementwise<&toInteger<rounding, uint32_t, S>>();
  table["cvt." + how + "i.s64." + type] = elementwise<&toInteger<rounding, int64_t, S>>();
  table["cvt." + how + "i.u64." + type] = elementwise<&toInteger<rounding, uint64_t, S>>();
}

template <typename D> void addWide(Table &table, const std::string &type) {
  table["cvt.rn." + type + ".s32"] = elementwise<&convert<D, int32_t>>();
  table["cvt.rn." + type + ".u32"] = elementwise<&convert<D, uint32_t>>();
  table["cvt.rn." + type + ".s64"] = elementwise<&convert<D, int64_t>>();
  table["cvt.rn." + type + ".u64"] = elementwise<&convert<D, uint64_t>>();
  table["cvt.rn." + type + ".s16"] = elementwise<&convert<D, int16_t>>();
  table["cvt.rn." + type + ".u16"] = elementwise<&convert<D, uint16_t>>();
  addRounding<Rounding::Zero, D>(table, "rz", type);
  addRounding<Rounding::Nearest, D>(table, "rn", type);
  addRounding<Rounding::Down, D>(table, "rm", type);
  addRounding<Rounding::Up, D>(table, "rp", type);
}

} // namespace

void addConversions(Table &table) {
  addNarrowing<int64_t, int32_t>(table, "s64", "s32");
  addNarrowing<uint64_t, uint32_t>(table, "u64", "u32");
  addNarrowing<int64_t, uint32_t>(table, "s64", "u32");
  addNarrowing<uint32_t, uint64_t>(table, "u32", "u64");
  addNarrowing<int32_t, int64_t>(table, "s32", "s64");
  addNarrowing<uint16_t, uint32_t>(table, "u16", "u32");
  addNarrowing<uint16_t, uint64_t>(table, "u16", "u64");
  addNarrowing<uint32_t, uint16_t>(table, "u32", "u16");
  addNarrowing<int32_t, int16_t>(table, "s32", "s16");
  addNarrowing<uint64_t, uint16_t>(table, "u64", "u16");
  addNarrowing<int64_t, int16_t>(table, "s64", "s16");
  table["cvt.f64.f32"] = elementwise<&convert<double, float>>();
  table["cvt.rn.f32.f64"] = elementwise<&convert<float, double>>();
  table["cvt.f32.bf16"] = elementwise<&fromBf16>();
  table["cvt.rn.bf16.f32"] = elementwise<&toBf16>();
  table["cvt.rz.bf16.f32"] = elementwise<&toBf16Zero>();
  table["cvt.rn.bf16x2.f32"] = elementwise<&toPair>();
  table["cvt.rz.bf16x2.f32"] = elementwise<&toPairZero>();
  table["cvt.rna.tf32.f32"] = elementwise<&toTf32>();
  addWide<float>(table, "f32");
  addWide<double>(table, "f64");
}

} // namespace caa::ptx
