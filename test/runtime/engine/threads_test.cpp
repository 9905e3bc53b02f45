// The pool: every item once, whatever the counts.
#include "runtime/engine/threads.h"

#include <atomic>
#include <gtest/gtest.h>
#include <vector>

namespace caa {
namespace {

TEST(Threads, DoEveryItemExactlyOnce) {
  for (unsigned count : {1u, 2u, 3u, 7u}) {
    Threads threads(count);
    for (int64_t items : {0, 1, 2, 5, 64, 1001}) {
      for (bool equal : {true, false}) {
        std::vector<std::atomic<int>> done(items);
        Threads::Work work = [&](unsigned thread, int64_t begin, int64_t end) {
          EXPECT_LT(thread, count);
          for (int64_t i = begin; i < end; ++i)
            ++done[i];
        };
        equal ? threads.split(items, work) : threads.share(items, work);
        for (auto &times : done)
          EXPECT_EQ(times, 1);
      }
    }
  }
}

TEST(Threads, SeeWhatTheJobBeforeWrote) {
  Threads threads(4);
  std::vector<int64_t> values(1000, 0);
  for (int round = 1; round <= 2000; ++round) {
    // Every round reads what another thread wrote in the round before.
    std::vector<int64_t> next(values.size());
    threads.split(int64_t(values.size()), [&](unsigned, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        next[i] = values[values.size() - 1 - i] + 1;
    });
    values = std::move(next);
  }
  EXPECT_EQ(values, std::vector<int64_t>(1000, 2000));
}

} // namespace
} // namespace caa
