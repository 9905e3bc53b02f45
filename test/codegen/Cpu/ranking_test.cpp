// Thresholds against a sort, and scores that must be the same numbers whichever operand is which.
#include "test/codegen/Cpu/KernelRunner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <random>

using namespace mlir;

namespace caa::test {
namespace {

// Scores are products with the unit matrix: exact. One head of 16 components holds a key's score for each of 16 queries.
std::string kthText(int64_t rows) {
  std::string R = std::to_string(rows);
  auto replace = [&](std::string text) {
    for (size_t at; (at = text.find("$R")) != std::string::npos;)
      text.replace(at, 2, R);
    return text;
  };
  return replace(R"(
func.func @kth(%scores: memref<?x?x1x$Rxf32>, %counts: memref<$Rx1xi64>, %visible: memref<$Rx1xi64>, %tau: memref<$Rx1xf32>)
    attributes {tile.kernel, tile.grid = [#tile.term<1>]} {
  %c0 = arith.constant 0 : index
  %t = tile.extent length
  %v = tile.load %visible[%c0, %c0] : memref<$Rx1xi64> -> <$Rx1xi64>
  %k = tile.load %counts[%c0, %c0] : memref<$Rx1xi64> -> <$Rx1xi64>
  %one = arith.constant 1.0 : f32
  %zero = arith.constant 0.0 : f32
  %h = tile.iota %c0 : <$Rx1xi64>
  %hr = tile.iota %c0 : <1x$Rxi64>
  %eye = tile.map(%h, %hr) : (!tile.tile<$Rx1xi64>, !tile.tile<1x$Rxi64>) -> !tile.tile<$Rx$Rxf32> {
  ^bb0(%a: i64, %c: i64):
    %e = arith.cmpi eq, %a, %c : i64
    %s = arith.select %e, %one, %zero : f32
    tile.yield %s : f32
  }
  %r0 = tile.ranking : <$R>
  %r = tile.sweep %c0 to %t step 32 iter(%r0) : (!tile.ranking<$R>) -> (!tile.ranking<$R>) visit {
  ^bb0(%p: index):
    %b = arith.constant 0 : i32
    tile.visit %b
  } bodies {
  ^bb0(%p: index, %ranking: !tile.ranking<$R>):
    %x = tile.load %scores[%c0, %p, %c0, %c0] : memref<?x?x1x$Rxf32> -> <32x$Rxf32>
    %s = tile.dot %eye, %x {transposeB} : (!tile.tile<$Rx$Rxf32>, !tile.tile<32x$Rxf32>) -> !tile.tile<$Rx32xf32>
    %j = tile.iota %p : <1x32xi64>
    %m = tile.map(%v, %j) : (!tile.tile<$Rx1xi64>, !tile.tile<1x32xi64>) -> !tile.tile<$Rx32xi1> {
    ^bb0(%a: i64, %c: i64):
      %e = arith.cmpi slt, %c, %a : i64
      tile.yield %e : i1
    }
    %n = tile.rank %ranking, %s where %m : (!tile.ranking<$R>, !tile.tile<$Rx32xf32>, !tile.tile<$Rx32xi1>) -> !tile.ranking<$R>
    tile.next %n : !tile.ranking<$R>
  }
  %kth = tile.threshold %r, %k : (!tile.ranking<$R>, !tile.tile<$Rx1xi64>) -> !tile.tile<$Rx1xf32>
  tile.store %kth, %tau[%c0, %c0] : !tile.tile<$Rx1xf32>, memref<$Rx1xf32>
  return
}
)");
}

class Thresholds : public ::testing::Test {
protected:
  using Scores = std::function<double(int64_t key, int64_t query)>;

  // Every query sees its own number of keys and asks for its own rank.
  void check(int64_t rows, int64_t length, const Scores &scores, const std::function<int64_t(int64_t query, int64_t visible)> &count) {
    SCOPED_TRACE("rows " + std::to_string(rows) + ", length " + std::to_string(length));
    auto &runner = runners[rows];
    if (!runner)
      runner = std::make_unique<KernelRunner>(*context, kthText(rows), runnableTargets());
    Buffer values{{1, length, 1, rows}, {}}, counts{{rows, 1}, {}}, visible{{rows, 1}, {}}, tau{{rows, 1}, std::vector<double>(rows, 7)};
    for (int64_t key = 0; key < length; ++key)
      for (int64_t query = 0; query < rows; ++query)
        values.data.push_back(float(scores(key, query)));
    std::vector<double> expected;
    for (int64_t query = 0; query < rows; ++query) {
      int64_t seen = query % 5 == 4 ? length : std::min<int64_t>(length, 1 + query * 97 % length), k = count(query, seen);
      visible.data.push_back(double(seen));
      counts.data.push_back(double(k));
      std::vector<double> sorted;
      for (int64_t key = 0; key < seen; ++key)
        sorted.push_back(values.data[size_t(key * rows + query)]);
      std::sort(sorted.begin(), sorted.end(), std::greater<>());
      expected.push_back(k < 1 ? HUGE_VAL : k > seen ? -HUGE_VAL : sorted[size_t(k - 1)]);
    }
    for (const cpu::CpuTarget &target : runnableTargets()) {
      std::vector<Buffer> buffers{values, counts, visible, tau};
      runner->run("kth", target, buffers, {1, length, length});
      for (int64_t query = 0; query < rows; ++query)
        ASSERT_EQ(buffers[3].data[size_t(query)], expected[size_t(query)]) << target.suffix << ", query " << query;
    }
  }

  void checkAll(const Scores &scores) {
    for (int64_t length : {1, 31, 200, 257, 700, 2100}) {
      check(16, length, scores, [](int64_t, int64_t n) { return int64_t(std::ceil(std::sqrt(double(n)))); });
      check(16, length, scores, [](int64_t q, int64_t n) { return q % 3 == 0 ? 1 : q % 3 == 1 ? n : n / 2 + 1; });
      check(16, length, scores, [](int64_t q, int64_t n) { return q % 3 == 0 ? 0 : q % 3 == 1 ? n + 1 : int64_t(1) << 40; });
    }
  }

  std::unique_ptr<MLIRContext> context = makeKernelContext();
  std::map<int64_t, std::unique_ptr<KernelRunner>> runners;
  std::mt19937 random{99};
};

TEST_F(Thresholds, AreExactForRandomScores) {
  std::normal_distribution<double> normal;
  checkAll([&](int64_t, int64_t) { return normal(random); });
}

TEST_F(Thresholds, AreExactWithManyTies) {
  checkAll([&](int64_t, int64_t) { return double(random() % 7) - 3; });
  checkAll([&](int64_t, int64_t query) { return double(query) / 4; });
}

TEST_F(Thresholds, AreExactForSortedScores) {
  checkAll([](int64_t key, int64_t) { return double(key) / 16; });
  checkAll([](int64_t key, int64_t) { return -double(key) / 16; });
}

TEST_F(Thresholds, AreExactOverTheWholeRange) {
  checkAll([&](int64_t, int64_t) { return std::ldexp(double(random() % 1000) - 500, int(random() % 240) - 140); });
}

TEST_F(Thresholds, TakeBothZerosAsOne) {
  checkAll([&](int64_t, int64_t) { return random() % 2 ? -0.0 : 0.0; });
  checkAll([&](int64_t, int64_t) { return random() % 3 == 0 ? 1e-40 : random() % 2 ? -0.0 : 0.0; });
}

TEST_F(Thresholds, WorkForTilesThatFillNoVector) {
  std::normal_distribution<double> normal;
  for (int64_t rows : {1, 5, 24})
    for (int64_t length : {10, 600})
      check(rows, length, [&](int64_t, int64_t) { return normal(random); }, [](int64_t q, int64_t n) { return (q * 7) % n + 1; });
}

// Q K^T and K Q^T, with a third operand order that forces the other layout.
TEST(Scores, AreTheSameNumbersInEitherRole) {
  auto context = makeKernelContext();
  std::string text = R"(
func.func @scores(%q: memref<?x?x1x48xf32>, %k: memref<?x?x1x48xf32>, %a: memref<?x?x1x32xf32>, %b: memref<?x?x1x32xf32>, %c: memref<?x?x1x32xf32>, %d: memref<?x?x1x32xf32>)
    attributes {tile.kernel, tile.grid = [#tile.term<1>]} {
  %c0 = arith.constant 0 : index
  %t = tile.extent length
  %x = tile.load %q[%c0, %c0, %c0, %c0] : memref<?x?x1x48xf32> -> <32x48xf32>
  %zero = arith.constant 0.0 : f32
  tile.sweep %c0 to %t step 32 iter() : () -> () visit {
  ^bb0(%p: index):
    %n = arith.constant 0 : i32
    tile.visit %n
  } bodies {
  ^bb0(%p: index):
    %y = tile.load %k[%c0, %p, %c0, %c0] : memref<?x?x1x48xf32> -> <32x48xf32>
    // Rows: queries. By columns, since x stands still.
    %s = tile.dot %x, %y {transposeB} : (!tile.tile<32x48xf32>, !tile.tile<32x48xf32>) -> !tile.tile<32x32xf32>
    // Rows: keys.
    %u = tile.dot %y, %x {transposeB} : (!tile.tile<32x48xf32>, !tile.tile<32x48xf32>) -> !tile.tile<32x32xf32>
    tile.store %s, %a[%c0, %p, %c0, %c0] : !tile.tile<32x32xf32>, memref<?x?x1x32xf32>
    tile.store %u, %b[%c0, %p, %c0, %c0] : !tile.tile<32x32xf32>, memref<?x?x1x32xf32>
    // By columns, whatever a store would like: a second product takes it so.
    %v = tile.dot %x, %y {transposeB} : (!tile.tile<32x48xf32>, !tile.tile<32x48xf32>) -> !tile.tile<32x32xf32>
    %w = tile.dot %v, %v {transposeA} : (!tile.tile<32x32xf32>, !tile.tile<32x32xf32>) -> !tile.tile<32x32xf32>
    %z = tile.dot %s, %s {transposeA} : (!tile.tile<32x32xf32>, !tile.tile<32x32xf32>) -> !tile.tile<32x32xf32>
    tile.store %w, %c[%c0, %p, %c0, %c0] : !tile.tile<32x32xf32>, memref<?x?x1x32xf32>
    tile.store %z, %d[%c0, %p, %c0, %c0] : !tile.tile<32x32xf32>, memref<?x?x1x32xf32>
    tile.next
  }
  return
})";
  KernelRunner runner(*context, text, runnableTargets());
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  std::vector<Buffer> first;
  for (const cpu::CpuTarget &target : runnableTargets()) {
    random.seed(3);
    const int64_t length = 128;
    std::vector<Buffer> buffers;
    for (int64_t width : {48, 48, 32, 32, 32, 32}) {
      buffers.push_back({{1, length, 1, width}, {}});
      for (int64_t n = 0; n < length * width; ++n)
        buffers.back().data.push_back(width == 48 ? double(float(normal(random))) : NAN);
    }
    runner.run("scores", target, buffers, {1, length, length});
    for (int64_t p = 0; p < length; p += 32)
      for (int64_t i = 0; i < 32; ++i)
        for (int64_t j = 0; j < 32; ++j) {
          float sum = 0;
          for (int64_t k = 0; k < 48; ++k)
            sum = std::fma(float(buffers[0].data[size_t(i * 48 + k)]), float(buffers[1].data[size_t((p + j) * 48 + k)]), sum);
          ASSERT_EQ(buffers[2].data[size_t((p + i) * 32 + j)], sum);
          ASSERT_EQ(buffers[3].data[size_t((p + j) * 32 + i)], sum);
        }
    ASSERT_EQ(buffers[4].data, buffers[5].data);
    // Both instruction sets give the same numbers.
    if (!first.empty()) {
      ASSERT_EQ(first[2].data, buffers[2].data);
      ASSERT_EQ(first[4].data, buffers[4].data);
    }
    first = buffers;
  }
}

} // namespace
} // namespace caa::test
