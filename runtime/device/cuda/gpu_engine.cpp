// Copies around entries; rounding parameters; what is left of the device.
#include "runtime/device/cuda/gpu_engine.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <limits>

namespace caa::cuda {
namespace {

/// What cuBLASLt and the driver take beside what we ask for.
constexpr int64_t reserveBytes = int64_t(256) << 20;

uint32_t kindOf(StateArena arena) {
  switch (arena) {
  case StateArena::Parameters:
    return CAA_BUFFER_PARAMETERS;
  case StateArena::Gradients:
    return CAA_BUFFER_GRADIENTS;
  case StateArena::FirstMoment:
    return CAA_BUFFER_MOMENT1;
  default:
    return CAA_BUFFER_MOMENT2;
  }
}

} // namespace

bool GpuEngine::isUsable(const Image &image) {
  if (!image.hasTarget(CAA_TARGET_SM80) && !image.hasTarget(CAA_TARGET_SM90A))
    return false; // not even asking the driver, which takes a while to start
  auto device = Device::find(0);
  return device && targetFor(**device, image);
}

Result<std::unique_ptr<GpuEngine>> GpuEngine::open(int index, const Image &image, bool deterministic) {
  std::unique_ptr<GpuEngine> engine(new GpuEngine);
  CAA_TRY(auto device, Device::find(index));
  CAA_TRY(engine->runner_, Runner::open(std::move(device), image, deterministic));
  return engine;
}

std::string GpuEngine::code() const {
  return fmt::format("{} on {}", nameOfTarget(target()), runner_->device().name());
}

std::string GpuEngine::place() const {
  return fmt::format("GPU {} ({})", runner_->device().index(), runner_->device().name());
}

Status GpuEngine::upload(CUdeviceptr to, const void *from, int64_t bytes, std::string_view what) {
  if (bytes == 0)
    return {};
  const Device &device = runner_->device();
  return device.check(what, device.api().cuMemcpyHtoDAsync(to, from, size_t(bytes), runner_->stream()));
}

Status GpuEngine::download(void *to, CUdeviceptr from, int64_t bytes, std::string_view what) {
  if (bytes == 0)
    return {};
  const Device &device = runner_->device();
  return device.check(what, device.api().cuMemcpyDtoHAsync(to, from, size_t(bytes), runner_->stream()));
}

/// Losses and reports, as far as they are bound, to the device or back.
Status GpuEngine::copyState(const Bindings &bindings, bool in) {
  auto copy = [&](uint32_t kind, auto values) -> Status {
    if (values.empty())
      return {};
    const int64_t bytes = runner_->stateBytes(kind);
    if (int64_t(values.size_bytes()) < bytes)
      return internalError("an entry was run with too few losses or reports");
    CAA_TRY(CUdeviceptr at, runner_->state(kind));
    return in ? upload(at, values.data(), bytes, "losses and reports")
              : download(values.data(), at, bytes, "losses and reports");
  };
  if (in)
    CAA_CHECK(copy(CAA_BUFFER_LOSS_SCALE, bindings.lossScale));
  CAA_CHECK(copy(CAA_BUFFER_LOSS_SUM, bindings.lossSum));
  CAA_CHECK(copy(CAA_BUFFER_LOSS_COUNT, bindings.lossCount));
  return copy(CAA_BUFFER_REPORT, bindings.reports);
}

Status GpuEngine::run(const EntryPlan &plan, const Bindings &bindings) {
  CAA_TRY(Bound * bound, runner_->bind(plan));
  const Image &image = runner_->image();
  auto values = image.valuesOf(*plan.entry);
  for (size_t i = 0; i < values.size(); ++i) {
    if (i >= bindings.values.size() || !bindings.values[i])
      return internalError(fmt::format("entry `{}` was run without value `{}`", image.text(plan.entry->name),
                                       image.text(values[i].name)));
    if (values[i].direction == CAA_INPUT)
      CAA_CHECK(upload(bound->values[i], bindings.values[i], plan.valueBytes[i], image.text(values[i].name)));
  }
  CAA_CHECK(copyState(bindings, true));
  if (observer_)
    CAA_CHECK(runner_->runTimed(*bound, observer_));
  else
    CAA_CHECK(runner_->enqueue(*bound));
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i].direction == CAA_OUTPUT)
      CAA_CHECK(download(bindings.values[i], bound->values[i], plan.valueBytes[i], image.text(values[i].name)));
  CAA_CHECK(copyState(bindings, false));
  return runner_->synchronize();
}

Status GpuEngine::write(StateArena arena, std::span<const float> values) {
  CAA_TRY(CUdeviceptr to, runner_->state(kindOf(arena)));
  const auto bytes = int64_t(values.size_bytes());
  if (bytes != runner_->stateBytes(kindOf(arena)))
    return internalError("an arena of another size was written to the GPU");
  CAA_CHECK(upload(to, values.data(), bytes, "parameters"));
  if (arena == StateArena::Parameters && runner_->image().findEntry(target(), "refresh")) {
    CAA_TRY(auto plan, planEntry(runner_->image(), target(), "refresh", 1, 1));
    CAA_TRY(Bound * refresh, runner_->bind(plan));
    CAA_CHECK(runner_->enqueue(*refresh));
  }
  return runner_->synchronize();
}

Status GpuEngine::read(StateArena arena, std::span<float> values) {
  CAA_TRY(CUdeviceptr from, runner_->state(kindOf(arena)));
  if (int64_t(values.size_bytes()) != runner_->stateBytes(kindOf(arena)))
    return internalError("an arena of another size was read from the GPU");
  CAA_CHECK(download(values.data(), from, int64_t(values.size_bytes()), "parameters"));
  return runner_->synchronize();
}

int64_t GpuEngine::parameterBytes() const {
  return runner_->stateBytes(CAA_BUFFER_PARAMETERS) +
         (runner_->hasRoundedParameters() ? runner_->stateBytes(CAA_BUFFER_PARAMETERS_BF16) : 0);
}

int64_t GpuEngine::trainingBytes() const { return parameterBytes() + 3 * runner_->stateBytes(CAA_BUFFER_GRADIENTS); }

Result<int64_t> GpuEngine::availableMemory() const {
  CAA_TRY(auto memory, runner_->device().memory());
  int64_t available = std::max<int64_t>(memory.free - reserveBytes, 0);
  if (const char *own = std::getenv("CAA_MEMORY"))
    available = std::min<int64_t>(available, std::strtoll(own, nullptr, 10));
  return available;
}

std::string GpuEngine::memoryNote() const {
  auto memory = runner_->device().memory();
  if (!memory)
    return {};
  // Beside what we asked for, a process of ours takes a few hundred MiB.
  const int64_t others = memory->total - memory->free - runner_->device().allocated() - (int64_t(1) << 30);
  if (others <= 0)
    return {};
  return fmt::format("; other processes hold about {} of its {} (`nvidia-smi` names them)", formatBytes(others),
                     formatBytes(memory->total));
}

Result<double> GpuEngine::measureCopyRate() {
  constexpr int64_t bytes = int64_t(1) << 30;
  constexpr int runs = 10;
  const Device &device = runner_->device();
  CAA_TRY(auto memory, DeviceMemory::allocate(device, 2 * bytes, "measuring the rate of copies"));
  CAA_TRY(auto start, Event::create(device, true));
  CAA_TRY(auto end, Event::create(device, true));
  constexpr std::string_view what = "measuring the rate of copies";
  for (int run = -1; run < runs; ++run) { // the first one is to warm up
    if (run == 0)
      CAA_CHECK(device.check(what, device.api().cuEventRecord(start.handle(), runner_->stream())));
    CAA_CHECK(device.check(what, device.api().cuMemcpyDtoDAsync(memory.address(), memory.address() + CUdeviceptr(bytes),
                                                                size_t(bytes), runner_->stream())));
  }
  CAA_CHECK(device.check(what, device.api().cuEventRecord(end.handle(), runner_->stream())));
  CAA_CHECK(runner_->synchronize());
  float milliseconds = 0;
  CAA_CHECK(device.check(what, device.api().cuEventElapsedTime(&milliseconds, start.handle(), end.handle())));
  return 2.0 * double(bytes) * runs / (double(milliseconds) * 1e-3);
}

} // namespace caa::cuda
