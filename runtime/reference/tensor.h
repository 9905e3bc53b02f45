// A dense array of doubles: token-wise values are [batch, length, heads, width], per-head ones [heads, width].
#pragma once

#include <cstdint>
#include <numeric>
#include <vector>

namespace caa::reference {

struct Tensor {
  std::vector<int64_t> shape;
  std::vector<double> data;

  Tensor() = default;
  explicit Tensor(std::vector<int64_t> axes, double value = 0)
      : shape(std::move(axes)), data(std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>()), value) {}

  bool empty() const { return shape.empty() && data.empty(); }
  bool perToken() const { return shape.size() == 4; }
  int64_t heads() const { return shape.size() < 2 ? 1 : shape[shape.size() - 2]; }
  int64_t width() const { return shape.empty() ? 1 : shape.back(); }
  /// Tokens of all rows (1 for a per-head value).
  int64_t tokens() const { return perToken() ? shape[0] * shape[1] : 1; }
  /// The width components of one head at token `t` (counted over all rows); per-head values repeat for every token.
  double *row(int64_t t, int64_t head) { return data.data() + ((perToken() ? t : 0) * heads() + head) * width(); }
  const double *row(int64_t t, int64_t head) const { return const_cast<Tensor *>(this)->row(t, head); }
};

} // namespace caa::reference
