// Ops that move components: copies under another shape, slices, concatenations, sums and broadcasts over heads and
// width; running sums.
#include "runtime/reference/token_ops.h"

#include <algorithm>
#include <cmath>

namespace caa::reference {

Status runCopy(Context &context, const Op &op) {
  Tensor result = context.make(op.types[0]);
  result.data = context.in(op, 0).data;
  context.values[op.out[0]] = std::move(result);
  return {};
}

Status reverseCopy(Context &context, const Op &op) {
  Tensor &gradient = context.gradient(op.in[0]);
  for (size_t n = 0; n < gradient.data.size(); ++n)
    gradient.data[n] += context.gradients[op.out[0]].data[n];
  return {};
}

/// Calls visit(token, head) for all heads of a value.
template <typename Visit> static void forEachHead(const Tensor &value, Visit visit) {
  for (int64_t t = 0; t < value.tokens(); ++t)
    for (int64_t h = 0; h < value.heads(); ++h)
      visit(t, h);
}

Status runSlice(Context &context, const Op &op) {
  Tensor result = context.make(op.types[0]);
  int64_t start = op.attributes.at("start").get<int64_t>();
  forEachHead(result, [&](int64_t t, int64_t h) {
    for (int64_t c = 0; c < result.width(); ++c)
      result.row(t, h)[c] = context.in(op, 0).row(t, h)[start + c];
  });
  context.values[op.out[0]] = std::move(result);
  return {};
}

Status reverseSlice(Context &context, const Op &op) {
  const Tensor &g = context.gradients[op.out[0]];
  Tensor &gradient = context.gradient(op.in[0]);
  int64_t start = op.attributes.at("start").get<int64_t>();
  forEachHead(g, [&](int64_t t, int64_t h) {
    for (int64_t c = 0; c < g.width(); ++c)
      gradient.row(t, h)[start + c] += g.row(t, h)[c];
  });
  return {};
}

Status runConcat(Context &context, const Op &op) {
  Tensor result = context.make(op.types[0]);
  int64_t start = 0;
  for (size_t n = 0; n < op.in.size(); ++n) {
    const Tensor &part = context.in(op, n);
    forEachHead(result, [&](int64_t t, int64_t h) {
      for (int64_t c = 0; c < part.width(); ++c)
        result.row(t, h)[start + c] = part.row(t, h)[c];
    });
    start += part.width();
  }
  context.values[op.out[0]] = std::move(result);
  return {};
}

Status reverseConcat(Context &context, const Op &op) {
  const Tensor &g = context.gradients[op.out[0]];
  int64_t start = 0;
  for (int id : op.in) {
    Tensor &part = context.gradient(id);
    forEachHead(g, [&](int64_t t, int64_t h) {
      for (int64_t c = 0; c < part.width(); ++c)
        part.row(t, h)[c] += g.row(t, h)[start + c];
    });
    start += part.width();
  }
  return {};
}

/// The component that (head, column) of the larger value belongs to in the smaller: sums over groups of heads, or over width.
static double &target(Tensor &small, const Tensor &large, int64_t t, int64_t h, int64_t c) {
  return small.row(t, h * small.heads() / large.heads())[small.width() == 1 ? 0 : c];
}

Status runReduce(Context &context, const Op &op) {
  Tensor result = context.make(op.types[0]);
  const Tensor &x = context.in(op, 0);
  forEachHead(x, [&](int64_t t, int64_t h) {
    for (int64_t c = 0; c < x.width(); ++c)
      target(result, x, t, h, c) += x.row(t, h)[c];
  });
  context.values[op.out[0]] = std::move(result);
  return {};
}

Status reverseReduce(Context &context, const Op &op) {
  Tensor &gradient = context.gradient(op.in[0]), &g = context.gradients[op.out[0]];
  forEachHead(gradient, [&](int64_t t, int64_t h) {
    for (int64_t c = 0; c < gradient.width(); ++c)
      gradient.row(t, h)[c] += target(g, gradient, t, h, c);
  });
  return {};
}

Status runBroadcast(Context &context, const Op &op) {
  Tensor result = context.make(op.types[0]);
  Tensor &x = context.values[op.in[0]];
  forEachHead(result, [&](int64_t t, int64_t h) {
    for (int64_t c = 0; c < result.width(); ++c)
      result.row(t, h)[c] = target(x, result, t, h, c);
  });
  context.values[op.out[0]] = std::move(result);
  return {};
}

Status reverseBroadcast(Context &context, const Op &op) {
  const Tensor &g = context.gradients[op.out[0]];
  Tensor &gradient = context.gradient(op.in[0]);
  forEachHead(g, [&](int64_t t, int64_t h) {
    for (int64_t c = 0; c < g.width(); ++c)
      target(gradient, g, t, h, c) += g.row(t, h)[c];
  });
  return {};
}

Status runCumsum(Context &context, const Op &op) {
  Tensor result = context.in(op, 0);
  for (int64_t t = 0; t < result.tokens(); ++t)
    for (int64_t c = 0; c < result.heads() * result.width() && t % context.length != 0; ++c)
      result.row(t, 0)[c] += result.row(t - 1, 0)[c];
  context.values[op.out[0]] = std::move(result);
  return {};
}

/// Of each row, from its end: what all later sums got.
Status reverseCumsum(Context &context, const Op &op) {
  Tensor later = context.gradients[op.out[0]];
  Tensor &gradient = context.gradient(op.in[0]);
  for (int64_t t = later.tokens() - 1; t >= 0; --t)
    for (int64_t c = 0; c < later.heads() * later.width(); ++c) {
      if ((t + 1) % context.length != 0)
        later.row(t, 0)[c] += later.row(t + 1, 0)[c];
      gradient.row(t, 0)[c] += later.row(t, 0)[c];
    }
  return {};
}

/// Which token each one's value comes from, by its place in the row; negative for none.
template <typename Place> static void moveForward(Context &context, const Op &op, Place place) {
  const Tensor &x = context.in(op, 0);
  Tensor result = context.make(op.types[0]);
  for (int64_t t = 0; t < x.tokens(); ++t)
    if (int64_t here = t % context.length, from = place(here); from >= 0)
      std::copy_n(x.row(t - here + from, 0), x.heads() * x.width(), result.row(t, 0));
  context.values[op.out[0]] = std::move(result);
}

template <typename Place> static void moveBack(Context &context, const Op &op, Place place) {
  const Tensor &g = context.gradients[op.out[0]];
  Tensor &gradient = context.gradient(op.in[0]);
  for (int64_t t = 0; t < g.tokens(); ++t)
    if (int64_t here = t % context.length, from = place(here); from >= 0)
      for (int64_t c = 0; c < g.heads() * g.width(); ++c)
        gradient.row(t - here + from, 0)[c] += g.row(t, 0)[c];
}

static auto shiftOf(const Op &op) {
  return [by = op.attributes.at("by").get<int64_t>()](int64_t place) { return place - by; };
}
static auto holdOf(const Op &op) {
  return [block = op.attributes.at("block").get<int64_t>()](int64_t place) { return place / block * block - 1; };
}

Status runShift(Context &context, const Op &op) { return moveForward(context, op, shiftOf(op)), Status{}; }
Status reverseShift(Context &context, const Op &op) { return moveBack(context, op, shiftOf(op)), Status{}; }
Status runHold(Context &context, const Op &op) { return moveForward(context, op, holdOf(op)), Status{}; }
Status reverseHold(Context &context, const Op &op) { return moveBack(context, op, holdOf(op)), Status{}; }

/// What the tokens of each one's block give; constant for differentiation.
Status runPool(Context &context, const Op &op) {
  const Tensor &x = context.in(op, 0);
  Tensor result = context.make(op.types[0]);
  int64_t block = op.attributes.at("block").get<int64_t>();
  std::string kind = op.attributes.at("kind").get<std::string>();
  for (int64_t t = 0; t < x.tokens(); ++t)
    for (int64_t c = 0; c < x.heads() * x.width(); ++c) {
      int64_t place = t % context.length, first = t - place % block;
      int64_t count = std::min(block, context.length - (place - place % block));
      double sum = 0, most = x.row(first, 0)[c];
      for (int64_t n = 0; n < count; ++n) {
        sum += x.row(first + n, 0)[c];
        most = std::fmax(most, x.row(first + n, 0)[c]);
      }
      result.row(t, 0)[c] = kind == "max" ? most : kind == "mean" ? sum / double(count) : sum;
    }
  context.values[op.out[0]] = std::move(result);
  return {};
}

} // namespace caa::reference
