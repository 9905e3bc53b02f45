#include "test/ptx/Block.h"

#include <algorithm>
#include <cstring>

namespace caa::ptx {

Block::Block(const Launch &launch) : launch(launch), kernel(*launch.kernel) {
  const uint32_t count = (launch.threads + 31) / 32;
  if (launch.threads > kernel.mostThreads)
    throw Fault("a block of " + std::to_string(launch.threads) + " threads, of a kernel made for " +
                std::to_string(kernel.mostThreads));
  if (launch.threads % 32 || count > mostWarps)
    throw Fault("blocks of " + std::to_string(launch.threads) + " threads are not emulated");
  const uint32_t words = kernel.constantWords + kernel.registerWords;
  static thread_local std::vector<uint32_t> kept; // pages of memory are dear, launches many
  file_.swap(kept);
  file_.assign(size_t(words) * count + 16, 0x7fc5dead); // a NaN, and no good address
  keep_ = &kept;
  predicates_.assign(size_t(kernel.predicates) * count, 0);
  // Registers begin at a cache line.
  auto *first = file_.data();
  while (reinterpret_cast<uintptr_t>(first) % 64)
    ++first;
  warps.resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    warps[i].block = this;
    warps[i].index = i;
    warps[i].registers = first + size_t(words) * i + kernel.constantWords;
    warps[i].predicates = &predicates_[size_t(kernel.predicates) * i];
  }
}

Block::~Block() { file_.swap(*keep_); }

void Block::prepare(uint32_t index) {
  shared.reset(launch.sharedBytes, uint32_t(warps.size()));
  barriers = {};
  memoryBarriers.clear();
  late.clear();
  copySerial = 0;
  random_ = index * 0x9e3779b97f4a7c15u + 1;
  for (Warp &warp : warps) {
    std::copy(kernel.constants.begin(), kernel.constants.end(), warp.registers - kernel.constantWords);
    for (uint32_t lane = 0; lane < 32; ++lane) {
      warp.registers[kernel.tidPlace + int32_t(lane)] = warp.index * 32 + lane;
      warp.registers[kernel.laneIdPlace + int32_t(lane)] = lane;
      warp.registers[kernel.ctaidPlace + int32_t(lane)] = index;
      warp.registers[kernel.ntidPlace + int32_t(lane)] = launch.threads;
      warp.registers[kernel.nctaidPlace + int32_t(lane)] = launch.blocks;
      for (auto [place, offset] : kernel.parameterAddresses)
        warp.lanes<uint64_t>(place)[lane] = uint64_t(launch.parameters.data()) + offset;
    }
    warp.predicates[0] = 0;
    warp.predicates[1] = ~0u;
    warp.live = ~0u;
    warp.known = {};
    warp.known.at[warp.index] = 1;
    warp.groups = {{0, ~0u, Group::State::Ready}};
    warp.suspends = warp.atBarrier = false;
    warp.copies.clear();
    warp.stores.clear();
    warp.products.clear();
    warp.accumulators.clear();
    warp.copyGroups = warp.storeGroups = {};
    warp.productGroup = 0;
  }
}

void Block::run(uint32_t index) {
  prepare(index);
  for (;;) {
    bool progress = false, lives = false;
    for (Warp &warp : warps) {
      currentWarp = &warp;
      for (Group &group : warp.groups)
        if (group.state == Group::State::Waiting)
          group.state = Group::State::Ready;
      progress |= warp.run();
      lives |= warp.live != 0;
    }
    if (!lives)
      break;
    if (progress)
      continue;
    if (late.empty())
      deadlock();
    // One of what is under way, whichever.
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    size_t chosen = size_t((random_ >> 33) % late.size());
    LateWork work = std::move(late[chosen]);
    late.erase(late.begin() + long(chosen));
    work();
  }
  for (Warp &warp : warps) {
    currentWarp = &warp;
    for (PendingStore &store : warp.stores) {
      if (!store.isRead)
        throw Fault("the block ends before a copy out of its shared memory has been read");
      store.write();
    }
    if (!warp.products.empty())
      throw Fault("the block ends before its products are waited for");
  }
  if (!late.empty())
    throw Fault("the block ends before copies into its shared memory have come");
}

void Block::deadlock() const {
  std::string text = "deadlock: nothing can go on";
  for (const Warp &warp : warps)
    text += warp.describe();
  for (size_t i = 0; i < barriers.size(); ++i)
    if (barriers[i].arrived)
      text += "\n  barrier " + std::to_string(i) + ": " + std::to_string(barriers[i].arrived) + " of " +
              std::to_string(barriers[i].expected) + " threads";
  for (const auto &[address, barrier] : memoryBarriers)
    text += "\n  mbarrier at " + std::to_string(address - sharedBase) + ": phase " + std::to_string(barrier.phase) +
            " waits for " + std::to_string(barrier.pending) + " of " + std::to_string(barrier.expected) +
            " arrivals and " + std::to_string(barrier.bytes) + " bytes";
  throw Fault(text);
}

uint8_t *Block::global(uint64_t address, uint32_t size, bool writes) {
  if (!last_ || address < last_->begin || address + size > last_->end) {
    last_ = GlobalMemory::get().find(address, size);
    if (!last_)
      throw Fault(std::string(writes ? "writes " : "reads ") + std::to_string(size) +
                  " bytes of device memory that no allocation holds");
  }
  if (address % size)
    throw Fault(std::string(writes ? "writes " : "reads ") + std::to_string(size) +
                " bytes at a device address that is " + std::to_string(address % size) + " beyond a multiple");
  uint8_t *written = last_->written + (address - last_->begin);
  if (writes) {
    std::memset(written, 1, size);
  } else {
    bool all = true;
    for (uint32_t i = 0; i < size; ++i)
      all &= written[i] != 0;
    if (!all)
      throw Fault("reads " + std::to_string(size) + " bytes of device memory that nobody has written");
  }
  return reinterpret_cast<uint8_t *>(address);
}

//===-- Barriers
//----------------------------------------------------------------------------------------------------===//

void Block::arriveNamed(uint32_t id, uint32_t threads, Warp &warp, bool waits, int32_t result, bool value) {
  if (id >= barriers.size())
    throw Fault("there is no barrier " + std::to_string(id));
  NamedBarrier &barrier = barriers[id];
  uint32_t expected = threads;
  if (expected == 0)
    for (const Warp &other : warps)
      expected += other.live ? 32 : 0;
  if (expected % 32)
    throw Fault("a barrier of " + std::to_string(expected) + " threads, which is no number of warps");
  if (barrier.arrived && barrier.expected != expected)
    throw Fault("barrier " + std::to_string(id) + " is of " + std::to_string(barrier.expected) +
                " threads for others and of " + std::to_string(expected) + " for this warp");
  for (const NamedBarrier::Waiter &waiter : barrier.waiters)
    if (waiter.warp == &warp)
      throw Fault("the warp arrives twice at barrier " + std::to_string(id));
  barrier.expected = expected;
  barrier.arrived += 32;
  barrier.any |= value;
  warp.release(barrier.clocks);
  if (waits) {
    barrier.waiters.push_back({&warp, result});
    warp.atBarrier = true;
  }
  if (barrier.arrived >= barrier.expected)
    completeNamed(barrier);
}

void Block::completeNamed(NamedBarrier &barrier) {
  for (const NamedBarrier::Waiter &waiter : barrier.waiters) {
    waiter.warp->known.join(barrier.clocks);
    waiter.warp->atBarrier = false;
    if (waiter.result >= 0)
      waiter.warp->predicates[waiter.result] = barrier.any ? ~0u : 0;
  }
  barrier = {};
}

void Block::warpExited() {
  // bar.sync without a count is of the threads that live.
  NamedBarrier &barrier = barriers[0];
  uint32_t living = 0;
  for (const Warp &warp : warps)
    living += warp.live ? 32 : 0;
  if (barrier.arrived && barrier.expected == living + 32 && barrier.arrived >= living &&
      barrier.waiters.size() * 32 == living)
    completeNamed(barrier);
}

MemoryBarrier &Block::barrierAt(uint32_t address) {
  auto found = memoryBarriers.find(address);
  if (found == memoryBarriers.end() || !shared.isBarrier(address))
    throw Fault("no mbarrier has been made at byte " + std::to_string(int64_t(address) - sharedBase) +
                " of shared memory");
  return found->second;
}

void Block::arriveOn(MemoryBarrier &barrier, uint32_t count) {
  if (count > barrier.pending)
    throw Fault("more arrivals at an mbarrier than the " + std::to_string(barrier.expected) + " it was made for");
  barrier.pending -= count;
  completeIfFull(barrier);
}

void Block::completeIfFull(MemoryBarrier &barrier) {
  if (barrier.pending || barrier.bytes)
    return;
  barrier.pending = barrier.expected;
  ++barrier.phase;
  barrier.done.join(barrier.gathering);
}

} // namespace caa::ptx
