// Sizes: the formula, and every way to leave 64 bits.
#include "runtime/engine/sizes.h"

#include <gtest/gtest.h>
#include <limits>
#include <vector>

namespace caa {
namespace {

caa_term term(int64_t coefficient, int batch, int64_t lengthDivisor, int length, int rows, int64_t divisor) {
  return {coefficient, lengthDivisor, divisor, uint8_t(batch), uint8_t(length), uint8_t(rows), {}};
}

TEST(Sizes, CeilingsAreTakenInside) {
  // 3 * ceil(B * ceil(T / 4)^2 * R / 5) at B = 2, T = 9, R = 7: ceil(2 * 9 * 7 / 5) = 26
  EXPECT_EQ(evaluate(term(3, 1, 4, 2, 1, 5), {2, 9, 7}), 78);
  EXPECT_EQ(evaluate(term(-1, 0, 1, 1, 0, 1), {2, 9, 7}), -9);
  EXPECT_EQ(evaluate(term(4, 0, 1, 0, 0, 3), {2, 9, 7}), 4);
}

TEST(Sizes, AreSums) {
  std::vector<caa_term> terms = {term(100, 0, 1, 0, 0, 1), term(2, 1, 1, 1, 0, 1), term(-1, 0, 1, 0, 1, 1)};
  EXPECT_EQ(*evaluate(terms, {0, 3}, {2, 9, 18}, "it"), 100 + 36 - 18);
  EXPECT_EQ(*evaluate(terms, {1, 1}, {2, 9, 18}, "it"), 36);
  EXPECT_EQ(*evaluate(terms, {3, 0}, {2, 9, 18}, "it"), 0);
}

TEST(Sizes, OverflowIsAnErrorThatNamesTheSize) {
  const int64_t large = std::numeric_limits<int64_t>::max();
  EXPECT_FALSE(evaluate(term(1, 2, 1, 0, 0, 1), {large / 2, 1, 1}));
  EXPECT_FALSE(evaluate(term(2, 1, 1, 0, 0, 1), {large, 1, 1}));
  EXPECT_FALSE(evaluate(term(1, 1, 1, 1, 0, 1), {int64_t(1) << 40, int64_t(1) << 40, 1}));
  EXPECT_FALSE(evaluate(term(1, 0, 0, 0, 0, 1), {1, 1, 1}));
  EXPECT_EQ(evaluate(term(1, 1, 1, 0, 0, 2), {large, 1, 1}), large / 2 + 1);
  std::vector<caa_term> terms = {term(large, 0, 1, 0, 0, 1), term(1, 0, 1, 0, 0, 1), term(-2, 0, 1, 0, 0, 1)};
  auto overflow = evaluate(terms, {0, 2}, {3, 4, 12}, "the grid of `k`");
  ASSERT_FALSE(overflow);
  EXPECT_NE(overflow.error().message.find("the grid of `k` at batch 3 and length 4"), std::string::npos);
  EXPECT_FALSE(evaluate(terms, {1, 2}, {1, 1, 1}, "it")) << "negative";
}

} // namespace
} // namespace caa
