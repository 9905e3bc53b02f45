// One loop over all components per op.
#include "test/passes/Kernels/NaiveTokens.h"

#include "test/tile/ScalarOps.h"

#include "llvm/ADT/DenseMap.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace caa::test {

std::vector<int64_t> shapeOfValue(Value value, const Extents &extents, int64_t chunk) {
  auto type = cast<RankedTensorType>(value.getType());
  if (isTokenwise(type)) {
    Shape shape = shapeOf(type);
    if (extents.rows != extents.batch * extents.length)
      return {1, extents.rows, shape.heads, shape.width};
    return {extents.batch, extents.length, shape.heads, shape.width};
  }
  std::vector<int64_t> shape(type.getShape());
  if (type.isDynamicDim(0))
    shape[0] = (extents.rows + chunk - 1) / chunk;
  return shape;
}

namespace {

class Naive {
public:
  Naive(const Extents &extents, bool rounded) : extents(extents), rounded(rounded) {}

  std::vector<Buffer> run(func::FuncOp kernel, const std::vector<Buffer *> &inputs) {
    for (auto [argument, input] : llvm::zip(kernel.getArguments(), inputs))
      values[argument] = *input;
    Block &block = kernel.getBody().front();
    for (Operation &op : block.without_terminator())
      step(&op);
    std::vector<Buffer> outputs;
    for (Value output : block.getTerminator()->getOperands())
      outputs.push_back(values[output]);
    return outputs;
  }

private:
  [[noreturn]] void stop(Operation *op) {
    llvm::errs() << "the naive interpreter does not know " << *op << "\n";
    std::abort();
  }

  Buffer &make(Value value, int64_t chunk = 1) {
    Buffer &buffer = values[value];
    buffer.shape = shapeOfValue(value, extents, chunk);
    buffer.data.assign(buffer.size(), 0);
    return buffer;
  }

  /// Token (over batch and length), head and component of an element of [.., heads, width].
  struct Spot {
    int64_t token, head, component;
  };
  static int64_t headsOf(const Buffer &b) { return b.shape.size() < 2 ? 1 : b.shape[b.shape.size() - 2]; }
  static int64_t widthOf(const Buffer &b) { return b.shape.back(); }
  static Spot spotOf(const Buffer &b, int64_t n) {
    return {n / widthOf(b) / headsOf(b), n / widthOf(b) % headsOf(b), n % widthOf(b)};
  }
  /// The element that serves a spot of a value with `heads` heads.
  static double read(const Buffer &b, Spot spot, int64_t heads) {
    int64_t head = spot.head * headsOf(b) / heads, component = widthOf(b) == 1 ? 0 : spot.component;
    int64_t token = b.shape.size() <= 2 ? 0 : spot.token;
    return b.data[(token * headsOf(b) + head) * widthOf(b) + component];
  }

  void each(Value result, llvm::function_ref<double(Spot)> compute, int64_t chunk = 1) {
    Buffer buffer = make(result, chunk);
    for (int64_t n = 0; n < int64_t(buffer.data.size()); ++n)
      buffer.data[n] = rounded ? roundTo(elementOf(result), compute(spotOf(buffer, n))) : compute(spotOf(buffer, n));
    values[result] = buffer;
  }

  void map(MapOp op) {
    Block &block = op.getBody().front();
    for (Value result : op.getResults())
      make(result);
    int64_t count = values[op.getResult(0)].data.size();
    for (int64_t n = 0; n < count; ++n) {
      const Buffer &shape = values[op.getResult(0)];
      Spot spot = spotOf(shape, n);
      llvm::DenseMap<Value, double> scalars;
      for (auto [argument, operand] : llvm::zip(block.getArguments(), op.getOperands()))
        scalars[argument] = read(values[operand], spot, headsOf(shape));
      for (Operation &inner : block.without_terminator()) {
        std::vector<double> operands;
        for (Value operand : inner.getOperands())
          operands.push_back(scalars[operand]);
        scalars[inner.getResult(0)] = scalarOp(&inner, operands, rounded);
      }
      for (auto [result, scalar] : llvm::zip(op.getResults(), block.getTerminator()->getOperands()))
        values[result].data[n] = scalars[scalar];
    }
  }

  double index(int64_t token) const { return double((token + extents.firstRow) % extents.length); }

  /// The sum of `size` values of `from` that go to one element.
  void step(Operation *op) {
    Value result = op->getResult(0);
    auto in = [&](unsigned n) -> Buffer & { return values[op->getOperand(n)]; };
    if (auto one = dyn_cast<MapOp>(op))
      return map(one);
    if (auto constant = dyn_cast<ConstantOp>(op)) {
      Buffer &buffer = make(result);
      auto elements = cast<DenseElementsAttr>(constant.getValue());
      for (auto [cell, value] : llvm::zip(buffer.data, elements.getValues<Attribute>()))
        cell = isa<FloatAttr>(value) ? cast<FloatAttr>(value).getValueAsDouble()
                                     : double(cast<IntegerAttr>(value).getInt());
      return;
    }
    if (isa<IndexOp>(op))
      return each(result, [&](Spot s) { return index(s.token); });
    if (isa<HasNextOp>(op))
      return each(result, [&](Spot s) { return double(index(s.token) + 1 < double(extents.length)); });
    if (isa<AsHeadOp, AsRowOp, ReshapeOp>(op)) {
      std::vector<double> data = in(0).data;
      make(result).data = data;
      return;
    }
    if (auto running = dyn_cast<CumsumOp>(op))
      return each(result, [&](Spot s) {
        int64_t first = s.token - s.token % extents.length;
        auto [from, to] = running.getReverse() ? std::pair(s.token, first + extents.length) : std::pair(first, s.token + 1);
        double sum = 0;
        for (int64_t t = from; t < to; ++t)
          sum += read(in(0), {t, s.head, s.component}, headsOf(in(0)));
        return sum;
      });
    if (isa<ShiftOp, HoldOp>(op)) {
      auto shift = dyn_cast<ShiftOp>(op);
      auto hold = dyn_cast<HoldOp>(op);
      int64_t size = shift ? shift.getBy() : hold.getBlock();
      bool reverse = shift ? shift.getReverse() : hold.getReverse();
      auto from = [&](int64_t place) { return shift ? place - size : place / size * size - 1; };
      return each(result, [&](Spot s) { // of the row's tokens, those whose values are added up here
        int64_t place = s.token % extents.length, start = s.token - place;
        double sum = 0;
        for (int64_t other = 0; other < extents.length; ++other)
          if (reverse ? from(other) == place : from(place) == other)
            sum += read(in(0), {start + other, s.head, s.component}, headsOf(in(0)));
        return sum;
      });
    }
    if (auto pool = dyn_cast<PoolOp>(op))
      return each(result, [&](Spot s) {
        int64_t place = s.token % extents.length, size = pool.getBlock(), first = s.token - place % size;
        int64_t count = std::min(size, extents.length - (place - place % size));
        double sum = 0, most = -std::numeric_limits<double>::infinity();
        for (int64_t t = first; t < first + count; ++t) {
          sum += read(in(0), {t, s.head, s.component}, headsOf(in(0)));
          most = std::max(most, read(in(0), {t, s.head, s.component}, headsOf(in(0))));
        }
        return pool.getKind() == PoolKind::Max ? most : pool.getKind() == PoolKind::Mean ? sum / double(count) : sum;
      });
    if (isa<BroadcastOp>(op))
      return each(result, [&](Spot s) { return read(in(0), s, shapeOf(result).heads); });
    if (auto slice = dyn_cast<SliceOp>(op))
      return each(result, [&](Spot s) {
        return read(in(0), {s.token, s.head, s.component + int64_t(slice.getStart())}, headsOf(in(0)));
      });
    if (isa<ConcatOp>(op))
      return each(result, [&](Spot s) {
        unsigned n = 0;
        for (; s.component >= widthOf(in(n)); ++n)
          s.component -= widthOf(in(n));
        return read(in(n), s, headsOf(in(n)));
      });
    if (isa<ReduceWidthOp>(op))
      return each(result, [&](Spot s) {
        double sum = 0;
        for (int64_t c = 0; c < widthOf(in(0)); ++c)
          sum += read(in(0), {s.token, s.head, c}, headsOf(in(0)));
        return sum;
      });
    if (isa<ReduceHeadsOp>(op))
      return each(result, [&](Spot s) {
        double sum = 0;
        int64_t count = headsOf(in(0)) / shapeOf(result).heads;
        for (int64_t h = 0; h < count; ++h)
          sum += read(in(0), {s.token, s.head * count + h, s.component}, headsOf(in(0)));
        return sum;
      });
    if (auto partials = dyn_cast<PartialSumsOp>(op))
      return each(
          result,
          [&](Spot s) {
            double sum = 0;
            for (int64_t row = s.token * partials.getChunk();
                 row < std::min<int64_t>((s.token + 1) * partials.getChunk(), extents.rows); ++row)
              sum += read(in(0), {row, s.head, s.component}, headsOf(in(0)));
            return sum;
          },
          partials.getChunk());
    if (isa<SumPartialsOp, ReduceTokensOp>(op)) {
      Buffer from = in(0);
      Buffer &to = make(result);
      for (size_t n = 0; n < from.data.size(); ++n)
        to.data[n % to.data.size()] += from.data[n];
      return;
    }
    if (auto rope = dyn_cast<RopeOp>(op)) {
      double sign = rope.getInverse() ? -1 : 1;
      return each(result, [&](Spot s) {
        int64_t half = widthOf(in(0)) / 2, c = s.component % half;
        auto x = [&](int64_t component) { return read(in(0), {s.token, s.head, component}, headsOf(in(0))); };
        double cos = read(in(1), {s.token, 0, c}, 1), sin = sign * read(in(1), {s.token, 0, c + half}, 1);
        return s.component < half ? x(c) * cos - x(c + half) * sin : x(c + half) * cos + x(c) * sin;
      });
    }
    if (auto table = dyn_cast<RopeTableOp>(op))
      return each(result, [&](Spot s) {
        int64_t width = shapeOf(result).width, c = s.component % (width / 2);
        double angle =
            in(0).data[s.token] * std::pow(table.getTheta().convertToDouble(), -2.0 * double(c) / double(width));
        return s.component < width / 2 ? std::cos(angle) : std::sin(angle);
      });
    if (isa<EmbedOp>(op))
      return each(result, [&](Spot s) {
        int64_t row = std::clamp<int64_t>(int64_t(in(0).data[s.token]), 0, in(1).shape[0] - 1);
        return in(1).data[row * in(1).shape[1] + s.component];
      });
    if (isa<EmbedGradOp>(op)) {
      Buffer index = in(0), gradient = in(1);
      Buffer &to = make(result);
      int64_t width = widthOf(gradient);
      for (size_t n = 0; n < gradient.data.size(); ++n)
        to.data[std::clamp<int64_t>(int64_t(index.data[n / width]), 0, to.shape[0] - 1) * width + int64_t(n) % width] +=
            gradient.data[n];
      return;
    }
    if (auto partials = dyn_cast<ReportPartialsOp>(op))
      return report(partials);
    if (isa<CombineReportsOp>(op)) {
      Buffer from = in(0);
      Buffer &to = make(result);
      to.data = std::vector<double>(from.data.begin(), from.data.begin() + 5);
      for (size_t n = 5; n < from.data.size(); n += 5)
        combineReport(to.data.data(), &from.data[n]);
      return;
    }
    if (isa<HeadLossRowsOp, CrossEntropyOp, CrossEntropyGradOp>(op))
      return entropy(op);
    stop(op);
  }

public:
  static void combineReport(double *to, const double *from) {
    if (to[0] == 0)
      to[3] = from[3], to[4] = from[4];
    else
      to[3] = std::min(to[3], from[3]), to[4] = std::max(to[4], from[4]);
    for (int n = 0; n < 3; ++n)
      to[n] += from[n];
  }

private:
  void report(ReportPartialsOp op) {
    Buffer from = values[op.getValue()];
    Buffer &to = make(op.getResult(), op.getChunk());
    bool tokenwise = isTokenwise(op.getValue().getType());
    int64_t perChunk = tokenwise ? int64_t(op.getChunk()) * headsOf(from) * widthOf(from) : from.size();
    for (int64_t n = 0; n < from.size(); ++n) {
      double x = from.data[n], one[] = {1, x, x * x, x, x};
      combineReport(&to.data[n / perChunk * 5], one);
    }
  }

  void entropy(Operation *op) {
    auto rows = dyn_cast<HeadLossRowsOp>(op);
    Buffer logits = values[op->getOperand(0)];
    Buffer tokens = values[rows ? rows.getTokens() : op->getOperand(1)];
    int64_t width = widthOf(logits);
    bool hasLoss = !isa<CrossEntropyGradOp>(op);
    Value gradient = hasLoss ? (rows ? rows.getGradient() : Value()) : op->getResult(0);
    if (hasLoss)
      make(op->getResult(0));
    if (gradient)
      make(gradient);
    for (int64_t row = 0; row < extents.rows; ++row) {
      int64_t global = row + extents.firstRow;
      bool counts = global % extents.length + 1 < extents.length && !(rows && values[rows.getMask()].data[row] == 0);
      if (!counts)
        continue;
      std::vector<double> x(logits.data.begin() + row * width, logits.data.begin() + (row + 1) * width);
      if (rows && rows.getBias())
        for (int64_t c = 0; c < width; ++c)
          x[c] += values[rows.getBias()].data[c];
      double largest = *std::max_element(x.begin(), x.end()), sum = 0;
      for (double value : x)
        sum += std::exp(value - largest);
      int64_t target = std::clamp<int64_t>(int64_t(tokens.data[global + 1]), 0, width - 1);
      if (hasLoss)
        values[op->getResult(0)].data[row] = std::log(sum) + largest - x[target];
      double factor = !gradient ? 0 : rows ? values[rows.getScale()].data[0] : values[op->getOperand(2)].data[row];
      for (int64_t c = 0; c < width && gradient; ++c) {
        double slope = factor * (std::exp(x[c] - largest) / sum - (c == target));
        values[gradient].data[row * width + c] = elementOf(gradient).isBF16() ? roundTo(elementOf(gradient), slope) : slope;
      }
    }
  }

  const Extents &extents;
  bool rounded;
  llvm::DenseMap<Value, Buffer> values;
};

} // namespace

std::vector<Buffer> naiveTokens(func::FuncOp kernel, const std::vector<Buffer *> &inputs, const Extents &extents,
                                bool rounded) {
  return Naive(extents, rounded).run(kernel, inputs);
}

} // namespace caa::test
