// Device memory: the blocks that were allocated, and which of their bytes have been written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <shared_mutex>

namespace caa::ptx {

struct Allocation {
  uint64_t begin = 0, end = 0;
  uint8_t *written = nullptr; // a byte each, 1 if written
};

/// Thread-safe but for the bytes themselves, as on the device.
class GlobalMemory {
public:
  static GlobalMemory &get();

  void add(uint64_t address, uint64_t size);
  void remove(uint64_t address);
  /// The allocation that holds all of these bytes; null if there is none.
  const Allocation *find(uint64_t address, uint64_t size) const;

  /// Notes what others than kernels did to these bytes. `forget`: they hold nothing any more.
  void markWritten(uint64_t address, uint64_t size) { mark(address, size, 1); }
  void forget(uint64_t address, uint64_t size) { mark(address, size, 0); }
  void copied(uint64_t to, uint64_t from, uint64_t size);

private:
  void mark(uint64_t address, uint64_t size, uint8_t value);
  mutable std::shared_mutex mutex_;
  std::map<uint64_t, Allocation> allocations_; // by their begin
};

} // namespace caa::ptx
