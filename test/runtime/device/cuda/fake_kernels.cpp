// What the sample program's kernels do, on the host; the update in float64 from the text of the ABI, not from the
// processor's code.
#include "runtime/abi/caa_abi.h"
#include "test/runtime/device/cuda/fake_cuda.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace caa::test {
namespace {

constexpr int64_t vocab = 512, width = 8, wide = 24; // of test/codegen/SampleProgram.h
constexpr int64_t tableAt = 0, firstAt = vocab * width, headAt = firstAt + width * width,
                  allElements = headAt + wide * width;

class Arguments {
public:
  Arguments(const std::vector<std::vector<uint8_t>> &parameters, size_t operands)
      : parameters_(parameters), operands_(operands) {}
  uint64_t word(size_t index) const {
    uint64_t value = 0;
    std::memcpy(&value, parameters_.at(index).data(), parameters_[index].size());
    return value;
  }
  template <typename T> T *operand(size_t index) const { return reinterpret_cast<T *>(word(index)); }
  int64_t rows() const { return int64_t(word(operands_ + 2)); }
  int64_t items() const { return int64_t(word(operands_ + 4)); }
  uint32_t *counters() const { return operand<uint32_t>(operands_ + 5); }

private:
  const std::vector<std::vector<uint8_t>> &parameters_;
  size_t operands_;
};

using Parameters = std::vector<std::vector<uint8_t>>;

void require(bool holds, const char *what) {
  if (holds)
    return;
  std::fprintf(stderr, "fake kernel: %s\n", what);
  std::abort();
}

void embed(const Parameters &parameters, unsigned grid) {
  Arguments a(parameters, 3);
  require(grid == a.items() && a.items() == a.rows(), "embed has a block per row");
  uint64_t seen = 0; // by its tensor map
  std::memcpy(&seen, parameters.at(8).data(), 8);
  require(seen == a.word(2), "embed's tensor map is of its result");
  for (int64_t row = 0; row < a.rows(); ++row)
    std::memcpy(a.operand<float>(2) + row * width, a.operand<float>(1) + a.operand<int32_t>(0)[row] * width, 4 * width);
}

void add(const Parameters &parameters, unsigned grid) {
  Arguments a(parameters, 3);
  for (int64_t i = 0; i < int64_t(grid) * 8; ++i)
    a.operand<float>(2)[i] = a.operand<float>(0)[i] + a.operand<float>(1)[i];
}

void squareLoss(const Parameters &parameters, unsigned grid) {
  Arguments a(parameters, 4);
  require(grid == 1 && *a.counters() == 0, "square_loss is one block and finds its counter at zero");
  const float scale = *a.operand<float>(1);
  double sum = 0;
  for (int64_t i = 0; i < a.rows() * wide; ++i) {
    const float z = a.operand<float>(0)[i];
    sum += double(z) * z;
    a.operand<float>(3)[i] = z * (scale * 2);
  }
  *a.operand<double>(2) += sum * scale;
}

void countRows(const Parameters &parameters, unsigned) {
  Arguments a(parameters, 1);
  *a.operand<double>(0) += double(a.rows());
}

void lossScales(const Parameters &parameters, unsigned) {
  Arguments a(parameters, 3);
  for (uint64_t i = 0; i < a.word(2); ++i) {
    double count = a.operand<double>(0)[i];
    a.operand<float>(1)[i] = count > 0 ? float(1 / count) : 0;
  }
}

uint16_t rounded(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

void refresh(const Parameters &parameters, unsigned) {
  Arguments a(parameters, 2);
  for (int64_t i = 0; i < allElements; ++i)
    a.operand<uint16_t>(1)[i] = rounded(a.operand<float>(0)[i]);
}

void update(const Parameters &parameters, unsigned) {
  Arguments a(parameters, 6);
  float *values = a.operand<float>(0), *gradients = a.operand<float>(1);
  float *first = a.operand<float>(2), *second = a.operand<float>(3);
  auto &state = *a.operand<caa_optimizer_state>(5);
  // Group 1 is "gate": the head alone.
  auto groupOf = [](int64_t i) -> uint32_t { return i >= headAt; };
  for (auto &group : state.groups)
    group.sum_squares = 0;
  for (int64_t i = tableAt; i < allElements; ++i)
    state.groups[state.groups[groupOf(i)].norm].sum_squares += double(gradients[i]) * gradients[i];
  state.skip = 0;
  for (auto &group : state.groups) {
    state.skip |= !std::isfinite(float(group.sum_squares));
    const caa_optimizer_group &by = state.groups[group.norm];
    group.scale = float(std::min(1.0, by.clip / (std::sqrt(by.sum_squares) + 1e-6)));
  }
  state.skipped = state.skip ? state.skipped + 1 : 0;
  for (int64_t i = 0; i < allElements && !state.skip; ++i) {
    const caa_optimizer_group &group = state.groups[groupOf(i)];
    const double g = double(gradients[i]) * group.scale, rate = double(state.lr) * group.lr_factor;
    const double m = state.beta1 * first[i] + (1.0 - state.beta1) * g;
    const double v = state.beta2 * second[i] + (1.0 - state.beta2) * g * g;
    double value = values[i];
    if (i >= firstAt) // the table does not decay
      value -= rate * group.weight_decay * value;
    value -= rate * (m * state.first_correction) / (std::sqrt(v * state.second_correction) + state.eps);
    if (i >= firstAt && i < headAt)
      value = std::clamp(value, double(-0.9f), double(0.9f));
    first[i] = float(m);
    second[i] = float(v);
    values[i] = float(value);
    a.operand<uint16_t>(4)[i] = rounded(values[i]);
  }
  std::fill(gradients, gradients + allElements, 0.0f);
}

} // namespace

FakeKernel fakeKernel(const std::string &, const std::string &name) {
  using Sample = void (*)(const Parameters &, unsigned);
  static const std::map<std::string, Sample> kernels = {
      {"embed", embed},          {"add", add},       {"square_loss", squareLoss}, {"count_rows", countRows},
      {"refresh", refresh},      {"update", update}, {"caa_loss_scales", lossScales}};
  auto found = kernels.find(name);
  if (found == kernels.end())
    return nullptr;
  return [sample = found->second](const FakeLaunch &launch) { return sample(launch.parameters, launch.grid), 0; };
}

MemoryWatch &memoryWatch() {
  static MemoryWatch none;
  return none;
}

} // namespace caa::test
