// See SharedPlan.h.
#include "codegen/Nvptx/Portable/SharedPlan.h"

#include "codegen/Llvm/Code.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/CSE.h"

using namespace mlir;

namespace caa::nvptx {

// Scalars of a sweep's bodies and its visit region that do not depend on the tile go before the sweep.
static void hoistInvariants(tile::SweepOp sweep) {
  auto isOutside = [&](Value value) { return !sweep->isAncestor(value.getParentBlock()->getParentOp()); };
  SmallVector<Operation *> candidates;
  sweep->walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<tile::MapOp>(op))
      return WalkResult::skip();
    bool isScalar = op->getNumResults() == 1 && !isa<tile::TileType, tile::RankingType>(op->getResult(0).getType());
    if (op != sweep && isScalar && op->getNumRegions() == 0 && isMemoryEffectFree(op))
      candidates.push_back(op);
    return WalkResult::advance();
  });
  for (Operation *op : candidates)
    if (llvm::all_of(op->getOperands(), isOutside))
      op->moveBefore(sweep);
}

static SharedTile tileOf(tile::LoadOp load) {
  tile::TileType type = load.getTile().getType();
  SharedTile tile{0, type.getRows(), type.getColumns(), 0, type.getElement()};
  int64_t chunks = (tile.padded() * emit::bytesOf(type.getElement()) + 15) / 16;
  tile.pitch = (chunks | 1) * 16;
  return tile;
}

const SharedTile *SharedPlan::held(tile::LoadOp load) const {
  auto found = heldTiles.find(load);
  return found == heldTiles.end() ? nullptr : &found->second;
}

std::optional<size_t> SharedPlan::staged(tile::LoadOp load) const {
  auto found = stagedNumbers.find(load);
  return found == stagedNumbers.end() ? std::nullopt : std::optional(found->second);
}

// The body of a sweep that an op stands in, directly or in branches; none: not in a body.
static Region *bodyOf(Operation *op, tile::SweepOp &sweep) {
  for (Region *region = op->getParentRegion(); region; region = region->getParentRegion())
    if ((sweep = dyn_cast<tile::SweepOp>(region->getParentOp())))
      return region == &sweep.getVisit() ? nullptr : region;
  return nullptr;
}

LogicalResult SharedPlan::plan(func::FuncOp kernel, int64_t exchangeBytes, int64_t wantedBytes, int64_t mostBytes) {
  kernel.walk([](tile::SweepOp sweep) { hoistInvariants(sweep); });
  IRRewriter rewriter(kernel.getContext());
  DominanceInfo dominance(kernel);
  eliminateCommonSubExpressions(rewriter, dominance, kernel);

  SmallVector<tile::LoadOp> loads;
  kernel.walk<WalkOrder::PreOrder>([&](tile::LoadOp load) { loads.push_back(load); });
  for (tile::LoadOp load : loads) {
    tile::TileType type = load.getTile().getType();
    bool isWide = type.getRows() > 1 && type.getColumns() > 1;
    int64_t bits = 8 * emit::bytesOf(type.getElement());
    bool isRow = type.getRows() == 1 && type.getColumns() > 1 && load.getTransposed() && !load.getHeads() &&
                 (bits == 32 || bits == 64);
    tile::SweepOp sweep;
    Region *body = bodyOf(load, sweep);
    if (!body) {
      if (isWide && sweep)
        return load.emitError("a GPU kernel's visit region loads rows and columns only");
      if (isWide)
        heldTiles[load] = tileOf(load);
      continue;
    }
    if (!isWide && !isRow)
      continue;
    Value start = body->front().getArgument(0);
    auto isFixed = [&](Value index) {
      return index == start || !sweep->isAncestor(index.getParentBlock()->getParentOp());
    };
    if (!llvm::all_of(load.getIndices(), isFixed)) {
      if (isRow)
        continue; // from global memory
      return load.emitError("a GPU kernel's sweep loads tiles whose place depends on the tile's start alone");
    }
    Ring &ring = rings[sweep];
    auto isSame = [&](StagedLoad &other) {
      if (other.load.getSource() != load.getSource() || other.load.getTile().getType() != type)
        return false;
      tile::SweepOp parent;
      Value otherStart = bodyOf(other.load, parent)->front().getArgument(0);
      return llvm::all_of(llvm::zip(load.getIndices(), other.load.getIndices()), [&](auto pair) {
        auto [mine, theirs] = pair;
        return mine == start ? theirs == otherStart : mine == theirs;
      });
    };
    auto *found = llvm::find_if(ring.loads, isSame);
    stagedNumbers[load] = size_t(found - ring.loads.begin());
    if (found == ring.loads.end()) {
      SharedTile tile = tileOf(load);
      if (isRow)
        tile.pitch = tile.padded() * bits / 8;
      ring.loads.push_back({load, tile, isRow});
    }
  }
  kernel.walk([&](tile::SweepOp sweep) { rings.try_emplace(sweep); });

  for (auto &[op, tile] : heldTiles) {
    padding |= tile.hasPadding();
    (void)op;
  }
  for (tile::LoadOp load : loads) // in the order of the kernel, so that the same code comes out each time
    if (auto found = heldTiles.find(load); found != heldTiles.end()) {
      found->second.offset = end;
      end += found->second.bytes();
    }
  exchange = end;
  end += (exchangeBytes + 15) / 16 * 16;
  // Sweeps run one after the other: their rings share one place.
  int64_t start = end;
  for (auto &entry : rings) {
    Ring &ring = entry.second;
    ring.offset = start;
    for (StagedLoad &staged : ring.loads) {
      staged.tile.offset = ring.stageBytes;
      ring.stageBytes += staged.tile.bytes();
      padding |= !staged.isRow && staged.tile.hasPadding();
    }
    int64_t limit = start + ring.stageBytes <= wantedBytes ? wantedBytes : mostBytes;
    while (ring.stages > 1 && start + ring.stages * ring.stageBytes > limit)
      --ring.stages;
    end = std::max(end, start + ring.stages * ring.stageBytes);
  }
  if (end > mostBytes)
    return kernel.emitError() << "the smallest tiles of this attention take " << end << " bytes of shared memory; a block has " << mostBytes;
  return success();
}

} // namespace caa::nvptx
