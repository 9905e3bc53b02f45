// How tensor maps and descriptors spread rows over shared memory's banks.
#pragma once

#include <cstdint>

namespace caa::ptx {

/// In a pattern of `bytes` (128, 64, 32; 0 for none) the bits of an address from 4 on are mixed with those from 7 on.
inline uint32_t swizzled(uint32_t address, uint32_t bytes) {
  const uint32_t mask = bytes == 128 ? 7 : bytes == 64 ? 3 : bytes == 32 ? 1 : 0;
  return address ^ (((address >> 7) & mask) << 4);
}

} // namespace caa::ptx
