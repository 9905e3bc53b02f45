// row_order.h: the round function is the finaliser of SplitMix64 (Steele et al. 2014).
#include "runtime/data/row_order.h"

namespace caa {
namespace {

uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 27) * 0x94d049bb133111ebull;
  return x ^ x >> 31;
}

} // namespace

RowOrder::RowOrder(uint64_t rows, uint64_t seed) : rows_(rows), seed_(mix(seed)), halfBits_(1) {
  while (halfBits_ < 31 && (uint64_t(1) << (2 * halfBits_)) < rows)
    ++halfBits_;
}

uint64_t RowOrder::at(uint64_t position) const {
  uint64_t epochKey = mix(seed_ ^ mix(position / rows_)), value = position % rows_;
  const uint64_t mask = (uint64_t(1) << halfBits_) - 1;
  do {
    uint64_t left = value >> halfBits_, right = value & mask;
    for (uint64_t round = 0; round < 4; ++round) {
      uint64_t next = left ^ (mix(epochKey + round * 0x632be59bd9b4e019ull + right) & mask);
      left = right;
      right = next;
    }
    value = left << halfBits_ | right;
  } while (value >= rows_);
  return value;
}

} // namespace caa
