// One GPU: its context, what it is, and the things that live on it. All are moved, never copied, and give back what they
// hold; a Device outlives what was made from it.
#pragma once

#include "runtime/device/cuda/driver.h"

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace caa::cuda {

class Device {
public:
  /// GPU `index` of those that the driver sees; nothing of it is taken yet.
  static Result<std::unique_ptr<Device>> find(int index);
  /// Takes the device and makes its context the calling thread's. What is made from a Device wants that.
  Status start();
  ~Device();
  Device(const Device &) = delete;

  const DriverTable &api() const { return driver_.api; }
  const Driver &driver() const { return driver_; }
  int index() const { return index_; }
  const std::string &name() const { return name_; }
  /// 90 for compute capability 9.0.
  int capability() const { return capability_; }
  int multiprocessors() const { return multiprocessors_; }
  /// Bytes of dynamic shared memory that a block may ask for.
  int sharedBytes() const { return sharedBytes_; }

  struct MemoryInfo {
    int64_t free = 0, total = 0;
  };
  Result<MemoryInfo> memory() const;
  /// Bytes that DeviceMemory holds here, and the most that it has held.
  int64_t allocated() const { return allocated_; }
  int64_t peakAllocated() const { return peakAllocated_; }

  Status check(std::string_view what, int code) const { return driver_.check(what, code); }

private:
  explicit Device(const Driver &driver) : driver_(driver) {}
  const Driver &driver_;
  CUdevice handle_ = 0;
  CUcontext context_ = nullptr;
  int index_ = 0, capability_ = 0, multiprocessors_ = 0, sharedBytes_ = 0;
  std::string name_;
  mutable int64_t allocated_ = 0, peakAllocated_ = 0;
  friend class DeviceMemory;
};

/// Memory of the device, 256-byte aligned.
class DeviceMemory {
public:
  DeviceMemory() = default;
  /// An error that says what is left and for what it was asked.
  static Result<DeviceMemory> allocate(const Device &device, int64_t bytes, std::string_view what);
  DeviceMemory(DeviceMemory &&other) noexcept { *this = std::move(other); }
  DeviceMemory &operator=(DeviceMemory &&other) noexcept {
    std::swap(device_, other.device_);
    std::swap(address_, other.address_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~DeviceMemory();

  CUdeviceptr address() const { return address_; }
  int64_t size() const { return size_; }

private:
  const Device *device_ = nullptr;
  CUdeviceptr address_ = 0;
  int64_t size_ = 0;
};

/// Memory of the host that the device copies from and to without the processor.
class PinnedMemory {
public:
  PinnedMemory() = default;
  static Result<PinnedMemory> allocate(const Device &device, int64_t bytes);
  PinnedMemory(PinnedMemory &&other) noexcept { *this = std::move(other); }
  PinnedMemory &operator=(PinnedMemory &&other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~PinnedMemory();

  std::byte *data() const { return data_; }
  int64_t size() const { return size_; }
  template <typename T> std::span<T> as(int64_t offset, int64_t count) const {
    return {reinterpret_cast<T *>(data_ + offset), size_t(count)};
  }

private:
  const Device *device_ = nullptr;
  std::byte *data_ = nullptr;
  int64_t size_ = 0;
};

/// A queue of work in order.
class Stream {
public:
  static Result<Stream> create(const Device &device);
  Stream() = default;
  Stream(Stream &&other) noexcept { *this = std::move(other); }
  Stream &operator=(Stream &&other) noexcept {
    std::swap(device_, other.device_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Stream();
  CUstream handle() const { return handle_; }

private:
  const Device *device_ = nullptr;
  CUstream handle_ = nullptr;
};

/// A mark in a stream that others wait for and that tells the time.
class Event {
public:
  static Result<Event> create(const Device &device, bool timing);
  Event() = default;
  Event(Event &&other) noexcept { *this = std::move(other); }
  Event &operator=(Event &&other) noexcept {
    std::swap(device_, other.device_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Event();
  CUevent handle() const { return handle_; }

private:
  const Device *device_ = nullptr;
  CUevent handle_ = nullptr;
};

} // namespace caa::cuda
