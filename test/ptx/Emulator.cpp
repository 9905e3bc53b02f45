#include "test/ptx/Emulator.h"

#include <atomic>
#include <mutex>
#include <thread>

namespace caa::ptx {

uint64_t run(Module &module, const Launch &launch, unsigned threads) {
  std::atomic<uint32_t> next = 0;
  std::atomic<bool> failed = false;
  std::atomic<uint64_t> executed = 0;
  std::mutex mutex;
  std::string message;
  auto work = [&] {
    std::unique_ptr<Block> block;
    uint32_t index = 0;
    try {
      block = std::make_unique<Block>(launch);
      while (!failed && (index = next++) < launch.blocks)
        block->run(index);
      executed += block->executed;
    } catch (const Fault &fault) {
      std::lock_guard lock(mutex);
      if (failed.exchange(true))
        return;
      message = "kernel " + launch.kernel->name + ", block " + std::to_string(index);
      if (block && block->current)
        message += ", warp " + std::to_string(block->currentWarp->index) + ", lane " +
                   std::to_string(block->currentLane) + ", line " + module.line(block->current->line);
      message += std::string("\n") + fault.what();
    }
  };
  threads = std::min(threads, launch.blocks);
  if (threads <= 1) {
    work();
  } else {
    std::vector<std::jthread> pool;
    for (unsigned i = 0; i < threads; ++i)
      pool.emplace_back(work);
  }
  if (failed)
    throw Fault(message);
  return executed;
}

} // namespace caa::ptx
