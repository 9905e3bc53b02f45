// An offline planner: buffers with lifetimes become offsets in one block of memory.
//
// Two buffers share bytes only if their lifetimes do not meet. Largest first, each goes to the lowest gap that fits
// among those placed already (greedy by size; Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net
// Inference", section 5.2).
#pragma once

#include "runtime/base/result.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace caa {

/// A buffer that lives from step `first` to step `last`, both included.
struct Lifetime {
  int64_t bytes = 0;
  uint32_t first = 0, last = 0;
};

struct ArenaPlan {
  std::vector<int64_t> offsets; // in the order of the lifetimes; multiples of arenaAlignment
  int64_t bytes = 0;
};

constexpr int64_t arenaAlignment = 256; // a cache line is 64, but GPUs like 256

/// An error if the sum leaves 64 bits.
Result<ArenaPlan> planArena(std::span<const Lifetime> lifetimes);

/// Zeroed memory from the system, aligned to a page, in huge pages where there are any. Copies share it.
class Memory {
public:
  Memory() = default;
  /// An error that says how much was asked for if there is not enough.
  static Result<Memory> allocate(int64_t bytes);
  std::byte *data() const { return data_.get(); }
  int64_t size() const { return size_; }

private:
  std::shared_ptr<std::byte> data_;
  int64_t size_ = 0;
};

/// Bytes of memory that this machine could still give us (MemAvailable, and the cgroup's limit where there is
/// one); the environment variable CAA_MEMORY=BYTES makes it less.
int64_t availableMemory();

/// "1.25 GiB", "640 MiB", "12 KiB", "7 bytes".
std::string formatBytes(int64_t bytes);

} // namespace caa
