// A block of threads that runs a kernel: its warps, shared memory and barriers, and what is under way.
//
// Warps run one after another, each until it must wait. Asynchronous things happen as late as the rules permit: copies
// of cp.async when their thread waits for them, products of wgmma when the warp waits, copies by tensor maps (and
// arrivals that follow copies) when nothing else can go on. So what does not wait finds nothing, or a Fault.
#pragma once

#include "test/ptx/GlobalMemory.h"
#include "test/ptx/SharedMemory.h"

#include <deque>
#include <functional>
#include <optional>

namespace caa::ptx {

class Block;

/// What a launch is.
struct Launch {
  const Kernel *kernel = nullptr;
  std::vector<uint8_t> parameters; // packed as Kernel::parameters says
  uint32_t blocks = 1, threads = 32, sharedBytes = 0;
};

/// Lanes of a warp that go together.
struct Group {
  enum class State : uint8_t { Ready, Joining, Waiting }; // Joining: for other lanes; Waiting: does it again
  uint32_t at = 0, lanes = 0;
  State state = State::Ready;
};

/// A copy of cp.async that its lane has not waited for.
struct LaneCopy {
  uint32_t lane = 0, group = 0; // the group counts commits of the lane
  uint32_t to = 0, size = 0, read = 0;
  uint64_t from = 0;
  uint32_t clock = 0; // the warp's at the first arrival that follows the copy; 0 if there is none
};

/// A product of wgmma that is under way.
struct PendingProduct {
  const Instruction *instruction;
  uint64_t descriptorA = 0, descriptorB = 0;
  uint32_t serial = 0, group = 0;
  bool accumulates = false;
};

/// A copy of a box out of shared memory.
struct PendingStore {
  uint32_t lane = 0, group = 0;
  bool isRead = false;
  std::vector<uint8_t> bytes;
  std::function<void()> read, write;
};

class Warp {
public:
  Block *block = nullptr;
  uint32_t index = 0;
  uint32_t *registers = nullptr; // place 0
  uint32_t *predicates = nullptr;
  uint32_t live = 0;
  Clocks known;
  std::vector<Group> groups;
  bool suspends = false; // set by a handler: the lanes wait
  bool atBarrier = false;

  std::vector<LaneCopy> copies;
  std::array<uint32_t, 32> copyGroups = {}, storeGroups = {};
  std::vector<PendingStore> stores;
  std::vector<PendingProduct> products;
  uint32_t productGroup = 0;
  std::unordered_map<int32_t, std::vector<float>> accumulators; // under way, by the first register's place

  Accessor by(uint32_t lane) const { return {index, lane, known}; }
  template <typename T> T *lanes(int32_t place) { return reinterpret_cast<T *>(registers + place); }
  void release(Clocks &to) {
    to.join(known);
    ++known.at[index];
  }

  /// Runs until nothing more can be done; true if something was.
  bool run();
  std::string describe() const;

private:
  bool runGroup(size_t chosen);
};

/// A named barrier (bar.sync).
struct NamedBarrier {
  uint32_t arrived = 0, expected = 0;
  Clocks clocks;
  bool any = false;
  struct Waiter {
    Warp *warp;
    int32_t result; // a predicate's number; -1 for none
  };
  std::vector<Waiter> waiters;
};

/// A barrier in shared memory (mbarrier).
struct MemoryBarrier {
  uint32_t expected = 0, pending = 0, phase = 0;
  int64_t bytes = 0;
  Clocks gathering, done;
};

/// Something that happens when nothing else can go on.
using LateWork = std::function<void()>;

class Block {
public:
  explicit Block(const Launch &launch);
  ~Block();
  Block(const Block &) = delete;
  /// Runs block `index` of the grid. Throws a Fault that names the instruction.
  void run(uint32_t index);

  const Launch &launch;
  const Kernel &kernel;
  SharedMemory shared;
  std::vector<Warp> warps;
  std::array<NamedBarrier, 16> barriers;
  std::unordered_map<uint32_t, MemoryBarrier> memoryBarriers;
  std::vector<LateWork> late;
  uint32_t copySerial = 0; // of the copy engine
  const Instruction *current = nullptr;
  Warp *currentWarp = nullptr;
  uint32_t currentLane = 0;
  uint64_t executed = 0; // instructions times lanes

  /// Checked addresses of device memory.
  uint8_t *global(uint64_t address, uint32_t size, bool writes);
  MemoryBarrier &barrierAt(uint32_t address);
  void arriveOn(MemoryBarrier &barrier, uint32_t count);
  void completeIfFull(MemoryBarrier &barrier);
  void arriveNamed(uint32_t id, uint32_t threads, Warp &warp, bool waits, int32_t result, bool value);
  void completeNamed(NamedBarrier &barrier);
  void warpExited();

private:
  void prepare(uint32_t index);
  [[noreturn]] void deadlock() const;
  std::vector<uint32_t> file_, predicates_;
  std::vector<uint32_t> *keep_ = nullptr; // where the registers' memory goes
  const Allocation *last_ = nullptr;
  uint64_t random_ = 0;
};

} // namespace caa::ptx
