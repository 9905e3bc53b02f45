#include "test/ptx/SharedMemory.h"

#include <algorithm>
#include <cstring>

namespace caa::ptx {
namespace {

std::string at(uint32_t address, uint32_t size) {
  return std::to_string(size) + " bytes of shared memory at " + std::to_string(address - sharedBase);
}
std::string named(uint32_t warp) { return warp == mostWarps ? "the copy engine" : "warp " + std::to_string(warp); }

} // namespace

void SharedMemory::reset(uint32_t bytes, uint32_t warps) {
  bytes_ = bytes;
  warps_ = warps;
  const uint32_t padded = (bytes + 15) / 16 * 16;
  data_.assign(padded, 0xff); // bfloat16 and float32 that are no numbers
  states_.assign(padded, Fresh);
  units_.assign(padded / unit, Unit());
  reads_.assign(size_t(padded / unit) * warps, 0);
  fences_.fill(0);
  serial_ = 1;
}

uint32_t SharedMemory::place(uint32_t address, uint32_t size, const char *what) const {
  if (address < sharedBase || address - sharedBase > bytes_ || bytes_ - (address - sharedBase) < size)
    throw Fault(std::string(what) + " " + at(address, size) + " beyond the block's " + std::to_string(bytes_));
  const uint32_t alignment = std::min(size & (~size + 1), 16u);
  if (address % alignment)
    throw Fault(std::string(what) + " " + at(address, size) + ", which is not aligned");
  return address - sharedBase;
}

void SharedMemory::checkStates(uint32_t place, uint32_t size, const char *what, bool reads) const {
  bool good = true;
  for (uint32_t i = 0; i < size; ++i)
    good &= states_[place + i] == Held;
  if (good)
    return;
  for (uint32_t i = 0; i < size; ++i) {
    const char *why = nullptr;
    switch (states_[place + i]) {
    case Fresh:
      why = reads ? "which nobody has written" : nullptr;
      break;
    case Arriving:
      why = "while a copy into it has not been waited for";
      break;
    case Leaving:
      why = reads ? nullptr : "while a copy out of it has not been waited for";
      break;
    case Barrier:
      why = "which is a barrier";
      break;
    default:
      break;
    }
    if (why)
      throw Fault(std::string(what) + " " + at(sharedBase + place, size) + ", " + why);
  }
}

void SharedMemory::afterWrites(uint32_t place, uint32_t size, const Accessor &by, const char *what, const void *data,
                               bool isAtomic) const {
  for (uint32_t i = place / unit; i <= (place + size - 1) / unit; ++i) {
    const Unit &last = units_[i];
    if (last.warp == none || (isAtomic && last.isAtomic))
      continue;
    if (last.warp != by.warp ? last.clock <= by.known.at[last.warp]
                             : last.lane == by.lane || last.isAsync || last.clock < by.known.at[by.warp])
      continue;
    if (data && std::memcmp(&data_[place], data, size) == 0) // the same value written twice
      continue;
    throw Fault(std::string(what) + " " + at(sharedBase + place, size) + ", which " + named(last.warp) +
                (last.warp == mostWarps ? "" : " lane " + std::to_string(last.lane)) +
                " wrote without a barrier between");
  }
}

void SharedMemory::afterReads(uint32_t place, uint32_t size, const Accessor &by, const char *what) const {
  for (uint32_t i = place / unit; i <= (place + size - 1) / unit; ++i)
    for (uint32_t warp = 0; warp < warps_; ++warp)
      if (warp != by.warp && reads_[size_t(i) * warps_ + warp] > by.known.at[warp])
        throw Fault(std::string(what) + " " + at(sharedBase + place, size) + ", which warp " + std::to_string(warp) +
                    " read without a barrier between");
}

void SharedMemory::noteWrite(uint32_t place, uint32_t size, const Accessor &by, bool isAtomic) {
  ++serial_;
  for (uint32_t i = place / unit; i <= (place + size - 1) / unit; ++i)
    units_[i] = {by.known.at[by.warp], serial_, uint16_t(by.warp), uint16_t(by.lane), isAtomic, false};
  std::memset(&states_[place], Held, size);
}

void SharedMemory::noteRead(uint32_t place, uint32_t size, const Accessor &by) {
  for (uint32_t i = place / unit; i <= (place + size - 1) / unit; ++i)
    reads_[size_t(i) * warps_ + by.warp] = by.known.at[by.warp];
}

uint8_t *SharedMemory::read(uint32_t address, uint32_t size, const Accessor &by) {
  uint32_t from = place(address, size, "reads");
  checkStates(from, size, "reads", true);
  afterWrites(from, size, by, "reads", nullptr, false);
  noteRead(from, size, by);
  return &data_[from];
}

void SharedMemory::write(uint32_t address, const void *data, uint32_t size, const Accessor &by) {
  uint32_t to = place(address, size, "writes");
  checkStates(to, size, "writes", false);
  afterWrites(to, size, by, "writes", data, false);
  afterReads(to, size, by, "writes");
  noteWrite(to, size, by, false);
  std::memcpy(&data_[to], data, size);
}

uint8_t *SharedMemory::update(uint32_t address, uint32_t size, const Accessor &by) {
  uint32_t to = place(address, size, "updates");
  checkStates(to, size, "updates", true);
  afterWrites(to, size, by, "updates", nullptr, true);
  afterReads(to, size, by, "updates");
  noteWrite(to, size, by, true);
  return &data_[to];
}

void SharedMemory::expect(uint32_t address, uint32_t size, const Accessor &by) {
  uint32_t to = place(address, size, "copies into");
  checkStates(to, size, "copies into", false);
  afterWrites(to, size, by, "copies into", nullptr, false);
  afterReads(to, size, by, "copies into");
  std::memset(&states_[to], Arriving, size);
}

void SharedMemory::arrive(uint32_t address, const void *data, uint32_t size, const Accessor &by, uint32_t serial) {
  uint32_t to = place(address, size, "copies into");
  std::memcpy(&data_[to], data, size);
  noteWrite(to, size, by, false);
  if (serial)
    for (uint32_t i = to / unit; i <= (to + size - 1) / unit; ++i)
      units_[i] = {serial, serial_, uint16_t(mostWarps), 0, false, true};
}

const uint8_t *SharedMemory::readAsync(uint32_t address, uint32_t size, const Accessor &by) {
  uint32_t from = place(address, size, "reads");
  checkStates(from, size, "reads", true);
  afterWrites(from, size, by, "reads", nullptr, false);
  for (uint32_t i = from / unit; i <= (from + size - 1) / unit; ++i) {
    const Unit &last = units_[i];
    if (!last.isAsync && fences_[last.warp * 32u + last.lane] < last.serial &&
        fences_[by.warp * 32u + by.lane] < last.serial)
      throw Fault("reads " + at(address, size) + " by way of the asynchronous proxy; " + named(last.warp) + " lane " +
                  std::to_string(last.lane) + " wrote it and no fence.proxy.async followed");
  }
  noteRead(from, size, by);
  return &data_[from];
}

void SharedMemory::checkUnchanged(uint32_t address, uint32_t size, uint32_t serial) const {
  uint32_t from = place(address, size, "reads");
  checkStates(from, size, "reads", true);
  for (uint32_t i = from / unit; i <= (from + size - 1) / unit; ++i)
    if (units_[i].serial > serial)
      throw Fault(named(units_[i].warp) + " wrote " + at(address, size) + " while an asynchronous instruction read it");
}

void SharedMemory::leave(uint32_t address, uint32_t size) {
  std::memset(&states_[place(address, size, "copies")], Leaving, size);
}

void SharedMemory::left(uint32_t address, uint32_t size) {
  std::memset(&states_[place(address, size, "copies")], Held, size);
}

void SharedMemory::makeBarrier(uint32_t address) {
  uint32_t to = place(address, 8, "makes a barrier of");
  std::memset(&states_[to], Barrier, 8);
}

bool SharedMemory::isBarrier(uint32_t address) const {
  return address >= sharedBase && address - sharedBase + 8 <= bytes_ && states_[address - sharedBase] == Barrier;
}

} // namespace caa::ptx
