// Canonical forms of map, attend and as_row: nothing unused, nothing twice, no broadcast that the op does by itself.
#include "dialect/Caa/Builders.h"
#include "dialect/Caa/CanonicalizeUnits.h"

#include "mlir/IR/PatternMatch.h"

using namespace mlir;

namespace caa {
namespace {

//===-- map -----------------------------------------------------------------------------------------------------===//

/// Drops unused results, unused operands and operands given twice.
struct TrimMap : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MapOp op, PatternRewriter &rewriter) const override {
    Block &block = op.getBody().front();
    auto yield = cast<YieldOp>(block.getTerminator());
    // Results: the first of those that yield the same scalar stands for all.
    SmallVector<unsigned> kept;
    SmallVector<unsigned> standIn(op.getNumResults());
    for (unsigned r = 0; r < op.getNumResults(); ++r) {
      if (op.getResult(r).use_empty())
        continue;
      auto same = llvm::find_if(kept, [&](unsigned k) { return yield.getOperand(k) == yield.getOperand(r); });
      standIn[r] = same - kept.begin();
      if (same == kept.end())
        kept.push_back(r);
    }
    if (kept.empty())
      return failure();

    bool tokenwise = isTokenwise(op.getResult(0).getType());
    SmallVector<Value> operands;
    BitVector dropped(op.getNumOperands());
    for (auto [number, operand] : llvm::enumerate(op.getOperands())) {
      BlockArgument argument = block.getArgument(number);
      bool isYieldedOnly = llvm::all_of(argument.getUses(), [&](OpOperand &use) {
        return use.getOwner() == yield && !llvm::is_contained(kept, use.getOperandNumber());
      });
      auto same = llvm::find(operands, operand);
      if (isYieldedOnly || same != operands.end())
        dropped.set(number);
      else
        operands.push_back(operand);
    }
    if (tokenwise && llvm::none_of(operands, [](Value v) { return isTokenwise(v.getType()); })) {
      unsigned first = 0; // one token-wise operand stays, for the batch and the length
      while (!isTokenwise(op.getOperand(first).getType()))
        ++first;
      dropped.reset(first);
      operands.clear();
      for (auto [number, operand] : llvm::enumerate(op.getOperands()))
        if (!dropped.test(number))
          operands.push_back(operand);
    }
    if (kept.size() == op.getNumResults() && dropped.none())
      return failure();

    SmallVector<Type> types = llvm::map_to_vector(kept, [&](unsigned r) { return op.getResult(r).getType(); });
    auto trimmed = MapOp::create(rewriter, op.getLoc(), types, operands);
    rewriter.inlineRegionBefore(op.getBody(), trimmed.getBody(), trimmed.getBody().end());
    SmallVector<Value> yields = llvm::map_to_vector(kept, [&](unsigned r) { return yield.getOperand(r); });
    rewriter.modifyOpInPlace(yield, [&] { yield.getValuesMutable().assign(yields); });
    for (auto [number, operand] : llvm::enumerate(op.getOperands()))
      if (dropped.test(number))
        for (unsigned earlier = 0; earlier < number; ++earlier)
          if (op.getOperand(earlier) == operand && !dropped.test(earlier))
            rewriter.replaceAllUsesWith(block.getArgument(number), block.getArgument(earlier));
    block.eraseArguments(dropped);
    for (unsigned r = 0; r < op.getNumResults(); ++r)
      if (!op.getResult(r).use_empty())
        rewriter.replaceAllUsesWith(op.getResult(r), trimmed.getResult(standIn[r]));
    rewriter.eraseOp(op);
    return success();
  }
};

/// Reads a broadcast's source instead of the broadcast: a map broadcasts by itself.
struct AbsorbBroadcast : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MapOp op, PatternRewriter &rewriter) const override {
    bool changed = false;
    for (OpOperand &operand : op->getOpOperands()) {
      auto broadcast = operand.get().getDefiningOp<BroadcastOp>();
      if (!broadcast)
        continue;
      bool lastTokenwise = isTokenwise(operand.get().getType()) && !isTokenwise(broadcast.getValue().getType()) &&
                           llvm::count_if(op.getOperands(), [](Value v) { return isTokenwise(v.getType()); }) == 1;
      if (lastTokenwise)
        continue;
      rewriter.modifyOpInPlace(op, [&] { operand.set(broadcast.getValue()); });
      changed = true;
    }
    return success(changed);
  }
};

/// Reads a constant that is the same everywhere as a scalar of the region.
struct AbsorbConstant : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MapOp op, PatternRewriter &rewriter) const override {
    bool changed = false;
    for (auto [number, operand] : llvm::enumerate(op.getOperands())) {
      auto constant = operand.getDefiningOp<ConstantOp>();
      auto elements = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
      BlockArgument argument = op.getBody().getArgument(number);
      if (!elements || !elements.isSplat() || argument.use_empty())
        continue;
      OpBuilder::InsertionGuard guard(rewriter);
      rewriter.setInsertionPointToStart(&op.getBody().front());
      auto scalar =
          arith::ConstantOp::create(rewriter, op.getLoc(), cast<TypedAttr>(elements.getSplatValue<Attribute>()));
      rewriter.replaceAllUsesWith(argument, scalar);
      changed = true;
    }
    return success(changed);
  }
};

/// A map that passes an operand on is that operand.
struct ForwardIdentity : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(MapOp op, PatternRewriter &rewriter) const override {
    bool changed = false;
    ValueRange yields = cast<YieldOp>(op.getBody().front().getTerminator()).getValues();
    for (auto [result, scalar] : llvm::zip(op.getResults(), yields)) {
      auto argument = dyn_cast<BlockArgument>(scalar);
      if (!argument || result.use_empty() || op.getOperand(argument.getArgNumber()).getType() != result.getType())
        continue;
      rewriter.replaceAllUsesWith(result, op.getOperand(argument.getArgNumber()));
      changed = true;
    }
    return success(changed);
  }
};

//===-- attend --------------------------------------------------------------------------------------------------===//

/// Drops reductions that nobody reads or that stand twice, and operands that the rest does not need.
struct TrimAttend : OpRewritePattern<AttendOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AttendOp op, PatternRewriter &rewriter) const override {
    SmallVector<Kept> kept;
    SmallVector<std::pair<Value, std::pair<unsigned, unsigned>>> replacements; // result: kept reduction, result of it
    bool changed = keepReductions(op, kept, replacements);
    if (kept.empty())
      return failure();

    Block &block = op.getBody().front();
    auto yield = cast<YieldOp>(block.getTerminator());
    SmallVector<Value> yields;
    for (const Kept &reduction : kept)
      llvm::append_range(yields, op.getYields(reduction.original));

    // Operands: where each goes; -1 if it is dropped.
    unsigned count = op->getNumOperands(), queries = op.getQueries().size(), keys = op.getKeys().size();
    auto segmentOf = [&](unsigned n) { return n < queries ? 0u : n < queries + keys ? 1u : 2u; };
    SmallVector<SmallVector<Value>, 3> segments(3);
    SmallVector<int> position(count, -1), sameAs(count, -1);
    int64_t heads = 1;
    for (unsigned n = 0; n < count; ++n) {
      if (!isNeeded(op, n, kept, yields))
        continue;
      for (unsigned earlier = 0; earlier < n && sameAs[n] < 0; ++earlier)
        if (position[earlier] >= 0 && sameAs[earlier] < 0 && segmentOf(earlier) == segmentOf(n) &&
            op->getOperand(earlier) == op->getOperand(n))
          sameAs[n] = earlier;
      if (sameAs[n] >= 0) {
        position[n] = position[sameAs[n]];
        continue;
      }
      position[n] = segments[segmentOf(n)].size();
      segments[segmentOf(n)].push_back(op->getOperand(n));
      heads = std::max(heads, shapeOf(op->getOperand(n)).heads);
    }
    bool sameOperands = segments[0].size() + segments[1].size() + segments[2].size() == count;
    if (heads != op.getNumHeads() || (segments[0].empty() && segments[1].empty()))
      return failure(); // the dropped operand says how many heads or tokens there are
    if (!changed && sameOperands)
      return failure();

    SmallVector<Attribute> reductions;
    SmallVector<Type> types;
    SmallVector<unsigned> firstResult;
    for (Kept &reduction : kept) {
      ReductionAttr attr = reduction.attr;
      unsigned base = attr.getAxis() == Axis::Keys ? queries : 0;
      int64_t value = attr.getValue() < 0 ? -1 : position[base + attr.getValue()];
      int64_t k = attr.getCount() < 0 ? -1 : position[attr.getCount()];
      firstResult.push_back(types.size());
      reductions.push_back(ReductionAttr::get(op.getContext(), attr.getKind(), attr.getAxis(), value, k));
      llvm::append_range(types, reduction.types);
    }
    auto trimmed = AttendOp::create(rewriter, op.getLoc(), types, segments[0], segments[1], segments[2],
                                    rewriter.getArrayAttr(reductions));
    rewriter.modifyOpInPlace(yield, [&] { yield.getValuesMutable().assign(yields); });
    BitVector dropped(2 + count);
    for (unsigned n = 0; n < count; ++n) {
      if (sameAs[n] >= 0)
        rewriter.replaceAllUsesWith(block.getArgument(2 + n), block.getArgument(2 + sameAs[n]));
      if (position[n] < 0 || sameAs[n] >= 0)
        dropped.set(2 + n);
    }
    // What is dead now may still use the arguments that go.
    SmallVector<Operation *> inner;
    for (Operation &scalar : block.without_terminator())
      inner.push_back(&scalar);
    for (Operation *scalar : llvm::reverse(inner))
      if (scalar->use_empty())
        rewriter.eraseOp(scalar);
    rewriter.inlineRegionBefore(op.getBody(), trimmed.getBody(), trimmed.getBody().end());
    trimmed.getBody().front().eraseArguments(dropped);
    for (auto [result, where] : replacements)
      rewriter.replaceAllUsesWith(result, trimmed.getResult(firstResult[where.first] + where.second));
    rewriter.eraseOp(op);
    return success();
  }

private:
  struct Kept {
    unsigned original;
    ReductionAttr attr;
    SmallVector<Type, 2> types;
  };

  static bool keepReductions(AttendOp op, SmallVector<Kept> &kept,
                             SmallVector<std::pair<Value, std::pair<unsigned, unsigned>>> &replacements) {
    bool changed = false;
    for (auto [r, attr] : llvm::enumerate(op.getReductionList())) {
      unsigned first = op.getFirstResult(r), results = AttendOp::countResults(attr);
      auto used = [&](unsigned n) { return !op.getResult(first + n).use_empty(); };
      if (!used(0) && !(results == 2 && used(1))) {
        changed = true;
        continue;
      }
      Kept mine{unsigned(r), attr, {}};
      unsigned skip = results == 2 && !used(0);
      if (skip) { // only the log-sum-exp is read
        mine.attr = ReductionAttr::get(op.getContext(), attr.getKind(), attr.getAxis(), -1, attr.getCount());
        changed = true;
      }
      for (unsigned n = skip; n < results; ++n)
        mine.types.push_back(op.getResult(first + n).getType());
      auto same = llvm::find_if(kept, [&](const Kept &other) {
        return other.attr == mine.attr && other.types == mine.types &&
               llvm::equal(op.getYields(other.original), op.getYields(r));
      });
      changed |= same != kept.end();
      for (unsigned n = skip; n < results; ++n)
        replacements.push_back({op.getResult(first + n), {unsigned(same - kept.begin()), n - skip}});
      if (same == kept.end())
        kept.push_back(mine);
    }
    return changed;
  }

  /// Whether the region, as far as it feeds `yields`, or a reduction reads operand `n`.
  static bool isNeeded(AttendOp op, unsigned n, ArrayRef<Kept> kept, ArrayRef<Value> yields) {
    unsigned queries = op.getQueries().size();
    for (const Kept &reduction : kept) {
      unsigned base = reduction.attr.getAxis() == Axis::Keys ? queries : 0;
      if (reduction.attr.getValue() >= 0 && base + reduction.attr.getValue() == n)
        return true;
      if (reduction.attr.getCount() >= 0 && reduction.attr.getCount() == n)
        return true;
    }
    BlockArgument argument = op.getBody().getArgument(2 + n);
    if (argument.use_empty())
      return false;
    SmallVector<Value> stack(yields);
    DenseSet<Value> seen;
    while (!stack.empty()) {
      Value value = stack.pop_back_val();
      if (value == argument)
        return true;
      if (Operation *def = value.getDefiningOp(); def && seen.insert(value).second)
        llvm::append_range(stack, def->getOperands());
    }
    return false;
  }
};

/// as_row of a sum over tokens, maybe reshaped, is a sum over tokens that gives a row.
struct RowOfSum : OpRewritePattern<AsRowOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(AsRowOp op, PatternRewriter &rewriter) const override {
    Value value = op.getValue();
    if (auto reshape = value.getDefiningOp<ReshapeOp>())
      value = reshape.getValue();
    auto sum = value.getDefiningOp<ReduceTokensOp>();
    if (!sum || !sum->hasOneUse())
      return failure();
    rewriter.replaceOpWithNewOp<ReduceTokensOp>(op, op.getType(), sum.getValue());
    return success();
  }
};

} // namespace

void MapOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<TrimMap, AbsorbBroadcast, AbsorbConstant, ForwardIdentity>(context);
}
void AttendOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<TrimAttend>(context);
  addUnitPatterns(patterns);
}
void AsRowOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<RowOfSum>(context);
}

} // namespace caa
