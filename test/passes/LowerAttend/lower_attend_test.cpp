// Kernels of the attends in attends.mlir, run by the tile interpreter, against the definition of attend in float64.
#include "test/passes/LowerAttend/AttendFixture.h"
#include "test/seed.h"

#include "mlir/IR/Verifier.h"

using namespace mlir;

namespace caa::test {
namespace {

class LowerAttend : public AttendFixture {};

const Tiles allTiles[] = {{16, 16}, {8, 32}, {32, 8}, {4, 4}, {16, 8, true}};

TEST_F(LowerAttend, GivesEveryAttendItsDefinitionAtAllLengthsAndTileSizes) {
  ASSERT_TRUE(tensors);
  unsigned seed = testSeed();
  for (Tiles tiles : allTiles) {
    OwningOpRef<ModuleOp> lowered = lower(tiles);
    for (auto function : tensors->getOps<func::FuncOp>())
      for (int64_t length : {1, 2, 15, 16, 17, 45}) {
        check(*lowered, function.getName(), length, ++seed,
              "tiles " + std::to_string(tiles.queries) + "x" + std::to_string(tiles.keys) + ", seed " + std::to_string(seed));
        if (HasFatalFailure())
          return;
      }
  }
}

TEST_F(LowerAttend, GivesEveryAttendItsDefinitionWithRowsOfBf16) {
  roundRows();
  ASSERT_TRUE(succeeded(verify(*tensors)));
  unsigned seed = testSeed();
  for (Tiles tiles : {Tiles{.keysAsRows = true, .held = 16, .swept = 8}, Tiles{.held = 8, .swept = 16}}) {
    OwningOpRef<ModuleOp> lowered = lower(tiles);
    for (auto function : tensors->getOps<func::FuncOp>())
      for (int64_t length : {1, 17, 45}) {
        check(*lowered, function.getName(), length, ++seed, "seed " + std::to_string(seed));
        if (HasFatalFailure())
          return;
      }
  }
}

TEST_F(LowerAttend, VisitsOnlyTilesThatASetReaches) {
  OwningOpRef<ModuleOp> lowered = lower({8, 8});
  const int64_t tiles = 12, length = 8 * tiles, batch = 2;
  // Causal: the triangle of tiles with the diagonal, which alone needs a mask.
  Counts dense = check(*lowered, "dense", length, 1, "");
  EXPECT_EQ(dense.visits, batch * 4 * tiles * (tiles + 1) / 2);
  EXPECT_EQ(dense.bodies, (std::vector<int64_t>{batch * 4 * tiles, batch * 4 * tiles * (tiles - 1) / 2}));
  // A window of 7 tokens reaches one tile back.
  Counts window = check(*lowered, "window", length, 1, "");
  EXPECT_EQ(window.visits, batch * 2 * (2 * tiles - 1));
  // Both directions: every tile.
  EXPECT_EQ(check(*lowered, "everywhere", length, 1, "").visits, batch * tiles * tiles);
  // Widths of at most 21 reach at most three tiles back, whatever each query chooses.
  EXPECT_LE(check(*lowered, "soft", length, 1, "").visits, batch * 4 * 4 * tiles);
}

TEST_F(LowerAttend, GivesTheAdjointOfTwoBranchesFiveProductsATile) {
  OwningOpRef<ModuleOp> lowered = lower({8, 8});
  Counts counts = check(*lowered, "branches_backward", 64, 1, "");
  EXPECT_EQ(counts.dots, 5 * counts.visits);
}

TEST_F(LowerAttend, ComputesNothingButScoresWhereNoneIsSelected) {
  OwningOpRef<ModuleOp> lowered = lower({8, 8});
  Counts counts = check(*lowered, "unselected", 64, 1, "");
  EXPECT_EQ(counts.visits, 2 * 2 * 8 * 9 / 2);
  EXPECT_EQ(counts.dots, counts.visits);
}

} // namespace
} // namespace caa::test
