// Positions, documents and micro-batches.
#include "runtime/train/batch.h"

#include <gtest/gtest.h>

namespace caa {
namespace {

TEST(TokenBatch, CountsPositionsAndDocumentsInEachRow) {
  auto batch = TokenBatch::of({9, 1, 2, 9, 3, 4, 9, 9}, 2, 4, 9);
  EXPECT_EQ(batch.position, (std::vector<int32_t>{0, 1, 2, 3, 0, 1, 2, 3}));
  EXPECT_EQ(batch.doc, (std::vector<int32_t>{0, 1, 1, 1, 0, 0, 0, 1})); // the tokens before this one that end a text
  EXPECT_EQ(TokenBatch::of({9, 9}, 1, 2, std::nullopt).doc, (std::vector<int32_t>{0, 0}));
}

TEST(TokenBatch, PartsAreRows) {
  auto batch = TokenBatch::of({1, 2, 3, 4, 5, 6}, 3, 2, 1).part(1, 2);
  EXPECT_EQ(batch.rows, 2);
  EXPECT_EQ(batch.tokens, (std::vector<int32_t>{3, 4, 5, 6}));
  EXPECT_EQ(batch.position, (std::vector<int32_t>{0, 1, 0, 1}));
}

} // namespace
} // namespace caa
