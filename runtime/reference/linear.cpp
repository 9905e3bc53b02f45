// Ops with parameters: linear maps, tables, norms; and the rotation.
#include "runtime/reference/token_ops.h"

#include <algorithm>
#include <cmath>

namespace caa::reference {

Status runLinear(Context &context, const Op &op) {
  const Tensor &x = context.in(op, 0), &w = context.in(op, 1);
  Tensor result = context.make(op.types[0]);
  int64_t in = w.shape[1], out = w.shape[0];
  for (int64_t t = 0; t < result.tokens(); ++t)
    for (int64_t o = 0; o < out; ++o) {
      double sum = context.has(op, 2) ? context.in(op, 2).data[o] : 0;
      for (int64_t c = 0; c < in; ++c)
        sum += x.row(t, 0)[c] * w.data[o * in + c];
      result.row(t, 0)[o] = sum;
    }
  context.values[op.out[0]] = std::move(result);
  return {};
}

Status reverseLinear(Context &context, const Op &op) {
  const Tensor &x = context.in(op, 0), &w = context.in(op, 1), &g = context.gradients[op.out[0]];
  Tensor &dX = context.gradient(op.in[0]), &dW = context.gradient(op.in[1]);
  int64_t in = w.shape[1], out = w.shape[0];
  for (int64_t t = 0; t < g.tokens(); ++t)
    for (int64_t o = 0; o < out; ++o) {
      double d = g.row(t, 0)[o];
      for (int64_t c = 0; c < in; ++c)
        dX.row(t, 0)[c] += d * w.data[o * in + c], dW.data[o * in + c] += d * x.row(t, 0)[c];
      if (context.has(op, 2))
        context.gradient(op.in[2]).data[o] += d;
    }
  return {};
}

static int64_t tableRow(const Tensor &index, const Tensor &table, int64_t token) {
  return std::clamp(int64_t(index.row(token, 0)[0]), int64_t(0), table.shape[0] - 1);
}

Status runEmbed(Context &context, const Op &op) {
  const Tensor &index = context.in(op, 0), &table = context.in(op, 1);
  Tensor result = context.make(op.types[0]);
  for (int64_t t = 0; t < result.tokens(); ++t)
    std::copy_n(&table.data[tableRow(index, table, t) * table.width()], table.width(), result.row(t, 0));
  context.values[op.out[0]] = std::move(result);
  return {};
}

Status reverseEmbed(Context &context, const Op &op) {
  const Tensor &index = context.in(op, 0), &table = context.in(op, 1), &g = context.gradients[op.out[0]];
  Tensor &dTable = context.gradient(op.in[1]);
  for (int64_t t = 0; t < g.tokens(); ++t)
    for (int64_t c = 0; c < table.width(); ++c)
      dTable.data[tableRow(index, table, t) * table.width() + c] += g.row(t, 0)[c];
  return {};
}

namespace {
/// Mean (0 for rms_norm) and reciprocal deviation of one head's width.
struct Statistics {
  double mean = 0, scale = 0;
  Statistics(const Op &op, const double *x, int64_t width) {
    bool centred = op.name == "caa.layer_norm";
    double squares = 0;
    for (int64_t c = 0; centred && c < width; ++c)
      mean += x[c] / double(width);
    for (int64_t c = 0; c < width; ++c)
      squares += (x[c] - mean) * (x[c] - mean) / double(width);
    scale = 1 / std::sqrt(squares + plainNumber(op.attributes.at("eps")));
  }
};
} // namespace

Status runNorm(Context &context, const Op &op) {
  const Tensor &x = context.in(op, 0), &w = context.in(op, 1);
  Tensor result = context.make(op.types[0]);
  for (int64_t t = 0; t < x.tokens(); ++t)
    for (int64_t h = 0; h < x.heads(); ++h) {
      Statistics s(op, x.row(t, h), x.width());
      for (int64_t c = 0; c < x.width(); ++c)
        result.row(t, h)[c] = (x.row(t, h)[c] - s.mean) * s.scale * w.data[c] + (context.has(op, 2) ? context.in(op, 2).data[c] : 0);
    }
  context.values[op.out[0]] = std::move(result);
  return {};
}

Status reverseNorm(Context &context, const Op &op) {
  const Tensor &x = context.in(op, 0), &w = context.in(op, 1), &g = context.gradients[op.out[0]];
  Tensor &dX = context.gradient(op.in[0]), &dW = context.gradient(op.in[1]);
  double width = double(x.width());
  for (int64_t t = 0; t < x.tokens(); ++t)
    for (int64_t h = 0; h < x.heads(); ++h) {
      Statistics s(op, x.row(t, h), x.width());
      double mean = 0, along = 0; // of the normalised value's gradient, and of it times the value
      for (int64_t c = 0; c < x.width(); ++c) {
        double y = (x.row(t, h)[c] - s.mean) * s.scale, d = g.row(t, h)[c];
        dW.data[c] += d * y;
        if (context.has(op, 2))
          context.gradient(op.in[2]).data[c] += d;
        mean += d * w.data[c] / width, along += d * w.data[c] * y / width;
      }
      for (int64_t c = 0; c < x.width(); ++c) {
        double y = (x.row(t, h)[c] - s.mean) * s.scale, d = g.row(t, h)[c] * w.data[c];
        dX.row(t, h)[c] += s.scale * (d - y * along - (op.name == "caa.layer_norm" ? mean : 0));
      }
    }
  return {};
}

/// Adds x rotated by the table (turned back if `sign` is -1) to `result`.
static void rotate(const Tensor &x, const Tensor &table, double sign, Tensor &result) {
  int64_t half = x.width() / 2;
  for (int64_t t = 0; t < x.tokens(); ++t)
    for (int64_t h = 0; h < x.heads(); ++h)
      for (int64_t c = 0; c < half; ++c) {
        double cosine = table.row(t, 0)[c], sine = sign * table.row(t, 0)[half + c];
        double a = x.row(t, h)[c], b = x.row(t, h)[half + c];
        result.row(t, h)[c] += a * cosine - b * sine;
        result.row(t, h)[half + c] += b * cosine + a * sine;
      }
}

static double direction(const Op &op) { return op.attributes.value("inverse", false) ? -1 : 1; }

Status runRope(Context &context, const Op &op) {
  Tensor result = context.make(op.types[0]);
  rotate(context.in(op, 0), context.in(op, 1), direction(op), result);
  context.values[op.out[0]] = std::move(result);
  return {};
}

Status reverseRope(Context &context, const Op &op) {
  rotate(context.gradients[op.out[0]], context.in(op, 1), -direction(op), context.gradient(op.in[0]));
  return {};
}

} // namespace caa::reference
