// Opening a GPU; RAII.
#include "runtime/device/cuda/device.h"

#include "runtime/engine/arena.h"

#include <algorithm>
#include <fmt/format.h>

namespace caa::cuda {

Result<std::unique_ptr<Device>> Device::find(int index) {
  CAA_TRY(const Driver *driver, Driver::load());
  if (index < 0 || index >= driver->deviceCount())
    return inputError(fmt::format("there is no GPU {}: there {} {} GPU{}, counted from 0", index,
                                  driver->deviceCount() == 1 ? "is" : "are", driver->deviceCount(),
                                  driver->deviceCount() == 1 ? "" : "s"));
  std::unique_ptr<Device> device(new Device(*driver));
  const DriverTable &api = driver->api;
  const auto what = fmt::format("GPU {}", index);
  device->index_ = index;
  CAA_CHECK(driver->check(what, api.cuDeviceGet(&device->handle_, index)));
  char name[256] = "";
  CAA_CHECK(driver->check(what, api.cuDeviceGetName(name, sizeof name, device->handle_)));
  device->name_ = name;
  int major = 0, minor = 0;
  for (auto [attribute, value] :
       {std::pair{int(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR), &major},
        {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, &minor},
        {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, &device->multiprocessors_},
        {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, &device->sharedBytes_}})
    CAA_CHECK(driver->check(what, api.cuDeviceGetAttribute(value, attribute, device->handle_)));
  device->capability_ = 10 * major + minor;
  return device;
}

Status Device::start() {
  const auto what = fmt::format("GPU {} ({})", index_, name_);
  int code = api().cuDevicePrimaryCtxRetain(&context_, handle_);
  if (code == CUDA_ERROR_DEVICE_UNAVAILABLE)
    return inputError(fmt::format("{} belongs to another process (exclusive mode)", what));
  if (code == CUDA_ERROR_OUT_OF_MEMORY)
    return inputError(fmt::format("{} has no memory left even to start: another process holds it (`nvidia-smi` names "
                                  "it)",
                                  what));
  CAA_CHECK(check(what, code));
  return check(what, api().cuCtxSetCurrent(context_));
}

Device::~Device() {
  if (context_)
    api().cuDevicePrimaryCtxRelease(handle_);
}

Result<Device::MemoryInfo> Device::memory() const {
  size_t free = 0, total = 0;
  CAA_CHECK(check("the GPU's memory", api().cuMemGetInfo(&free, &total)));
  return MemoryInfo{int64_t(free), int64_t(total)};
}

Result<DeviceMemory> DeviceMemory::allocate(const Device &device, int64_t bytes, std::string_view what) {
  DeviceMemory memory;
  if (bytes <= 0)
    return memory;
  int code = device.api().cuMemAlloc(&memory.address_, size_t(bytes));
  if (code == CUDA_ERROR_OUT_OF_MEMORY) {
    memory.address_ = 0;
    CAA_TRY(auto info, device.memory());
    return inputError(fmt::format("not enough memory on GPU {} ({}): {} for {}, and {} of {} are free", device.index(),
                                  device.name(), formatBytes(bytes), what, formatBytes(info.free),
                                  formatBytes(info.total)));
  }
  CAA_CHECK(device.check(what, code));
  memory.device_ = &device;
  memory.size_ = bytes;
  device.allocated_ += bytes;
  device.peakAllocated_ = std::max(device.peakAllocated_, device.allocated_);
  return memory;
}

DeviceMemory::~DeviceMemory() {
  if (!device_)
    return;
  device_->api().cuMemFree(address_);
  device_->allocated_ -= size_;
}

Result<PinnedMemory> PinnedMemory::allocate(const Device &device, int64_t bytes) {
  PinnedMemory memory;
  if (bytes <= 0)
    return memory;
  void *data = nullptr;
  CAA_CHECK(device.check("pinned memory of this machine", device.api().cuMemAllocHost(&data, size_t(bytes))));
  memory.data_ = static_cast<std::byte *>(data);
  memory.device_ = &device;
  memory.size_ = bytes;
  return memory;
}

PinnedMemory::~PinnedMemory() {
  if (device_)
    device_->api().cuMemFreeHost(data_);
}

Result<Stream> Stream::create(const Device &device) {
  Stream stream;
  CAA_CHECK(device.check("a stream", device.api().cuStreamCreate(&stream.handle_, CU_STREAM_NON_BLOCKING)));
  stream.device_ = &device;
  return stream;
}

Stream::~Stream() {
  if (device_)
    device_->api().cuStreamDestroy(handle_);
}

Result<Event> Event::create(const Device &device, bool timing) {
  Event event;
  CAA_CHECK(device.check(
      "an event", device.api().cuEventCreate(&event.handle_, timing ? CU_EVENT_DEFAULT : CU_EVENT_DISABLE_TIMING)));
  event.device_ = &device;
  return event;
}

Event::~Event() {
  if (device_)
    device_->api().cuEventDestroy(handle_);
}

} // namespace caa::cuda
