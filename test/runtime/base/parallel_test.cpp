// orderedParallel keeps order, bounds what is alive, and hands back the first error.
#include "runtime/base/parallel.h"

#include <atomic>
#include <gtest/gtest.h>
#include <random>

namespace caa {
namespace {

class OrderedParallel : public testing::TestWithParam<unsigned> {};

TEST_P(OrderedParallel, KeepsTheOrderAndBoundsWhatIsAlive) {
  unsigned threads = GetParam();
  int made = 0;
  std::atomic<int> alive{0}, most{0};
  std::vector<int> seen;
  auto status = orderedParallel<int, int>(
      threads,
      [&]() -> Result<std::optional<int>> {
        if (made == 500)
          return std::optional<int>();
        most = std::max(most.load(), ++alive);
        return std::optional<int>(made++);
      },
      [](int &item) -> Result<int> {
        std::this_thread::sleep_for(std::chrono::microseconds(std::minstd_rand(unsigned(item) + 1)() % 200));
        return item * 3;
      },
      [&](int &output) -> Status {
        --alive;
        seen.push_back(output);
        return {};
      });
  ASSERT_TRUE(status);
  ASSERT_EQ(seen.size(), 500u);
  for (int i = 0; i < 500; ++i)
    EXPECT_EQ(seen[size_t(i)], 3 * i);
  EXPECT_LE(most, int(2 * threads));
}

TEST_P(OrderedParallel, AnErrorAnywhereEndsTheWorkAndComesBack) {
  for (int where = 0; where < 3; ++where) {
    int made = 0;
    auto status = orderedParallel<int, int>(
        GetParam(),
        [&]() -> Result<std::optional<int>> {
          if (where == 0 && made == 50)
            return inputError("bad 0");
          return std::optional<int>(made++);
        },
        [&](int &item) -> Result<int> {
          if (where == 1 && item == 50)
            return inputError("bad 1");
          return item;
        },
        [&](int &output) -> Status {
          if (where == 2 && output == 50)
            return inputError("bad 2");
          return {};
        });
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().message, "bad " + std::to_string(where));
  }
}

INSTANTIATE_TEST_SUITE_P(Threads, OrderedParallel, testing::Values(1u, 2u, 7u));

} // namespace
} // namespace caa
