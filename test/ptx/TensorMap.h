// What the 128 bytes of a tensor map hold here; the emulated driver fills them, copies read them.
#pragma once

#include <cstdint>

namespace caa::ptx {

struct TensorMap {
  uint64_t address = 0;
  uint32_t elementBytes = 0, rank = 0, swizzle = 0; // swizzle in bytes; 0 for none
  uint32_t box[5] = {};
  uint64_t sizes[5] = {}, strides[4] = {}; // strides in bytes, from the second dimension on
};

} // namespace caa::ptx
