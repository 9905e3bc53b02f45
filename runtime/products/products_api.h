// What libcaa_products.so offers: one matrix product on one thread, by oneDNN. caa-run loads it for models that compute
// on the processor, so that the program itself needs no oneDNN. Both are built together and check that they were.
#pragma once

#include <cstdint>

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

struct ProductsApi {
  static constexpr uint32_t current = 1;
  uint32_t version; // current
  void (*product)(const Product &product); // on the calling thread alone
};

/// The library's only symbol, `caa_products`.
using ProductsQuery = const ProductsApi *(*)();

} // namespace caa
