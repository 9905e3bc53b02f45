// The arena planner and the memory that it plans for.
#include "runtime/engine/arena.h"

#include "runtime/engine/sizes.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <limits>
#include <numeric>
#include <string>
#include <sys/mman.h>

namespace caa {

Result<ArenaPlan> planArena(std::span<const Lifetime> lifetimes) {
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  struct Placed {
    int64_t begin, end;
    uint32_t first, last;
  };
  std::vector<Placed> placed; // sorted by begin
  ArenaPlan plan;
  plan.offsets.assign(lifetimes.size(), 0);
  for (size_t index : order) {
    const Lifetime &life = lifetimes[index];
    if (life.bytes <= 0)
      continue;
    if (life.bytes > std::numeric_limits<int64_t>::max() / 2)
      return inputError("a buffer is too large for 64 bits");
    int64_t size = (life.bytes + arenaAlignment - 1) / arenaAlignment * arenaAlignment;
    int64_t offset = 0;
    for (const Placed &other : placed) {
      if (other.last < life.first || other.first > life.last)
        continue;
      if (other.begin >= offset + size)
        break;
      offset = std::max(offset, other.end);
    }
    auto end = checkedAdd(offset, size);
    if (!end)
      return inputError("the arena is too large for 64 bits");
    plan.offsets[index] = offset;
    plan.bytes = std::max(plan.bytes, *end);
    Placed here{offset, *end, life.first, life.last};
    placed.insert(std::upper_bound(placed.begin(), placed.end(), here,
                                   [](const Placed &a, const Placed &b) { return a.begin < b.begin; }),
                  here);
  }
  return plan;
}

Result<Memory> Memory::allocate(int64_t bytes) {
  Memory memory;
  if (bytes <= 0)
    return memory;
  void *data = mmap(nullptr, size_t(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED)
    return inputError(fmt::format("not enough memory: the system refused {}", formatBytes(bytes)));
  madvise(data, size_t(bytes), MADV_HUGEPAGE);
  memory.data_ = {static_cast<std::byte *>(data), [bytes](std::byte *mapped) { munmap(mapped, size_t(bytes)); }};
  memory.size_ = bytes;
  return memory;
}

int64_t availableMemory() {
  int64_t available = std::numeric_limits<int64_t>::max();
  std::ifstream meminfo("/proc/meminfo");
  for (std::string line; std::getline(meminfo, line);)
    if (line.starts_with("MemAvailable:"))
      available = std::strtoll(line.c_str() + std::strlen("MemAvailable:"), nullptr, 10) * 1024;
  // A container may have less (cgroup v2; "max" where it has not).
  int64_t limit = 0, used = 0;
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> limit && std::ifstream("/sys/fs/cgroup/memory.current") >> used)
    available = std::min(available, std::max<int64_t>(limit - used, 0));
  if (const char *own = std::getenv("CAA_MEMORY"))
    available = std::min<int64_t>(available, std::strtoll(own, nullptr, 10));
  return available;
}

std::string formatBytes(int64_t bytes) {
  if (bytes >= int64_t(1) << 30)
    return fmt::format("{:.2f} GiB", double(bytes) / double(int64_t(1) << 30));
  if (bytes >= 1 << 20)
    return fmt::format("{:.0f} MiB", double(bytes) / double(1 << 20));
  if (bytes >= 1 << 10)
    return fmt::format("{:.0f} KiB", double(bytes) / double(1 << 10));
  return fmt::format("{} bytes", bytes);
}

} // namespace caa
