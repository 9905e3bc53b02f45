// The product that tensor cores compute, on whole tiles: c[16][n] += a[16][k] b[k][n], summed in float32 in the order
// of k.
#pragma once

#include <cstddef>

namespace caa::ptx {

/// `n` is a multiple of 8.
inline void multiplyAdd(const float *a, const float *b, float *c, size_t n, size_t k) {
  for (size_t row = 0; row < 16; ++row)
    for (size_t i = 0; i < k; ++i) {
      const float left = a[row * k + i];
      const float *right = b + i * n;
      float *sums = c + row * n;
      for (size_t column = 0; column < n; ++column)
        sums[column] = __builtin_fmaf(left, right[column], sums[column]);
    }
}

} // namespace caa::ptx
