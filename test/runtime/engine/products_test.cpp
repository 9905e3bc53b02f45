// Products against a plain float64 sum, in every form, at awkward sizes and strides, on several threads.
#include "runtime/engine/products.h"

#include "runtime/base/signals.h"
#include "test/seed.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <memory>
#include <pthread.h>
#include <random>
#include <thread>
#include <vector>

namespace caa {
namespace {

struct Case {
  int64_t m, n, k;
};

class Products : public testing::TestWithParam<Case> {};

TEST_P(Products, AgreeWithAFloat64Sum) {
  auto [m, n, k] = GetParam();
  std::mt19937 random(testSeed());
  std::normal_distribution<float> normal;
  for (unsigned count : {1u, 2u, 3u}) {
    Threads threads(count);
    for (int form = 0; form < 8; ++form) {
      bool ta = form & 1, tb = form & 2;
      float alpha = form & 4 ? 0.5f : 1.0f, beta = form & 4 ? 1.0f : 0.0f;
      int64_t lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 1, ldc = n + 2;
      std::vector<float> a((ta ? k : m) * lda), b((tb ? n : k) * ldb), c(m * ldc, std::nanf(""));
      for (auto *values : {&a, &b})
        for (float &value : *values)
          value = normal(random);
      if (beta != 0)
        for (float &value : c)
          value = normal(random);
      auto before = c;
      ASSERT_TRUE(runProduct(threads, {m, n, k, ta, tb, alpha, beta, a.data(), lda, b.data(), ldb, c.data(), ldc}));
      for (int64_t row = 0; row < m; ++row)
        for (int64_t column = 0; column < ldc; ++column) {
          float now = c[row * ldc + column], old = before[row * ldc + column];
          if (column >= n) { // not part of C
            ASSERT_EQ(std::memcmp(&now, &old, sizeof now), 0);
            continue;
          }
          double sum = 0, magnitude = 0;
          for (int64_t i = 0; i < k; ++i) {
            double term =
                double(ta ? a[i * lda + row] : a[row * lda + i]) * (tb ? b[column * ldb + i] : b[i * ldb + column]);
            sum += term;
            magnitude += std::abs(term);
          }
          double expected = alpha * sum + (beta != 0 ? beta * old : 0);
          ASSERT_NEAR(now, expected, 1e-6 * (magnitude + std::abs(expected)) + 1e-30)
              << m << " x " << n << " x " << k << ", form " << form << ", " << count << " threads";
        }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Products,
                         testing::Values(Case{1, 1, 1}, Case{1, 7, 64}, Case{5, 1, 3}, Case{33, 17, 65},
                                         Case{128, 64, 256}, Case{100, 300, 31}, Case{4, 4, 0}, Case{257, 3, 513},
                                         Case{1100, 33, 1025}));

TEST(ProductRuns, GiveTheSameBitsEveryTime) {
  Threads threads(2);
  std::vector<float> a(300 * 200), b(200 * 100), first(300 * 100), again(300 * 100);
  std::mt19937 random(1);
  for (auto *values : {&a, &b})
    for (float &value : *values)
      value = float(random() % 1000) / 7;
  for (int run = 0; run < 20; ++run) {
    auto &c = run == 0 ? first : again;
    ASSERT_TRUE(runProduct(threads, {300, 100, 200, false, false, 1, 0, a.data(), 200, b.data(), 100, c.data(), 100}));
    EXPECT_TRUE(run == 0 || std::memcmp(first.data(), again.data(), first.size() * 4) == 0);
  }
}

// The library's code moves the stack pointer into its own buffers: a signal that used the ordinary stack would write over
// the heap there.
TEST(ProductRuns, SignalsInTheMidstOfOneLeaveTheHeapAlone) {
  installSignalHandlers();
  Threads threads(1);
  std::vector<float> a(4096, 1), b(4096, 1), c(4096);
  std::atomic<bool> done{false};
  const pthread_t computing = pthread_self();
  std::thread sender([&] {
    for (int i = 0; i < 20000; ++i) {
      pthread_kill(computing, SIGTERM);
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
    done = true;
  });
  for (size_t round = 0; !done; ++round) {
    // Blocks in use at ever other distances from the library's buffers, which it allocates for each product.
    std::vector<std::unique_ptr<std::vector<char>>> blocks;
    for (size_t i = 0; i < 12; ++i)
      blocks.push_back(std::make_unique<std::vector<char>>(16 + (round * 272 + i * 1040) % 9000, 'x'));
    ASSERT_TRUE(runProduct(threads, {256, 8, 8, false, true, 1, 0, a.data(), 8, b.data(), 8, c.data(), 8}));
    ASSERT_TRUE(runProduct(threads, {64, 24, 8, false, true, 1, 0, a.data(), 8, b.data(), 8, c.data(), 24}));
    ASSERT_TRUE(runProduct(threads, {64, 8, 24, false, false, 1, 0, a.data(), 24, b.data(), 8, c.data(), 8}));
    ASSERT_TRUE(runProduct(threads, {24, 8, 64, true, false, 1, 1, a.data(), 24, b.data(), 8, c.data(), 8}));
    ASSERT_TRUE(runProduct(threads, {8, 8, 256, true, false, 1, 1, a.data(), 8, b.data(), 8, c.data(), 8}));
    for (const auto &block : blocks)
      ASSERT_EQ(std::count(block->begin(), block->end(), 'x'), int64_t(block->size()));
  }
  sender.join();
  EXPECT_TRUE(stopRequested());
  setStopRequested(false);
}

TEST(ProductPeak, IsAPlausibleRate) {
  Threads threads(2);
  double peak = *measureProductPeak(threads);
  EXPECT_GT(peak, 1e9);
  EXPECT_LT(peak, 1e14);
}

} // namespace
} // namespace caa
