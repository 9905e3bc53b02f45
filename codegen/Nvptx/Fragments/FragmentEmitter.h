// Follows a tile kernel op by op with tiles held as fragments. What a target does with wide tiles in memory, products and sweeps is
// the business of the class derived from this.
#pragma once

#include "codegen/Nvptx/Fragments/Fragments.h"

namespace caa::nvptx {

/// How the scores of a sweep are ranked. What it remembers is its *state*: values of a thread, which loops carry.
class Ranker {
public:
  virtual ~Ranker() = default;
  virtual SmallVector<Value> start(tile::RankingOp op) = 0;
  /// Shows one tile of scores, and which of them count (null: all).
  virtual SmallVector<Value> show(tile::RankOp op, ValueRange state, const Fragment &scores, const Fragment *members) = 0;
  /// The counts[r]-th largest. `again` runs the sweep that filled the ranking once more with another way of showing and other state
  /// (any number of values), and returns the last state.
  using Show = std::function<SmallVector<Value>(tile::RankOp, ValueRange state, const Fragment &scores, const Fragment *members)>;
  using Again = llvm::function_ref<mlir::FailureOr<SmallVector<Value>>(ValueRange state, Show show)>;
  virtual mlir::FailureOr<Fragment> threshold(tile::ThresholdOp op, ValueRange state, const Fragment &counts, Again again) = 0;
};

class FragmentEmitter {
public:
  FragmentEmitter(Frame &frame, Fragments &fragments, ScalarOptions options)
      : frame(frame), code(frame.code), fragments(fragments), options(options) {}
  virtual ~FragmentEmitter() = default;

  /// Emits the ops of a block, all but its terminator.
  mlir::LogicalResult emitBlock(Block &block);
  Ranker *ranker = nullptr; ///< must be set for kernels with rankings

protected:
  //===-- What a target adds ------------------------------------------------------------------------------------===//
  /// An RxC tile from global memory: keeps it where dots will find it.
  virtual mlir::LogicalResult emitWideLoad(tile::LoadOp load) = 0;
  /// A narrow load; the default loads to registers.
  virtual mlir::LogicalResult emitNarrowLoad(tile::LoadOp load);
  virtual mlir::LogicalResult emitDot(tile::DotOp dot) = 0;
  virtual mlir::LogicalResult emitStore(tile::StoreOp store);
  virtual mlir::LogicalResult emitSweep(tile::SweepOp sweep) = 0;
  /// At the beginning of each iteration of a loop, and where the loop is done.
  virtual void beginIteration() {}
  virtual void endLoop() {}
  /// The present work item, i32.
  Value item;

  //===-- For sweeps --------------------------------------------------------------------------------------------===//
  /// The registers of carried values, flat; and the way back.
  SmallVector<Value> flatten(ValueRange values);
  /// `like`: values of the same types that are known already (for rankings).
  void bind(ValueRange values, ValueRange registers, ValueRange like);
  /// What a sweep's results are.
  void bindSweep(tile::SweepOp sweep, ValueRange registers);
  /// Emits the visit region at p: which body (i32 both).
  mlir::FailureOr<Value> emitVisit(tile::SweepOp sweep, Value p);
  /// Branches to the body `number` (i32, not -1) at p (i32) with the carried `registers`; returns the next ones.
  mlir::FailureOr<SmallVector<Value>> emitBodies(tile::SweepOp sweep, Value number, Value p, ValueRange registers);

  //===-- Values ------------------------------------------------------------------------------------------------===//
  // Integers of 64 bits and indices are i32: they are positions and counts.
  Value scalar(Value value);
  const Fragment &fragment(Value value);
  SmallVector<Value> scalarsOf(ValueRange values);
  void set(Value value, Fragment fragment) { tiles[value] = std::make_unique<Fragment>(std::move(fragment)); }

  Frame &frame;
  ThreadCode &code;
  Fragments &fragments;
  ScalarOptions options;

private:
  mlir::LogicalResult emitOp(mlir::Operation *op);
  mlir::LogicalResult emitFor(mlir::Operation *op);
  mlir::LogicalResult emitIf(mlir::Operation *op);
  mlir::LogicalResult emitMap(tile::MapOp map);
  mlir::LogicalResult emitRank(tile::RankOp rank);
  mlir::LogicalResult emitThreshold(tile::ThresholdOp threshold);

  llvm::DenseMap<Value, Value> scalars;
  llvm::DenseMap<Value, std::unique_ptr<Fragment>> tiles; ///< references to fragments stay good
  struct Ranking {
    SmallVector<Value> state;
    mlir::Operation *origin = nullptr; ///< where it was empty
    mlir::Operation *sweep = nullptr;  ///< that filled it
  };
  llvm::DenseMap<Value, Ranking> rankings;
  Ranker::Show showing; ///< instead of the ranker's, while a sweep runs again for the ranking of origin `shown`
  mlir::Operation *shown = nullptr;
};

} // namespace caa::nvptx
