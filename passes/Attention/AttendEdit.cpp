// Changing an attend in place. See AttendEdit.h.
#include "passes/Attention/AttendEdit.h"

#include "mlir/IR/Dominance.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace caa {

std::pair<Segment, unsigned> segmentOf(AttendOp op, unsigned number) {
  unsigned queries = op.getQueries().size(), keys = op.getKeys().size();
  if (number < queries)
    return {Segment::Queries, number};
  if (number < queries + keys)
    return {Segment::Keys, number - queries};
  return {Segment::Heads, number - queries - keys};
}

BlockArgument getOrAddOperand(AttendOp op, Segment segment, Value value) {
  OperandRange present = segment == Segment::Queries ? op.getQueries()
                         : segment == Segment::Keys  ? op.getKeys()
                                                     : op.getHeads();
  unsigned first = segment == Segment::Queries ? 0 : op.getQueries().size();
  if (segment == Segment::Heads)
    first += op.getKeys().size();
  for (auto [position, operand] : llvm::enumerate(present))
    if (operand == value)
      return op.getBody().getArgument(2 + first + position);
  unsigned position = first + present.size();
  MutableOperandRange range = segment == Segment::Queries ? op.getQueriesMutable()
                              : segment == Segment::Keys  ? op.getKeysMutable()
                                                          : op.getHeadsMutable();
  range.append(value);
  return op.getBody().front().insertArgument(2 + position, pairArgumentType(value.getType()), op.getLoc());
}

void cleanUpAttends(Operation *root) {
  IRRewriter rewriter(root->getContext());
  DominanceInfo dominance(root);
  eliminateCommonSubExpressions(rewriter, dominance, root);
  RewritePatternSet patterns(root->getContext());
  AttendOp::getCanonicalizationPatterns(patterns, root->getContext());
  MapOp::getCanonicalizationPatterns(patterns, root->getContext());
  (void)applyPatternsGreedily(root, std::move(patterns));
}

} // namespace caa
