// libcaa_products.so: products_api.h over oneDNN. The only file that sees it.
#include "runtime/products/products_api.h"

#include <algorithm>
#include <dnnl.h>
#include <omp.h>
#include <vector>

namespace caa {
namespace {

void scale(const Product &p) {
  for (int64_t row = 0; row < p.m; ++row)
    for (int64_t column = 0; column < p.n; ++column) {
      float &c = p.c[row * p.ldc + column];
      c = p.beta == 0 ? 0 : p.beta * c;
    }
}

void call(const Product &p) {
  dnnl_sgemm(p.transposeA ? 'T' : 'N', p.transposeB ? 'T' : 'N', p.m, p.n, p.k, p.alpha, p.a, p.lda, p.b, p.ldb, p.beta,
             p.c, p.ldc);
}

/// C = D^T + beta C, tile by tile; D is [n, m] with row stride m.
void addTransposed(const float *d, int64_t m, int64_t n, float beta, float *c, int64_t ldc) {
  constexpr int64_t tile = 16;
  for (int64_t row = 0; row < m; row += tile)
    for (int64_t column = 0; column < n; column += tile)
      for (int64_t i = row; i < std::min(row + tile, m); ++i)
        for (int64_t j = column; j < std::min(column + tile, n); ++j) {
          float &out = c[i * ldc + j];
          out = d[j * m + i] + (beta == 0 ? 0 : beta * out);
        }
}

/// A tall gradient of a weight, A^T B with more rows than columns: the library is a quarter faster at B^T A (measured),
/// which is worth a transposition where the sum is long.
bool isFasterTransposed(const Product &p) {
  return p.transposeA && !p.transposeB && p.m >= 2 * p.n && p.n >= 32 && p.k >= 1024;
}

void productTransposed(const Product &p) {
  constexpr int64_t block = 1024; // rows of C at a time, so that D stays small
  thread_local std::vector<float> d;
  d.resize(size_t(p.n * std::min(block, p.m)));
  for (int64_t row = 0; row < p.m; row += block) {
    Product part{.m = p.n, .n = std::min(block, p.m - row), .k = p.k, .transposeA = true, .alpha = p.alpha};
    part.a = p.b;
    part.lda = p.ldb;
    part.b = p.a + row;
    part.ldb = p.lda;
    part.c = d.data();
    part.ldc = part.n;
    call(part);
    addTransposed(d.data(), part.n, p.n, p.beta, p.c + row * p.ldc, p.ldc);
  }
}

void product(const Product &p) {
  if (p.m == 0 || p.n == 0)
    return;
  if (p.k == 0)
    return scale(p);
  omp_set_num_threads(1); // this thread's own setting
  isFasterTransposed(p) ? productTransposed(p) : call(p);
}

constexpr ProductsApi api{ProductsApi::current, product};

} // namespace
} // namespace caa

extern "C" __attribute__((visibility("default"))) const caa::ProductsApi *caa_products() { return &caa::api; }
