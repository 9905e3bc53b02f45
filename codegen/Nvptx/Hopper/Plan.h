// What a held-and-swept kernel is made of, and how it is laid out on a multiprocessor: which tiles lie in shared memory, how many
// stages the ring has, how many warpgroups share the held rows. No formula is looked at, only structure.
#pragma once

#include "codegen/Nvptx/Core/Nvptx.h"
#include "dialect/Tile/TileDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <string>

namespace caa::nvptx::hopper {

using mlir::Operation;
using mlir::SmallVector;
using mlir::Value;

/// A tile in shared memory that wgmma reads: held for a work item, or streamed through the ring. Blocks of 64 columns follow one
/// another, each `rows` x 128 bytes, swizzled.
struct SharedTile {
  tile::LoadOp load;    ///< one of the loads that mean it
  int64_t rows = 0, width = 0;
  unsigned map = 0;     ///< of the launch's tensor maps
  int64_t offset = 0;   ///< bytes, within a buffer of held tiles or a stage
  int64_t blocks() const { return (width + 63) / 64; }
  int64_t bytes() const { return blocks() * rows * 128; }
};

/// One word per swept token, copied beside the tiles of a stage.
struct SharedVector {
  tile::LoadOp load;
  int64_t offset = 0; ///< bytes, within a stage
};

/// A word per swept token that all uses of a score subtract, after a constant factor: it enters the product as one more step of the
/// depth, ones times three bf16 parts of -word / factor, which together are exact.
struct Fold {
  tile::LoadOp load;
  double factor = 1;
};

/// A sum that each visit ends with: carried value `carried` = carried * factor + weights x streamed.
struct WeightedSum {
  unsigned carried = 0;
  tile::DotOp dot; ///< null in a body that leaves the carried value as it is
  Value factor; ///< of the rows; null: 1
};

struct Body {
  mlir::Region *region = nullptr;
  SmallVector<tile::DotOp> scores; ///< at the body's top level, in order
  SmallVector<WeightedSum> sums;   ///< of a body that can be pipelined, in the order of carried values: the same ones in all bodies
};

struct Plan {
  mlir::func::FuncOp kernel;
  mlir::scf::ForOp loop; ///< over the heads of a group, around the sweep; may be null
  tile::SweepOp sweep;
  int64_t rows = 0, columns = 0; ///< held, and swept in one visit
  int64_t warpgroups = 0;        ///< of consumers, 64 rows each

  SmallVector<SharedTile> held, streamed;
  SmallVector<SharedVector> vectors;
  llvm::DenseMap<Operation *, unsigned> heldOf, streamOf, vectorOf; ///< of loads
  SmallVector<Fold> folds; ///< at most two
  llvm::DenseMap<Operation *, unsigned> foldOf;     ///< of scores
  llvm::DenseSet<Operation *> foldedSubtractions;   ///< in maps: done by the product
  /// Values of maps that something is compared by, in bodies or in rankings: they have the same bits in all kernels, so none of their
  /// products becomes part of a multiply-add.
  llvm::DenseSet<Value> compared;
  SmallVector<Body> bodies;
  /// Whether the scores of the next visit are issued before the sums of the present one: all bodies have the same scores then, and
  /// the sums of the first one or fewer.
  bool pipelined = false;
  /// Of a sum, whether some body leaves it out.
  bool isPartial(unsigned sum) const {
    return llvm::any_of(bodies, [&](const Body &body) { return !body.sums[sum].dot; });
  }
  /// Whether warpgroups issue the products of their visits in turn, so that the maps of one run beside the products of the others.
  bool takesTurns = false;
  /// Whether what is visited depends on numbers alone, so that each lane of the producer's warp can look at a tile of its own.
  bool visitsAreScalar = false;
  /// Whether each warpgroup has visits of its own: those that its 64 rows need. What the visit region says of the rows of an item
  /// holds for a part of them if `heldStart` is the part's first row and `heldLast` (start + rows - 1; may be null) its last.
  bool visitsAreSplit = false;
  Value heldStart, heldLast;
  SmallVector<tile::ExtractOp> visitFacts; ///< that a visit region needs of tiles: for a part of the rows, what holds for all
  /// A kernel that ranks: its sweep fills one ranking, and runs as often as the threshold wants.
  tile::ThresholdOp threshold;

  /// Ops before the sweep (and of visits) that the producer needs a copy of, and those that consumers need.
  llvm::DenseSet<Operation *> producerOps, consumerOps;

  LaunchInfo launch;
  int64_t stages = 0, heldBuffers = 0;
  int64_t consumerRegisters = 0, producerRegisters = 0;
  // Offsets in shared memory, in bytes.
  int64_t heldBytes = 0, stageOffset = 0, stageBytes = 0, stagingOffset = 0, stagingBytes = 0, barrierOffset = 0;
  int64_t foldOffset = 0, onesOffset = 0; ///< of the columns of a stage's folds; of the two matrices of ones, 2 KB each
  int64_t listOffset = 0, listCapacity = 0; ///< of a ranking's lists

  //===-- Barriers and slots ------------------------------------------------------------------------------------===//
  /// Rings of a stage: one per streamed tile, then one for the vectors, one for the folds.
  unsigned vectorRing() const { return unsigned(streamed.size()); }
  unsigned foldRing() const { return vectorRing() + (vectors.empty() ? 0 : 1); }
  unsigned ringCount() const { return foldRing() + (folds.empty() ? 0 : 1); }
  int64_t fullBarrier(unsigned ring) const { return barrierOffset + 8 * stages * int64_t(ring); }
  int64_t emptyBarrier(unsigned ring) const { return fullBarrier(ringCount()) + 8 * stages * int64_t(ring); }
  int64_t heldFull() const { return emptyBarrier(ringCount()); }
  int64_t heldEmpty() const { return heldFull() + 8 * heldBuffers; }
  /// Per stage {position, the word of the next stage, head of the group}; per held buffer {item or -1, the word of its first stage}.
  /// A word has a byte per warpgroup: 1 + body, or 0 if the warpgroup skips the stage; no stage has the word 0, which ends a sweep.
  int64_t stageSlot() const { return (heldEmpty() + 8 * heldBuffers + 15) / 16 * 16; }
  int64_t heldSlot() const { return stageSlot() + 16 * stages; }
  /// Whether the consumers want the sweep once more: a barrier, and a slot of one word.
  int64_t commandBarrier() const { return heldSlot() + 16 * heldBuffers; }
  int64_t commandSlot() const { return commandBarrier() + 8; }
  int64_t endOfSlots() const { return commandBarrier() + 16; }
};

/// Whether a branch is taken if any pair passes a test: (max of the test as 0 or 1) > 0. Nothing in it can matter to rows where none
/// does, so each warpgroup may decide for its own.
bool isGuard(mlir::scf::IfOp guard);

/// A guard whose test takes a score of its own body.
bool guardsByScores(mlir::scf::IfOp guard);

/// Rewrites a clone of a kernel into the form that makePlan takes: what does not change in a sweep stands before it, factors stand
/// outside of selects, and constant factors of all weights of a sum after the sum. With `opensGuards` what stands under guards by scores
/// is done in every visit. Whether there was any is returned.
bool prepareKernel(mlir::func::FuncOp kernel, bool opensGuards);

/// Plans a prepared kernel; nothing, and why, if this generator can't take it.
std::optional<Plan> makePlan(mlir::func::FuncOp kernel, std::string &reason);

} // namespace caa::nvptx::hopper
