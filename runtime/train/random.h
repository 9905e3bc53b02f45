// Random numbers by counter: number `i` of a stream is a function of the stream's key and i alone, so that any thread
// can make any part and a resumed run needs no state but the key.
//
// The mixer is SplitMix64's (Steele, Lea and Flood 2014).
#pragma once

#include "runtime/base/hash.h"

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

namespace caa {

inline uint64_t splitmix64(uint64_t value) {
  value += 0x9e3779b97f4a7c15u;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
  value = (value ^ value >> 27) * 0x94d049bb133111ebu;
  return value ^ value >> 31;
}

class RandomStream {
public:
  /// The stream of that name under a seed.
  RandomStream(uint64_t seed, std::string_view name) : key_(splitmix64(splitmix64(seed) ^ xxh64(name))) {}

  uint64_t bits(uint64_t index) const { return splitmix64(key_ + index * 0x9e3779b97f4a7c15u); }
  /// In (0, 1), never an end.
  double uniform(uint64_t index) const { return (double(bits(index) >> 11) + 0.5) * 0x1p-53; }
  /// Mean 0, deviation 1: Box and Muller 1958, an even index and the odd one after it sharing two uniforms.
  double normal(uint64_t index) const {
    uint64_t even = index & ~uint64_t(1);
    double radius = std::sqrt(-2 * std::log(uniform(even))), angle = 2 * std::numbers::pi * uniform(even + 1);
    return radius * (index & 1 ? std::sin(angle) : std::cos(angle));
  }

private:
  uint64_t key_;
};

} // namespace caa
