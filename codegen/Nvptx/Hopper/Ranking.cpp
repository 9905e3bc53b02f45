// Kernels that rank: the sweep fills the state of a Ranker, and runs again when that wants it. See KernelEmitter.h.
#include "codegen/Nvptx/Hopper/KernelEmitter.h"

using namespace mlir;
using LLVM::ICmpPredicate;

namespace caa::nvptx::hopper {

namespace {

/// Fragments of the consumer warpgroups alone.
class ConsumerFragments : public Fragments {
public:
  ConsumerFragments(Frame &frame, int64_t warpgroups)
      : Fragments(frame, RowLayout{4 * warpgroups, 1, 16, 64}, frame.code.sub(frame.code.thread(), frame.code.word(128)), {}) {}
  void barrier() override { syncNamed(code, code.word(15), 32 * rows.warps); }
};

} // namespace

void KernelEmitter::makeRanker() {
  fragments = std::make_unique<ConsumerFragments>(frame, plan.warpgroups);
  Value memory = LLVM::IntToPtrOp::create(code.builder, code.loc, code.sharedPointer, at(plan.listOffset));
  ranker = std::make_unique<ListRanker>(code, *fragments, memory, plan.listCapacity);
}

void KernelEmitter::emitRank(Scope &scope, tile::RankOp rank) {
  Fragment scores{rank.getScores().getType(), scope.elements(rank.getScores())}, members;
  if (rank.getMembers())
    members = {rank.getMembers().getType(), scope.elements(rank.getMembers())};
  SmallVector<Value> state;
  for (const Variable &variable : rankingState)
    state.push_back(variable.get());
  SmallVector<Value> next = showing(rank, state, scores, rank.getMembers() ? &members : nullptr);
  for (auto [variable, value] : llvm::zip_equal(rankingState, next))
    variable.set(value);
}

/// The producer waits for this after the second sweep of an item that has tiles, and each one after that.
void KernelEmitter::sendCommand(Value again) {
  Value first = code.compare(ICmpPredicate::eq, code.thread(), code.word(128));
  code.assembly("@$2 st.shared.b32 [$0], $1;", "r,r,b,~{memory}", {at(plan.commandSlot()), again, first});
  code.warpBarrier();
  arriveBarrier(code, at(plan.commandBarrier()), firstLane);
}

SmallVector<Value> KernelEmitter::runRanking(Scope &item, ValueRange state, const Ranker::Show &show, Value firstWord) {
  SmallVector<Variable> outerState = std::move(rankingState);
  Ranker::Show outerShow = std::move(showing);
  rankingState.clear();
  for (Value value : state)
    rankingState.emplace_back(code, value);
  showing = show;
  code.when(code.compare(ICmpPredicate::ne, firstWord, code.word(0)), [&] { emitVisitsInOrder(item, firstWord); });
  SmallVector<Value> last;
  for (const Variable &variable : rankingState)
    last.push_back(variable.get());
  rankingState = std::move(outerState);
  showing = std::move(outerShow);
  return last;
}

SmallVector<Value> KernelEmitter::emitThreshold(Scope &item, Value firstWord) {
  auto ranking = plan.sweep.getInits()[0].getDefiningOp<tile::RankingOp>();
  Ranker::Show show = [&](tile::RankOp op, ValueRange state, const Fragment &scores, const Fragment *members) {
    return ranker->show(op, state, scores, members);
  };
  SmallVector<Value> state = runRanking(item, ranker->start(ranking), show, firstWord);
  Fragment counts{plan.threshold.getCounts().getType(), item.elements(plan.threshold.getCounts())};
  ranker->willSweepAgain = [&](Value more) {
    code.when(code.compare(ICmpPredicate::ne, firstWord, code.word(0)), [&] { sendCommand(code.select(more, code.word(1), code.word(0))); });
  };
  auto again = [&](ValueRange from, Ranker::Show how) -> FailureOr<SmallVector<Value>> { return runRanking(item, from, how, firstWord); };
  FailureOr<Fragment> result = ranker->threshold(plan.threshold, state, counts, again);
  ranker->willSweepAgain = nullptr;
  if (failed(result)) {
    values->failed = true;
    return {code.real(0, code.f32), code.real(0, code.f32)};
  }
  return result->values;
}

} // namespace caa::nvptx::hopper
