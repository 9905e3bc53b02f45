#include "test/ptx/GlobalMemory.h"

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>

namespace caa::ptx {

GlobalMemory &GlobalMemory::get() {
  static GlobalMemory memory;
  return memory;
}

void GlobalMemory::add(uint64_t address, uint64_t size) {
  // calloc's pages take no room before they are written.
  auto *written = static_cast<uint8_t *>(std::calloc(size + 1, 1));
  if (!written)
    throw std::bad_alloc();
  std::unique_lock lock(mutex_);
  allocations_[address] = {address, address + size, written};
}

void GlobalMemory::remove(uint64_t address) {
  std::unique_lock lock(mutex_);
  auto found = allocations_.find(address);
  if (found == allocations_.end())
    return;
  std::free(found->second.written);
  allocations_.erase(found);
}

const Allocation *GlobalMemory::find(uint64_t address, uint64_t size) const {
  std::shared_lock lock(mutex_);
  auto after = allocations_.upper_bound(address);
  if (after == allocations_.begin())
    return nullptr;
  const Allocation &found = std::prev(after)->second;
  return address + size <= found.end ? &found : nullptr;
}

void GlobalMemory::mark(uint64_t address, uint64_t size, uint8_t value) {
  if (const Allocation *found = find(address, size))
    std::memset(found->written + (address - found->begin), value, size);
}

void GlobalMemory::copied(uint64_t to, uint64_t from, uint64_t size) {
  const Allocation *target = find(to, size), *source = find(from, size);
  if (target && source)
    std::memmove(target->written + (to - target->begin), source->written + (from - source->begin), size);
}

} // namespace caa::ptx
