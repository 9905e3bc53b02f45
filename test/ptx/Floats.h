// Numbers as the device computes with them.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace caa::ptx {

inline float widen(uint16_t bfloat) { return std::bit_cast<float>(uint32_t(bfloat) << 16); }
/// To the nearest bfloat16, ties to even; a NaN is the device's one.
inline uint16_t narrow(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  auto rounded = uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  return value != value ? uint16_t(0x7fff) : rounded;
}
/// Toward zero.
inline uint16_t truncate(float value) {
  return value != value ? uint16_t(0x7fff) : uint16_t(std::bit_cast<uint32_t>(value) >> 16);
}
inline float flushed(float value) { return std::fabs(value) < 0x1p-126f ? std::copysign(0.0f, value) : value; }

} // namespace caa::ptx
