// Sharing a product out, and the call into oneDNN.
#include "runtime/engine/products.h"

#include <algorithm>
#include <chrono>
#include <dnnl.h>
#include <limits>
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

void productByOneDnn(const Product &p) {
  if (p.m == 0 || p.n == 0)
    return;
  if (p.k == 0)
    return scale(p);
  omp_set_num_threads(1); // this thread's own setting
  isFasterTransposed(p) ? productTransposed(p) : call(p);
}

/// Block [rows, columns) of C as a product of its own.
Product blockOf(const Product &p, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  Product block = p;
  block.m = rows;
  block.n = columns;
  block.a += p.transposeA ? row : row * p.lda;
  block.b += p.transposeB ? column * p.ldb : column;
  block.c += row * p.ldc + column;
  return block;
}

/// How many parts of C's rows and columns: the grid of `count` blocks with the least operand traffic.
std::pair<int64_t, int64_t> gridOf(int64_t m, int64_t n, int64_t count) {
  std::pair<int64_t, int64_t> best{count, 1};
  double least = std::numeric_limits<double>::max();
  for (int64_t rows = count; rows >= 1; --rows) {
    if (count % rows != 0)
      continue;
    int64_t columns = count / rows;
    double traffic = double(m) / double(rows) + double(n) / double(columns);
    if (traffic < least) {
      least = traffic;
      best = {rows, columns};
    }
  }
  return best;
}

/// Part `index` of `parts` of an axis, in whole multiples of `unit`.
std::pair<int64_t, int64_t> partOf(int64_t size, int64_t parts, int64_t index, int64_t unit) {
  int64_t units = (size + unit - 1) / unit;
  int64_t begin = std::min(size, units * index / parts * unit),
          end = std::min(size, units * (index + 1) / parts * unit);
  return {begin, end - begin};
}

} // namespace

const ProductLibrary &productLibrary() {
  static const ProductLibrary library{"oneDNN", productByOneDnn};
  return library;
}

void runProduct(Threads &threads, const Product &product) {
  const auto call = productLibrary().product;
  constexpr double tooSmallToShare = 1 << 16; // multiplications
  if (threads.count() == 1 || double(product.m) * double(product.n) * double(product.k) < tooSmallToShare)
    return call(product);
  auto [rowParts, columnParts] = gridOf(product.m, product.n, threads.count());
  threads.everywhere([&, rowParts = rowParts, columnParts = columnParts](unsigned thread) {
    auto [row, rows] = partOf(product.m, rowParts, thread / columnParts, 16);
    auto [column, columns] = partOf(product.n, columnParts, thread % columnParts, 48);
    call(blockOf(product, row, rows, column, columns));
  });
}

double measureProductPeak(Threads &threads) {
  const int64_t m = 1024 * int64_t(threads.count()), n = 1024, k = 512;
  std::vector<float> a(m * k, 1.0f), b(n * k, 1.0f), c(m * n);
  Product product{.m = m, .n = n, .k = k, .a = a.data(), .lda = k, .b = b.data(), .ldb = n, .c = c.data(), .ldc = n};
  double best = std::numeric_limits<double>::max(), total = 0;
  for (int run = 0; run < 20 && (run < 3 || total < 0.1); ++run) {
    auto start = std::chrono::steady_clock::now();
    runProduct(threads, product);
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::min(best, seconds);
    total += seconds;
  }
  return 2.0 * double(m) * double(n) * double(k) / best;
}

} // namespace caa
