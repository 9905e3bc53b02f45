// Writes one planned kernel: a persistent block per multiprocessor with a producer warp and consumer warpgroups.
//
// The producer draws work items, evaluates the visit region, and loads: an item's held tiles with a slot that names the item, and
// for every visited tile one stage of the ring with a slot that names the position. What a stage is to a warpgroup, which body or
// none, stands in the slot before it, so that it is known early. So consumers take what comes, and nothing that spans an item's
// rows has to be known to them.
#pragma once

#include "codegen/Nvptx/Fragments/Ranking.h"
#include "codegen/Nvptx/Hopper/Instructions.h"
#include "codegen/Nvptx/Hopper/Plan.h"
#include "codegen/Nvptx/Hopper/Values.h"

namespace caa::nvptx::hopper {

/// A value that changes: memory of the thread, which LLVM turns into registers.
class Variable {
public:
  Variable() = default;
  Variable(ThreadCode &code, Type type);
  Variable(ThreadCode &code, Value first) : Variable(code, first.getType()) { set(first); }
  Value get() const;
  void set(Value value) const;

private:
  ThreadCode *code = nullptr;
  Type type;
  Value pointer;
};

/// Where a ring stands: the stage, and the parity to wait for.
struct RingState {
  Variable stage, parity;
  int64_t stages;
  RingState(ThreadCode &code, int64_t stages, int64_t firstParity);
  void advance(ThreadCode &code) const;
};

class KernelEmitter {
public:
  KernelEmitter(Plan &plan, mlir::ModuleOp module, caa_target target);
  mlir::FailureOr<LaunchInfo> run();

private:
  //===-- Common ------------------------------------------------------------------------------------------------===//
  Value at(int64_t offset) { return code.add(base, code.word(offset)); }             ///< a shared address
  Value barrierOf(int64_t first, Value n) { return code.add(code.mul(n, code.word(8)), at(first)); }
  void branch(Value condition, Block *yes, Block *no);
  /// Of a condition that is the same in all lanes. As a vote's result ptxas knows that, and keeps what follows in uniform registers.
  void branchTogether(Value condition, Block *yes, Block *no) { branch(code.anyInWarp(condition), yes, no); }
  void initBarriers();
  /// Scalars that stand before the sweep, and narrow tiles: what `ops` has of `block`, in order.
  void emitAhead(Scope &scope, Block &block, const llvm::DenseSet<Operation *> &ops, bool tiles);

  //===-- Producer.cpp ------------------------------------------------------------------------------------------===//
  void emitProducer();
  Value drawTicket(Value counter);
  Value itemOf(Value ticket);
  void defineReductions(Scope &scope);
  /// The word of a stage at `here`: see Plan::stageSlot.
  Value wordOf(Scope &scope, Value item, Value here);
  void issueHeld(Scope &scope, Value item, Value firstWord);
  void issueStage(Scope &item, Value nextWord);
  std::pair<Value, Value> wordAddress(Scope &scope, tile::LoadOp load, Value token);
  SmallVector<Value> loadFolds(Scope &scope, Value position);
  void storeFolds(llvm::ArrayRef<Value> words, Value start);
  void loadTile(Scope &scope, const SharedTile &tile, Value address, Value barrier);

  //===-- Consumer.cpp ------------------------------------------------------------------------------------------===//
  /// Products in flight, oldest first: a tile and its accumulators.
  struct Flight {
    SmallVector<std::pair<Value, SmallVector<Value>>> groups;
    llvm::BitVector waited; ///< rings whose present stage has arrived
  };
  /// A stage being consumed: the body of this warpgroup + 1, and what the stage's slot says.
  struct Stage {
    Value number, parity, body, position, next, head;
  };
  void emitConsumer();
  void emitVisitsInOrder(Scope &item, Value firstWord);
  void emitVisitsPipelined(Scope &item, Value firstWord);
  void readSlot(Stage &stage);
  Stage presentStage(Value word);
  /// Passes the stage by and returns the next one's word.
  Value skipStage();
  void takeTurn();
  void passTurn();
  void bindStage(Scope &scope, const Stage &stage);
  void bindCarried(Scope &scope);
  void waitRing(unsigned ring, const Stage &stage);
  void releaseRings(const llvm::BitVector &rings, Value stageNumber);
  void issueScores(Scope &scope, tile::DotOp dot, const Stage &stage);
  void issueSum(Scope &scope, tile::DotOp dot, ValueRange sums, ValueRange packed, Value key, const Stage &stage);
  /// Waits until the product of `tile` is done; it and all older ones become values of `scope`.
  void complete(Scope &scope, Value tile, llvm::SmallVectorImpl<Value> *alsoTied = nullptr);
  /// Code per body, chosen by the stage's slot.
  void perBody(const Stage &stage, llvm::function_ref<void(unsigned)> emit);
  void emitBlock(Scope &scope, Block &block, const Stage &stage, bool scoresIssued);
  void emitGuard(Scope &scope, mlir::scf::IfOp guard, const Stage &stage);
  SmallVector<Value> earlyOf(Scope &scope, Value weights);
  void emitSum(Scope &scope, tile::DotOp dot, llvm::ArrayRef<tile::DotOp> later, const Stage &stage);
  void emitWeights(Scope &scope, unsigned body, const Stage &stage);
  void loadVectorsOf(Scope &scope, Value tile);
  unsigned streamOf(tile::DotOp dot) const { return plan.streamOf.lookup(dot.getB().getDefiningOp()); }
  Value stageAddress(const Stage &stage, int64_t offset);
  /// Places in shared memory as descriptors of matrices count them. Made anew at each use: kept, they would cost a register each.
  Value sixteenths(int64_t offset);
  Value stageSixteenths(const Stage &stage, int64_t offset);

  //===-- Ranking.cpp -------------------------------------------------------------------------------------------===//
  /// The ranker of this warpgroup's rows; may be made once, where consumers begin.
  void makeRanker();
  void emitRank(Scope &scope, tile::RankOp rank);
  /// Runs the sweep with the ranking's `state` and way of showing; returns the last state. `firstWord`: 0 if there are no tiles.
  SmallVector<Value> runRanking(Scope &item, ValueRange state, const Ranker::Show &show, Value firstWord);
  /// The thresholds of an item, with as many sweeps as it takes. The first has not run yet.
  SmallVector<Value> emitThreshold(Scope &item, Value firstWord);
  void sendCommand(Value again);

  //===-- Results.cpp -------------------------------------------------------------------------------------------===//
  void emitResults(Scope &scope);
  void storeRows(Scope &scope, tile::StoreOp store);
  void storeBoxes(Scope &scope, tile::StoreOp store);
  void storeWide(Scope &scope, tile::StoreOp store);
  /// Address of (row, column 0) of what a store writes, and whether the row exists.
  std::pair<Value, Value> rowAddress(Scope &scope, tile::StoreOp store, Value row);

  Plan &plan;
  Frame frame;
  ThreadCode &code;
  Value base, base16; ///< shared memory, aligned to 1,024 bytes; the same in units of 16 bytes

  // Of the producer.
  std::unique_ptr<Values> values;
  Value lane, firstLane;
  std::unique_ptr<RingState> ring, heldRing;
  Variable pendingPosition, pendingHead;
  Value nextTicket;

  // Of consumers.
  Value warpgroup, warpgroupThread; ///< i32
  Value heldStart; ///< of this warpgroup's rows in the present item's buffer, in units of 16 bytes
  Flight flight;
  SmallVector<SmallVector<Variable>> carried; ///< registers of each carried value
  SmallVector<SmallVector<Variable>> weights, factors; ///< of each sum, between two visits
  SmallVector<SmallVector<Variable>> fresh;   ///< weights of the next visit, not yet packed
  llvm::DenseMap<Operation *, SmallVector<SmallVector<Variable>>> guardResults;
  std::unique_ptr<Fragments> fragments;
  std::unique_ptr<ListRanker> ranker;
  SmallVector<Variable> rankingState; ///< of the sweep that is being emitted
  Ranker::Show showing;
};

} // namespace caa::nvptx::hopper
