// Queueing a step, and the one kernel that is the runtime's own.
#include "runtime/device/cuda/gpu_step.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <fmt/format.h>
#include <limits>

namespace caa::cuda {
namespace {

/// scales[i] = counts[i] > 0 ? float(1 / counts[i]) : 0, a thread per loss: Model::scalesOf on the device, so that the
/// host need not wait for the counts.
constexpr const char *lossScalesPtx = R"(.version 7.0
.target sm_80
.address_size 64
.visible .entry caa_loss_scales(.param .u64 counts, .param .u64 scales, .param .u32 losses)
{
  .reg .pred %outside, %counted;
  .reg .u32 %i, %block, %losses;
  .reg .u64 %counts, %scales, %at;
  .reg .f64 %count, %inverse;
  .reg .f32 %scale;
  mov.u32 %i, %tid.x;
  mov.u32 %block, %ctaid.x;
  mad.lo.u32 %i, %block, 128, %i;
  ld.param.u32 %losses, [losses];
  setp.ge.u32 %outside, %i, %losses;
  @%outside ret;
  ld.param.u64 %counts, [counts];
  mad.wide.u32 %at, %i, 8, %counts;
  ld.global.f64 %count, [%at];
  setp.gt.f64 %counted, %count, 0d0000000000000000;
  rcp.rn.f64 %inverse, %count;
  cvt.rn.f32.f64 %scale, %inverse;
  selp.f32 %scale, %scale, 0f00000000, %counted;
  ld.param.u64 %scales, [scales];
  mad.wide.u32 %at, %i, 4, %scales;
  st.global.f32 [%at], %scale;
  ret;
}
)";

constexpr std::string_view what = "a training step";

} // namespace

Result<EntryPlan> GpuStep::plan(std::string_view entry, int64_t rows) const {
  return planEntry(runner_.image(), runner_.target(), entry, rows, length_);
}

Result<std::unique_ptr<GpuStep>> GpuStep::create(Runner &runner, int64_t batch, int64_t microBatch, int64_t length) {
  std::unique_ptr<GpuStep> step(new GpuStep(runner));
  const Device &device = runner.device();
  const DriverTable &api = device.api();
  step->batch_ = batch;
  step->microBatch_ = microBatch;
  step->length_ = length;
  const int64_t rest = batch % microBatch ? batch % microBatch : microBatch;
  for (size_t i = 0; i < 2; ++i) {
    CAA_TRY(step->counts_[i], step->plan("loss_counts", i == 0 ? microBatch : rest));
    CAA_TRY(step->micro_[i], step->plan("micro_step", i == 0 ? microBatch : rest));
  }
  CAA_TRY(step->update_, planEntry(runner.image(), runner.target(), "update", 1, 1));
  // The largest first, so that the arena is there from the beginning.
  for (const EntryPlan *plan : {&step->micro_[0], &step->micro_[1], &step->counts_[0], &step->update_}) {
    CAA_TRY([[maybe_unused]] auto bound, runner.bind(*plan));
  }

  CAA_TRY(step->copies_, Stream::create(device));
  const int64_t bytes = 3 * batch * length * 4;
  for (Slot &slot : step->slots_) {
    CAA_TRY(slot.host, PinnedMemory::allocate(device, bytes));
    CAA_TRY(slot.device, DeviceMemory::allocate(device, bytes, "tokens"));
    CAA_TRY(slot.copied, Event::create(device, false));
  }
  CAA_TRY(step->state_, PinnedMemory::allocate(device, sizeof(caa_optimizer_state)));
  const int64_t reports = runner.stateBytes(CAA_BUFFER_REPORT), sums = runner.stateBytes(CAA_BUFFER_LOSS_SUM);
  CAA_TRY(step->results_, PinnedMemory::allocate(device, int64_t(sizeof(caa_optimizer_state)) + sums + reports));
  CAA_TRY(step->emptyReports_, DeviceMemory::allocate(device, reports, "reports"));
  if (reports) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    std::vector<double> empty;
    for (int64_t i = 0; i < reports / 40; ++i)
      empty.insert(empty.end(), {0, 0, 0, infinity, -infinity});
    CAA_CHECK(device.check(what, api.cuMemcpyHtoDAsync(step->emptyReports_.address(), empty.data(), size_t(reports),
                                                       runner.stream())));
    CAA_CHECK(runner.synchronize());
  }
  CAA_CHECK(device.check("the runtime's own kernel",
                         api.cuModuleLoadDataEx(&step->module_, lossScalesPtx, 0, nullptr, nullptr)));
  CAA_CHECK(device.check("the runtime's own kernel",
                         api.cuModuleGetFunction(&step->lossScales_, step->module_, "caa_loss_scales")));
  return step;
}

GpuStep::~GpuStep() {
  if (copies_.handle())
    runner_.device().api().cuStreamSynchronize(copies_.handle());
  if (module_)
    runner_.device().api().cuModuleUnload(module_);
}

Status GpuStep::upload(std::span<const int32_t> tokens, std::span<const int32_t> position,
                       std::span<const int32_t> doc) {
  const DriverTable &api = runner_.device().api();
  // The step that used this slot has ended: at most one is queued, on the other slot.
  Slot &slot = slots_[uploads_ % 2];
  const int64_t count = batch_ * length_;
  int64_t part = 0;
  for (auto values : {tokens, position, doc}) {
    if (int64_t(values.size()) != count)
      return internalError("a training step was given rows of another size");
    std::memcpy(slot.host.data() + 4 * count * part++, values.data(), values.size_bytes());
  }
  CAA_CHECK(runner_.device().check(what, api.cuMemcpyHtoDAsync(slot.device.address(), slot.host.data(),
                                                               size_t(slot.host.size()), copies_.handle())));
  CAA_CHECK(runner_.device().check(what, api.cuEventRecord(slot.copied.handle(), copies_.handle())));
  ++uploads_;
  return {};
}

/// Places the entry and copies the tokens of rows from `row` on to where it reads them.
Status GpuStep::bindTokens(const EntryPlan &plan, Bound *&bound, int64_t row) {
  CAA_TRY(bound, runner_.bind(plan));
  const Image &image = runner_.image();
  const Slot &slot = slots_[steps_ % 2];
  auto values = image.valuesOf(*plan.entry);
  for (size_t i = 0; i < values.size(); ++i) {
    auto name = image.text(values[i].name);
    const int64_t part = name == "tokens" ? 0 : name == "position" ? 1 : name == "doc" ? 2 : -1;
    const int64_t bytes = plan.dimensions.rows * 4;
    if (part < 0 || plan.valueBytes[i] != bytes)
      return image.error(fmt::format("entry `{}` has a value `{}` that this program does not know",
                                     image.text(plan.entry->name), name));
    const auto from = slot.device.address() + CUdeviceptr(4 * (part * batch_ + row) * length_);
    CAA_CHECK(runner_.device().check(
        what, runner_.device().api().cuMemcpyDtoDAsync(bound->values[i], from, size_t(bytes), runner_.stream())));
  }
  return {};
}

Status GpuStep::queue(const caa_optimizer_state &state) {
  const Device &device = runner_.device();
  const DriverTable &api = device.api();
  const CUstream stream = runner_.stream();
  auto clear = [&](uint32_t kind) -> Status {
    CAA_TRY(CUdeviceptr at, runner_.state(kind));
    const int64_t bytes = runner_.stateBytes(kind);
    return bytes ? device.check(what, api.cuMemsetD8Async(at, 0, size_t(bytes), stream)) : Status();
  };
  CAA_CHECK(device.check(what, api.cuStreamWaitEvent(stream, slots_[steps_ % 2].copied.handle(), 0)));
  CAA_CHECK(clear(CAA_BUFFER_LOSS_COUNT));
  CAA_CHECK(clear(CAA_BUFFER_LOSS_SUM));
  const int64_t reports = emptyReports_.size();
  CAA_TRY(CUdeviceptr reportState, runner_.state(CAA_BUFFER_REPORT));
  if (reports)
    CAA_CHECK(device.check(
        what, api.cuMemcpyDtoDAsync(reportState, emptyReports_.address(), size_t(reports), stream)));

  auto each = [&](const std::array<EntryPlan, 2> &plans) -> Status {
    for (int64_t row = 0; row < batch_; row += microBatch_) {
      Bound *bound = nullptr;
      CAA_CHECK(bindTokens(plans[row + microBatch_ > batch_ ? 1 : 0], bound, row));
      CAA_CHECK(runner_.enqueue(*bound));
    }
    return {};
  };
  CAA_CHECK(each(counts_));
  CAA_TRY(CUdeviceptr counts, runner_.state(CAA_BUFFER_LOSS_COUNT));
  CAA_TRY(CUdeviceptr scales, runner_.state(CAA_BUFFER_LOSS_SCALE));
  auto losses = uint32_t(runner_.image().losses().size());
  if (losses > 0) {
    void *parameters[] = {&counts, &scales, &losses};
    CAA_CHECK(device.check(what, api.cuLaunchKernel(lossScales_, (losses + 127) / 128, 1, 1, 128, 1, 1, 0, stream,
                                                    parameters, nullptr)));
  }
  CAA_CHECK(each(micro_));

  // What the host sets lies before what kernels write.
  constexpr size_t setBytes = offsetof(caa_optimizer_state, skip);
  const size_t bytes = isStateWritten_ ? setBytes : sizeof state;
  std::memcpy(state_.data(), &state, bytes);
  CAA_TRY(CUdeviceptr optimizer, runner_.state(CAA_BUFFER_OPTIMIZER));
  CAA_CHECK(device.check(what, api.cuMemcpyHtoDAsync(optimizer, state_.data(), bytes, stream)));
  isStateWritten_ = true;
  CAA_TRY(Bound * update, runner_.bind(update_));
  CAA_CHECK(runner_.enqueue(*update));

  std::byte *to = results_.data();
  for (uint32_t kind : {CAA_BUFFER_OPTIMIZER, CAA_BUFFER_LOSS_SUM, CAA_BUFFER_REPORT}) {
    const int64_t size = runner_.stateBytes(kind);
    CAA_TRY(CUdeviceptr from, runner_.state(kind));
    if (size)
      CAA_CHECK(device.check(what, api.cuMemcpyDtoHAsync(to, from, size_t(size), stream)));
    to += size;
  }
  return {};
}

Status GpuStep::begin(const caa_optimizer_state &state) {
  if (steps_ >= uploads_)
    return internalError("a training step began before its rows were there");
  return queue(state);
}

Result<GpuStep::Outcome> GpuStep::end() {
  CAA_CHECK(runner_.synchronize());
  ++steps_;
  Outcome outcome;
  std::memcpy(&outcome.state, results_.data(), sizeof outcome.state);
  auto doubles = [&](int64_t offset, int64_t bytes) {
    auto values = results_.as<double>(offset, bytes / 8);
    return std::vector<double>(values.begin(), values.end());
  };
  const int64_t sums = runner_.stateBytes(CAA_BUFFER_LOSS_SUM);
  outcome.sums = doubles(sizeof(caa_optimizer_state), sums);
  outcome.reports = doubles(int64_t(sizeof(caa_optimizer_state)) + sums, runner_.stateBytes(CAA_BUFFER_REPORT));
  return outcome;
}

} // namespace caa::cuda
