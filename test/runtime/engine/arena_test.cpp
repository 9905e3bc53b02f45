// The arena planner on random lifetimes.
#include "runtime/engine/arena.h"

#include "test/seed.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <limits>
#include <random>

namespace caa {
namespace {

TEST(Arena, BuffersThatLiveTogetherNeverShareBytes) {
  std::mt19937_64 random(testSeed());
  for (int round = 0; round < 50; ++round) {
    std::vector<Lifetime> lives(1 + random() % 120);
    for (Lifetime &life : lives) {
      life.bytes = random() % 5 == 0 ? 0 : int64_t(random() % (int64_t(1) << (1 + random() % 20)));
      life.first = random() % 100;
      life.last = life.first + random() % 30;
    }
    auto plan = planArena(lives);
    ASSERT_TRUE(plan);
    int64_t most = 0, all = 0; // bytes alive at once at the busiest step; bytes without any sharing
    for (uint32_t step = 0; step < 130; ++step) {
      int64_t alive = 0;
      for (const Lifetime &life : lives)
        if (life.first <= step && step <= life.last)
          alive += (life.bytes + arenaAlignment - 1) / arenaAlignment * arenaAlignment;
      most = std::max(most, alive);
    }
    for (size_t a = 0; a < lives.size(); ++a) {
      all += (lives[a].bytes + arenaAlignment - 1) / arenaAlignment * arenaAlignment;
      EXPECT_EQ(plan->offsets[a] % arenaAlignment, 0);
      EXPECT_LE(plan->offsets[a] + lives[a].bytes, plan->bytes);
      for (size_t b = 0; b < a; ++b) {
        bool together = lives[a].first <= lives[b].last && lives[b].first <= lives[a].last;
        bool apart = plan->offsets[a] + lives[a].bytes <= plan->offsets[b] ||
                     plan->offsets[b] + lives[b].bytes <= plan->offsets[a];
        EXPECT_TRUE(!together || apart || lives[a].bytes == 0 || lives[b].bytes == 0)
            << "seeded afresh, round " << round;
      }
    }
    EXPECT_GE(plan->bytes, most);
    EXPECT_LE(plan->bytes, all);
  }
}

TEST(Arena, AChainOfLayersNeedsTwoBuffers) {
  std::vector<Lifetime> lives;
  for (uint32_t layer = 0; layer < 32; ++layer)
    lives.push_back({1000, layer, layer + 1});
  EXPECT_EQ(planArena(lives)->bytes, 2 * 1024);
}

TEST(Arena, MoreThanSixtyFourBitsIsAnError) {
  const int64_t large = std::numeric_limits<int64_t>::max() / 2 - 64;
  EXPECT_TRUE(planArena(std::vector<Lifetime>{{large, 0, 0}, {large, 1, 1}}));
  EXPECT_FALSE(planArena(std::vector<Lifetime>{{large, 0, 1}, {large, 1, 1}, {large, 1, 1}}));
  EXPECT_FALSE(planArena(std::vector<Lifetime>{{std::numeric_limits<int64_t>::max(), 0, 1}}));
}

TEST(Memory, ThatTheMachineDoesNotHaveIsAnError) {
  auto memory = Memory::allocate(int64_t(1) << 62);
  ASSERT_FALSE(memory);
  EXPECT_NE(memory.error().message.find("not enough memory"), std::string::npos);
  auto some = Memory::allocate(1 << 20);
  ASSERT_TRUE(some);
  EXPECT_EQ(uintptr_t(some->data()) % 4096, 0u);
  EXPECT_TRUE(std::all_of(some->data(), some->data() + some->size(), [](std::byte b) { return b == std::byte(0); }));
  EXPECT_GT(availableMemory(), 0);
}

} // namespace
} // namespace caa
