// Instructions that compute each lane's result from its operands alone, from a function of C++.
#pragma once

#include "test/ptx/Decode.h"

#include <cstring>
#include <utility>

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace caa::ptx {

struct Bfloat {
  uint16_t bits;
};

template <typename T> constexpr Width widthOf() {
  if constexpr (std::is_same_v<T, bool>)
    return Width::Predicate;
  else if constexpr (sizeof(T) == 2)
    return Width::Half;
  else if constexpr (sizeof(T) == 4)
    return Width::Word;
  else
    return Width::Double;
}

/// An operand of all lanes.
template <typename T> struct Source {
  const T *data;
  Source(Warp &warp, int32_t place) : data(warp.lanes<T>(place)) {}
  T operator[](int lane) const { return data[lane]; }
};
template <typename T>
requires(sizeof(T) == 2) struct Source<T> {
  const uint32_t *data;
  Source(Warp &warp, int32_t place) : data(warp.lanes<uint32_t>(place)) {}
  T operator[](int lane) const { return std::bit_cast<T>(uint16_t(data[lane])); }
};
template <> struct Source<bool> {
  uint32_t bits;
  Source(Warp &warp, int32_t number) : bits(warp.predicates[number]) {}
  bool operator[](int lane) const { return (bits >> lane) & 1; }
};

/// A bit per lane from words that are all ones or zero.
inline uint32_t bitsOf(const uint32_t *words) {
#ifdef __AVX2__
  uint32_t bits = 0;
  for (int i = 0; i < 4; ++i)
    bits |= uint32_t(_mm256_movemask_ps(_mm256_load_ps(reinterpret_cast<const float *>(words) + 8 * i))) << (8 * i);
  return bits;
#else
  uint32_t bits = 0;
  for (int lane = 0; lane < 32; ++lane)
    bits |= (words[lane] & 1) << lane;
  return bits;
#endif
}

template <typename T> inline void put(T *to, const T *values, uint32_t lanes) {
  if (lanes == ~0u) {
    std::memcpy(to, values, 32 * sizeof(T));
    return;
  }
  for (int lane = 0; lane < 32; ++lane)
    to[lane] = (lanes >> lane) & 1 ? values[lane] : to[lane];
}

template <auto function> struct Apply;
template <typename D, typename... S, D (*function)(S...)> struct Apply<function> {
  static void run(Warp &warp, const Instruction &instruction, uint32_t lanes) {
    [&]<size_t... n>(std::index_sequence<n...>) {
      auto sources = std::tuple<Source<S>...>(Source<S>(warp, instruction.from[n])...);
      if constexpr (std::is_same_v<D, bool>) {
        alignas(64) uint32_t values[32];
        for (int lane = 0; lane < 32; ++lane)
          values[lane] = function(std::get<n>(sources)[lane]...) ? ~0u : 0u;
        uint32_t &to = warp.predicates[instruction.to];
        to = (to & ~lanes) | (bitsOf(values) & lanes);
      } else if constexpr (sizeof(D) == 2) {
        alignas(64) uint32_t values[32];
        for (int lane = 0; lane < 32; ++lane)
          values[lane] = std::bit_cast<uint16_t>(function(std::get<n>(sources)[lane]...));
        put(warp.lanes<uint32_t>(instruction.to), values, lanes);
      } else {
        alignas(64) D values[32];
        for (int lane = 0; lane < 32; ++lane)
          values[lane] = function(std::get<n>(sources)[lane]...);
        put(warp.lanes<D>(instruction.to), values, lanes);
      }
    }
    (std::index_sequence_for<S...>());
  }
  static void decode(Decoder &decoder) {
    if (decoder.count() != 1 + sizeof...(S))
      decoder.fail("another number of operands");
    decoder.out.run = run;
    decoder.out.to = decoder.destination(0, widthOf<D>());
    size_t slot = 0;
    ((decoder.out.from[slot] = decoder.source(slot + 1, widthOf<S>()), ++slot), ...);
  }
};

/// The decoder of an instruction `opcode to, from...`.
template <auto function> constexpr Decode elementwise() { return &Apply<function>::decode; }

} // namespace caa::ptx
