// Every epoch is a permutation, other epochs and seeds are others, and the same position is the same row.
#include "runtime/data/row_order.h"

#include <cmath>
#include <gtest/gtest.h>
#include <numeric>
#include <vector>

namespace caa {
namespace {

std::vector<uint64_t> epoch(const RowOrder &order, uint64_t number) {
  std::vector<uint64_t> rows;
  for (uint64_t i = 0; i < order.rows(); ++i)
    rows.push_back(order.at(number * order.rows() + i));
  return rows;
}

TEST(RowOrder, EveryEpochVisitsEveryRowOnce) {
  for (uint64_t rows : {1u, 2u, 3u, 4u, 5u, 17u, 1000u, 4096u, 4097u})
    for (uint64_t number : {0u, 1u, 7u}) {
      auto visited = epoch(RowOrder(rows, 42), number);
      std::sort(visited.begin(), visited.end());
      std::vector<uint64_t> all(rows);
      std::iota(all.begin(), all.end(), 0);
      EXPECT_EQ(visited, all);
    }
}

TEST(RowOrder, SeedsAndEpochsGiveOtherOrdersAndTheSameGivesTheSame) {
  RowOrder order(5000, 1);
  EXPECT_EQ(epoch(order, 3), epoch(RowOrder(5000, 1), 3));
  EXPECT_NE(epoch(order, 3), epoch(order, 4));
  EXPECT_NE(epoch(order, 0), epoch(RowOrder(5000, 2), 0));
}

TEST(RowOrder, LooksShuffled) {
  // The displacement of a row from its place is that of a random permutation: a third of the length on average, and
  // neighbours are uncorrelated.
  RowOrder order(20000, 9);
  auto rows = epoch(order, 0);
  double displacement = 0, correlation = 0, n = double(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    displacement += std::fabs(double(rows[i]) - double(i)) / n;
    if (i > 0)
      correlation += (double(rows[i]) / n - 0.5) * (double(rows[i - 1]) / n - 0.5) * 12;
  }
  EXPECT_NEAR(displacement / n, 1.0 / 3, 0.01);
  EXPECT_NEAR(correlation / n, 0, 0.03);
}

} // namespace
} // namespace caa
