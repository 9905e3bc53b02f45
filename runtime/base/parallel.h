// Many threads over a stream of items whose results are wanted in order, with bounded memory.
//
// `next` makes the items (called by one thread at a time), `work` turns each into a result (in parallel), `consume`
// takes the results in the items' order (one at a time). At most `2 * threads` items are alive. The first error ends
// everything and comes back.
#pragma once

#include "runtime/base/result.h"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace caa {

/// The number of threads to use: `requested`, or (0) as many as this process may run on.
unsigned threadCount(unsigned requested);

template <typename Item, typename Output>
Status orderedParallel(unsigned threads, std::function<Result<std::optional<Item>>()> next,
                       std::function<Result<Output>(Item &)> work, std::function<Status(Output &)> consume) {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<uint64_t, Output> waiting; // finished, but an earlier one is not yet
  uint64_t issued = 0, consumed = 0;
  bool exhausted = false, reading = false, consuming = false;
  std::optional<Error> failure;
  const uint64_t window = 2 * uint64_t(threads);

  auto fail = [&](const Error &error) {
    if (!failure)
      failure = error;
    changed.notify_all();
  };
  auto worker = [&] {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return failure || exhausted || (!reading && issued - consumed < window); });
      if (failure || exhausted)
        return;
      reading = true;
      lock.unlock();
      auto item = next();
      lock.lock();
      reading = false;
      if (!item)
        return fail(item.error());
      if (!*item) {
        exhausted = true;
        changed.notify_all();
        return;
      }
      uint64_t index = issued++;
      changed.notify_all();
      lock.unlock();
      auto output = work(**item);
      lock.lock();
      if (!output)
        return fail(output.error());
      waiting.emplace(index, std::move(*output));
      // Whoever finishes the next one in line hands on the whole run of finished ones.
      while (!failure && !consuming && !waiting.empty() && waiting.begin()->first == consumed) {
        auto node = waiting.extract(waiting.begin());
        consuming = true;
        lock.unlock();
        auto status = consume(node.mapped());
        lock.lock();
        consuming = false;
        if (!status)
          return fail(status.error());
        ++consumed;
        changed.notify_all();
      }
    }
  };
  std::vector<std::thread> pool;
  for (unsigned i = 1; i < threads; ++i)
    pool.emplace_back(worker);
  worker();
  for (auto &thread : pool)
    thread.join();
  if (failure)
    return *failure;
  return {};
}

} // namespace caa
