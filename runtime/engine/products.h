// Matrix products in float32: the one thing that compiled code leaves to a library (oneDNN).
//
// The library runs on one thread; the pool's threads share C out as a grid of blocks that depends on the shape and the
// number of threads alone, so the same run gives the same bits. (Measured: as fast as the library's own threads, and no
// second pool of spinning threads competes with ours.)
#pragma once

#include "runtime/engine/threads.h"

#include <cstdint>
#include <string_view>

namespace caa {

/// C = alpha op(A) op(B) + beta C, row-major; op(A) is [m, k], op(B) is [k, n]. With transposeA, A is stored [k, m];
/// with transposeB, B is stored [n, k]. Row strides are in elements. With beta 0, C need not hold numbers.
struct Product {
  int64_t m = 0, n = 0, k = 0;
  bool transposeA = false, transposeB = false;
  float alpha = 1, beta = 0;
  const float *a = nullptr;
  int64_t lda = 0;
  const float *b = nullptr;
  int64_t ldb = 0;
  float *c = nullptr;
  int64_t ldc = 0;
};

/// What a library of products offers: the runtime's table of functions.
struct ProductLibrary {
  std::string_view name;
  void (*product)(const Product &product); // on the calling thread alone
};
const ProductLibrary &productLibrary();

/// The whole product, on all threads.
void runProduct(Threads &threads, const Product &product);

/// Floating-point operations a second of a large product on these threads, measured now (about 0.1 s).
double measureProductPeak(Threads &threads);

} // namespace caa
