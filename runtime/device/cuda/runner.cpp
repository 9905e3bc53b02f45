// Memory, graphs and faults.
#include "runtime/device/cuda/runner.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>

namespace caa::cuda {
namespace {

int64_t aligned(int64_t bytes) { return (bytes + arenaAlignment - 1) / arenaAlignment * arenaAlignment; }

/// The kind that holds all of what a buffer of `kind` is a part of.
uint32_t wholeOf(uint32_t kind) {
  switch (kind) {
  case CAA_BUFFER_PARAMETER:
    return CAA_BUFFER_PARAMETERS;
  case CAA_BUFFER_GRADIENT:
    return CAA_BUFFER_GRADIENTS;
  case CAA_BUFFER_PARAMETER_BF16:
    return CAA_BUFFER_PARAMETERS_BF16;
  default:
    return kind;
  }
}

std::string_view nameOfState(uint32_t kind) {
  switch (kind) {
  case CAA_BUFFER_PARAMETERS:
    return "parameters";
  case CAA_BUFFER_GRADIENTS:
    return "gradients";
  case CAA_BUFFER_MOMENT1:
  case CAA_BUFFER_MOMENT2:
    return "the optimizer's moments";
  case CAA_BUFFER_PARAMETERS_BF16:
    return "rounded parameters";
  default:
    return "losses and reports";
  }
}

} // namespace

Graph::~Graph() {
  if (device_)
    device_->api().cuGraphExecDestroy(handle_);
}

Result<std::unique_ptr<Runner>> Runner::open(std::unique_ptr<Device> device, const Image &image, bool deterministic) {
  std::unique_ptr<Runner> runner(new Runner(image));
  runner->device_ = std::move(device);
  CAA_TRY(runner->target_, targetFor(*runner->device_, image));
  CAA_CHECK(runner->device_->start());
  CAA_TRY(runner->stream_, Stream::create(*runner->device_));
  CAA_TRY(runner->kernels_, Kernels::load(*runner->device_, image, runner->target_));
  CAA_TRY(runner->products_, Products::create(*runner->device_, deterministic));
  runner->waitsAlways_ = std::getenv("CAA_SYNC") != nullptr;
  return runner;
}

Runner::~Runner() {
  if (stream_.handle())
    device_->api().cuStreamSynchronize(stream_.handle());
}

int64_t Runner::stateBytes(uint32_t kind) const {
  switch (kind) {
  case CAA_BUFFER_PARAMETERS:
  case CAA_BUFFER_GRADIENTS:
  case CAA_BUFFER_MOMENT1:
  case CAA_BUFFER_MOMENT2:
    return 4 * parameterElements(image_);
  case CAA_BUFFER_PARAMETERS_BF16:
    return 2 * parameterElements(image_);
  case CAA_BUFFER_LOSS_SCALE:
    return 4 * int64_t(image_.losses().size());
  case CAA_BUFFER_LOSS_SUM:
  case CAA_BUFFER_LOSS_COUNT:
    return 8 * int64_t(image_.losses().size());
  case CAA_BUFFER_REPORT:
    return 40 * int64_t(image_.reports().size());
  case CAA_BUFFER_OPTIMIZER:
    return sizeof(caa_optimizer_state);
  default:
    return 0;
  }
}

bool Runner::hasRoundedParameters() const {
  return std::any_of(image_.entries().begin(), image_.entries().end(), [&](const caa_entry &entry) {
    auto buffers = image_.buffersOf(entry);
    return entry.target == uint32_t(target_) && std::any_of(buffers.begin(), buffers.end(), [](const caa_buffer &b) {
             return wholeOf(b.kind) == CAA_BUFFER_PARAMETERS_BF16;
           });
  });
}

Result<CUdeviceptr> Runner::state(uint32_t kind) {
  auto found = state_.find(kind);
  if (found == state_.end()) {
    const int64_t bytes = stateBytes(kind);
    CAA_TRY(auto memory, DeviceMemory::allocate(*device_, bytes, nameOfState(kind)));
    if (bytes > 0)
      CAA_CHECK(device_->check(nameOfState(kind),
                               device_->api().cuMemsetD8Async(memory.address(), 0, size_t(bytes), stream())));
    found = state_.emplace(kind, std::move(memory)).first;
  }
  return found->second.address();
}

int64_t Runner::bytesOf(const EntryPlan &plan) {
  int64_t bytes = aligned(plan.arena.bytes);
  for (int64_t value : plan.valueBytes)
    bytes += aligned(value);
  return bytes;
}

Status Runner::reserve(int64_t bytes) {
  if (bytes <= arena_.size())
    return {};
  CAA_CHECK(synchronize());
  arena_ = {};
  ++generation_;
  CAA_TRY(arena_, DeviceMemory::allocate(*device_, bytes, "activations"));
  return {};
}

Result<CUdeviceptr> Runner::baseOf(const caa_buffer &buffer, size_t number, const Bound &bound) {
  switch (buffer.kind) {
  case CAA_BUFFER_ARENA:
    return arena_.address() + CUdeviceptr(bound.plan.arenaOffsets[number]);
  case CAA_BUFFER_VALUE:
    return bound.values[buffer.index - bound.plan.entry->first_value];
  case CAA_BUFFER_CONSTANT:
    if (!constants_.address()) {
      auto bytes = image_.bytes();
      CAA_TRY(constants_, DeviceMemory::allocate(*device_, int64_t(bytes.size()), "constants"));
      CAA_CHECK(device_->check("constants", device_->api().cuMemcpyHtoDAsync(constants_.address(), bytes.data(),
                                                                             bytes.size(), stream())));
    }
    return constants_.address() + CUdeviceptr(buffer.index);
  default:
    break;
  }
  CAA_TRY(CUdeviceptr base, state(wholeOf(buffer.kind)));
  if (buffer.kind == CAA_BUFFER_PARAMETER || buffer.kind == CAA_BUFFER_GRADIENT)
    base += 4 * image_.parameters()[buffer.index].offset;
  if (buffer.kind == CAA_BUFFER_PARAMETER_BF16)
    base += 2 * image_.parameters()[buffer.index].offset;
  return base;
}

Status Runner::place(Bound &bound) {
  bound.graph = {};
  bound.values.clear();
  CUdeviceptr next = arena_.address() + CUdeviceptr(aligned(bound.plan.arena.bytes));
  for (int64_t bytes : bound.plan.valueBytes) {
    bound.values.push_back(next);
    next += CUdeviceptr(aligned(bytes));
  }
  std::vector<CUdeviceptr> bases;
  auto buffers = image_.buffersOf(*bound.plan.entry);
  for (size_t i = 0; i < buffers.size(); ++i) {
    CAA_TRY(CUdeviceptr base, baseOf(buffers[i], i, bound));
    bases.push_back(base);
  }
  CAA_TRY(bound.operations, bindOperations(*device_, image_, kernels_, bound.plan, bases));
  for (const Operation &operation : bound.operations)
    if (operation.command->kind == CAA_COMMAND_PRODUCT)
      CAA_CHECK(products_->prepare(operation.product, stream(), describe(image_, *operation.command)));
  bound.generation = generation_;
  return {};
}

Result<Bound *> Runner::bind(const EntryPlan &plan) {
  CAA_CHECK(reserve(bytesOf(plan)));
  auto key = fmt::format("{} {} {}", image_.text(plan.entry->name), plan.dimensions.batch, plan.dimensions.length);
  auto found = bound_.find(key);
  if (found == bound_.end()) {
    if (bound_.size() > 64) // generation meets every length
      bound_.clear();
    found = bound_.try_emplace(std::move(key)).first;
    found->second.plan = plan;
    found->second.generation = generation_ + 1; // no address yet
  }
  Bound &bound = found->second;
  if (bound.generation != generation_)
    CAA_CHECK(place(bound));
  return &bound;
}

Status Runner::enqueueAll(Bound &bound) {
  if (poison_ && bound.plan.arena.bytes > 0)
    CAA_CHECK(device_->check("poison", device_->api().cuMemsetD8Async(arena_.address(), 0xff,
                                                                      size_t(bound.plan.arena.bytes), stream())));
  for (const Operation &operation : bound.operations) {
    CAA_CHECK(cuda::enqueue(*device_, image_, *products_, operation, stream()));
    int code = waitsAlways_ ? device_->api().cuStreamSynchronize(stream()) : CUDA_SUCCESS;
    if (code != CUDA_SUCCESS) {
      Error error = fault(fmt::format("{} of entry `{}`", describe(image_, *operation.command),
                                      image_.text(bound.plan.entry->name)),
                          code);
      if (error.fault)
        error.fault->isNamed = true; // it was alone in the queue
      return error;
    }
  }
  return {};
}

Result<Graph> Runner::record(Bound &bound) {
  const DriverTable &api = device_->api();
  const auto what = fmt::format("recording entry `{}`", image_.text(bound.plan.entry->name));
  CAA_CHECK(device_->check(what, api.cuStreamBeginCapture(stream(), CU_STREAM_CAPTURE_MODE_RELAXED)));
  Status queued = enqueueAll(bound);
  CUgraph graph = nullptr;
  int code = api.cuStreamEndCapture(stream(), &graph);
  CAA_CHECK(queued);
  CAA_CHECK(device_->check(what, code));
  CUgraphExec executable = nullptr;
  code = api.cuGraphInstantiate(&executable, graph, 0);
  api.cuGraphDestroy(graph);
  CAA_CHECK(device_->check(what, code));
  return Graph(*device_, executable);
}

Status Runner::enqueue(Bound &bound) {
  // Once alone, so that everything is loaded and what runs once costs no graph.
  if (waitsAlways_ || bound.runs++ == 0)
    return enqueueAll(bound);
  if (!bound.graph.handle()) {
    CAA_TRY(bound.graph, record(bound));
  }
  if (int code = device_->api().cuGraphLaunch(bound.graph.handle(), stream()))
    return fault(fmt::format("entry `{}`", image_.text(bound.plan.entry->name)), code);
  return {};
}

Status Runner::runTimed(Bound &bound, const Engine::Observer &observer) {
  const DriverTable &api = device_->api();
  std::vector<Event> events;
  for (size_t i = 0; i <= bound.operations.size(); ++i) {
    CAA_TRY(auto event, Event::create(*device_, true));
    events.push_back(std::move(event));
  }
  CAA_CHECK(synchronize());
  CAA_CHECK(device_->check("timing", api.cuEventRecord(events[0].handle(), stream())));
  for (size_t i = 0; i < bound.operations.size(); ++i) {
    CAA_CHECK(cuda::enqueue(*device_, image_, *products_, bound.operations[i], stream()));
    CAA_CHECK(device_->check("timing", api.cuEventRecord(events[i + 1].handle(), stream())));
  }
  CAA_CHECK(synchronize());
  for (size_t i = 0; i < bound.operations.size(); ++i) {
    float milliseconds = 0;
    CAA_CHECK(device_->check(
        "timing", api.cuEventElapsedTime(&milliseconds, events[i].handle(), events[i + 1].handle())));
    const Operation &operation = bound.operations[i];
    observer(size_t(operation.command - image_.commands().data()), operation.rows, double(milliseconds) * 1e-3);
  }
  return {};
}

Status Runner::synchronize() {
  int code = device_->api().cuStreamSynchronize(stream());
  return code == CUDA_SUCCESS ? Status() : Status(fault("the work queued", code));
}

Error Runner::fault(std::string_view what, int code) const {
  return device_->driver().error(
      fmt::format("{} failed on GPU {} ({})", what, device_->index(), device_->name()), code);
}

} // namespace caa::cuda
