// Rankings on a GPU: the exact k-th largest of each row's scores, in memory that does not grow with the number of keys.
//
// The first sweep keeps, of each row, the largest score of each of up to 256 classes of keys, rounded to bf16, in registers. As keys of
// different classes are different keys, at least k scores reach the k-th largest of those: a bound. `threshold` then sweeps again:
// 1. What exceeds the bound is listed in shared memory, by each thread what it holds: no counting across threads, one order.
//    Of random scores the lists of a row hold little more than k; their k-th largest is the answer, and if they hold fewer than k,
//    the bound itself is.
// 2. Where a list was too short, the k-th largest of what it took is a higher bound: a few more tries.
// 3. What is still open then (k beyond a row's lists, scores in an unfortunate order) is bisected by sweeps that only count.
// Scores come as tiles, or as one per row (Rx1) where blocks of keys are ranked: those become classes in turn, and one lane lists them.
// What is no member of the set counts as -inf. -0 and 0 are equal. A sweep's scores have the same bits each time it runs.
#pragma once

#include "codegen/Nvptx/Fragments/FragmentEmitter.h"

namespace caa::nvptx {

class ListRanker : public Ranker {
public:
  /// `memory`: `bytes(fragments.rows, capacity)` of shared memory, aligned to 4 bytes, that nothing else uses from a threshold's
  /// first sweep to its end. `capacity`: scores in the list of one thread and row, a multiple of 8.
  ListRanker(ThreadCode &code, Fragments &fragments, Value memory, int64_t capacity);

  /// Registers of a thread that the first sweep carries.
  static constexpr int64_t stateRegisters = 65;
  static int64_t bytes(RowLayout rows, int64_t capacity);
  /// The capacity for which `available` bytes are enough, as much as is of use; below 16 (too little) 0. For top-k with
  /// k = sqrt(T), 48 is ample up to T = 4k and 80 up to T = 16k.
  static int64_t capacityFor(RowLayout rows, int64_t available);

  SmallVector<Value> start(tile::RankingOp op) override;
  SmallVector<Value> show(tile::RankOp op, ValueRange state, const Fragment &scores, const Fragment *members) override;
  mlir::FailureOr<Fragment> threshold(tile::ThresholdOp op, ValueRange state, const Fragment &counts, Again again) override;

  /// Called, if set, behind every sweep that runs again, as soon as it is known whether another one will (i1, the same in all threads).
  std::function<void(Value)> willSweepAgain;

private:
  /// One value for each row that a thread holds, in the order of Rx1 tiles.
  using PerRow = SmallVector<Value>;
  /// What is known of rows: `bound` is reached by at least as many scores as wanted (or is -inf); `open`: is not the answer yet.
  struct Search {
    PerRow bound, open;
    Value anyOpen; ///< in the block
  };

  size_t rowCount() const { return size_t(2 * fragments.rows.strips); }
  int64_t classesOf(int64_t columns) const;
  /// The n-th score of a row that this thread has; -inf if it does not count. Of Rx1 scores, which a whole quad has, the lane
  /// `owner` of the quad (i32) has one, the others none.
  Value score(const Fragment &scores, const Fragment *members, size_t row, int64_t n, Value owner = {});
  Value ordered(Value number); ///< integers that compare like the numbers
  Value number(Value ordered);
  /// count + (a `predicate` b), in two instructions.
  Value countIf(mlir::LLVM::FCmpPredicate predicate, Value count, Value a, Value b);
  Value guess(Value round, Value from, Value to, Value more, Value fewer, Value wanted);
  Value overQuad(Value value, llvm::function_ref<Value(Value, Value)> combine);
  /// Whether the i1 holds in any thread that holds rows, so that there is another sweep; two barriers.
  Value isAnyOpen(Value condition);

  PerRow boundOf(ValueRange maxima, const PerRow &wanted);
  SmallVector<Value> showToLists(ValueRange ends, const PerRow &bounds, const Fragment &scores, const Fragment *members);
  mlir::FailureOr<Search> searchLists(Search search, const PerRow &wanted, Again again);
  PerRow selectFromLists(const PerRow &counts, const PerRow &wanted, const PerRow &otherwise);
  mlir::FailureOr<Search> searchByCounting(Search search, const PerRow &wanted, Again again);

  ThreadCode &code;
  Fragments &fragments;
  Value memory;
  int64_t capacity;
  PerRow lists; ///< shared pointers
};

} // namespace caa::nvptx
