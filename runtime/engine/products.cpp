// Loading libcaa_products.so, and sharing a product out.
#include "runtime/engine/products.h"

#include "runtime/base/plugin.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

namespace caa {
namespace {

Result<const ProductsApi *> load() {
  CAA_TRY(void *symbol, loadPlugin("caa_products", "caa_products",
                                   "matrix products on the processor need a part of caa-run that was not installed "
                                   "with it (`cmake --install build` does)",
                                   "matrix products on the processor need oneDNN, which does not load (Debian, Ubuntu: "
                                   "`apt-get install libdnnl2`, or `scripts/install.sh`)"));
  const ProductsApi *api = reinterpret_cast<ProductsQuery>(symbol)();
  if (api->version != ProductsApi::current)
    return foreignPlugin("caa_products");
  return api;
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

Result<const ProductsApi *> loadProducts() {
  static const auto loaded = load();
  return loaded;
}

Status runProduct(Threads &threads, const Product &product) {
  CAA_TRY(const ProductsApi *library, loadProducts());
  const auto call = library->product;
  constexpr double tooSmallToShare = 1 << 16; // multiplications
  if (threads.count() == 1 || double(product.m) * double(product.n) * double(product.k) < tooSmallToShare) {
    call(product);
    return {};
  }
  auto [rowParts, columnParts] = gridOf(product.m, product.n, threads.count());
  threads.everywhere([&, rowParts = rowParts, columnParts = columnParts](unsigned thread) {
    auto [row, rows] = partOf(product.m, rowParts, thread / columnParts, 16);
    auto [column, columns] = partOf(product.n, columnParts, thread % columnParts, 48);
    call(blockOf(product, row, rows, column, columns));
  });
  return {};
}

Result<double> measureProductPeak(Threads &threads) {
  const int64_t m = 1024 * int64_t(threads.count()), n = 1024, k = 512;
  std::vector<float> a(m * k, 1.0f), b(n * k, 1.0f), c(m * n);
  Product product{.m = m, .n = n, .k = k, .a = a.data(), .lda = k, .b = b.data(), .ldb = n, .c = c.data(), .ldc = n};
  double best = std::numeric_limits<double>::max(), total = 0;
  for (int run = 0; run < 20 && (run < 3 || total < 0.1); ++run) {
    auto start = std::chrono::steady_clock::now();
    CAA_CHECK(runProduct(threads, product));
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::min(best, seconds);
    total += seconds;
  }
  return 2.0 * double(m) * double(n) * double(k) / best;
}

} // namespace caa
