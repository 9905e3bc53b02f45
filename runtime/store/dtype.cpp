// The table behind dtype.h.
#include "runtime/store/dtype.h"

#include <bit>
#include <iterator>

namespace caa {
namespace {

struct Row {
  DType type;
  std::string_view name;
  uint8_t size;
};

constexpr Row rows[] = {
    {DType::Bool, "BOOL", 1},      {DType::U8, "U8", 1},   {DType::I8, "I8", 1},   {DType::F8E4M3, "F8_E4M3", 1},
    {DType::F8E5M2, "F8_E5M2", 1}, {DType::U16, "U16", 2}, {DType::I16, "I16", 2}, {DType::F16, "F16", 2},
    {DType::BF16, "BF16", 2},      {DType::U32, "U32", 4}, {DType::I32, "I32", 4}, {DType::F32, "F32", 4},
    {DType::U64, "U64", 8},        {DType::I64, "I64", 8}, {DType::F64, "F64", 8},
};

} // namespace

size_t byteSize(DType type) { return rows[size_t(type)].size; }

std::string_view nameOf(DType type) { return rows[size_t(type)].name; }

std::optional<DType> parseDType(std::string_view name) {
  for (const Row &row : rows)
    if (row.name == name)
      return row.type;
  return std::nullopt;
}

float halfToFloat(uint16_t bits) {
  uint32_t sign = uint32_t(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
  if (exponent == 31) // infinity, NaN
    return std::bit_cast<float>(sign | 0x7f800000 | fraction << 13);
  if (exponent > 0)
    return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  float magnitude = float(fraction) * 0x1p-24f; // subnormal or zero, exact in float32
  return sign ? -magnitude : magnitude;
}

float bfloat16ToFloat(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

uint16_t floatToBfloat16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) // NaN stays NaN
    return uint16_t(bits >> 16 | 0x40);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

} // namespace caa
