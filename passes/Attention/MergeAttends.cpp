// caa-merge-attends: branches of an attention that multiply the same rows become one attend, so that a tile of scores
// is computed once for all of them.
//
// Two attends merge if both take the dot product of the same query and key rows, they run over the same heads, neither
// needs the other's results, their units of keys agree, and neither or both rank keys (`kth`): a ranking comes before everything that reads its
// threshold, so merging it with one branch would keep that branch apart from the others. The merged attend stands where
// the later one stood; what reads the earlier one's results moves behind it.
#include "passes/Attention/AttendEdit.h"
#include "passes/Passes.h"

#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace caa {
#define GEN_PASS_DEF_MERGEATTENDS
#include "passes/Passes.h.inc"

namespace {

using RowPair = std::pair<Value, Value>;

/// The operands whose rows an attend multiplies.
SmallVector<RowPair> findProducts(AttendOp op) {
  SmallVector<RowPair> products;
  for (auto dot : op.getBody().front().getOps<DotOp>()) {
    auto query = dyn_cast<BlockArgument>(dot.getQuery()), key = dyn_cast<BlockArgument>(dot.getKey());
    if (query && key)
      products.push_back({op->getOperand(operandOf(query)), op->getOperand(operandOf(key))});
  }
  return products;
}

bool shareProduct(AttendOp a, AttendOp b) {
  SmallVector<RowPair> products = findProducts(b);
  return llvm::any_of(findProducts(a), [&](const RowPair &pair) { return llvm::is_contained(products, pair); });
}

bool ranks(AttendOp op) {
  return llvm::any_of(op.getReductionList(), [](ReductionAttr r) { return r.getKind() == ReductionKind::Kth; });
}

/// Whether both can see keys in the same units.
bool agreeOnUnits(AttendOp a, AttendOp b) {
  int64_t one = a.getUnit(), two = b.getUnit();
  return one == two || one == 0 || two == 0;
}

/// Whether `later` needs a result of `earlier`, through any ops between them.
bool dependsOn(AttendOp later, AttendOp earlier) {
  DenseSet<Operation *> tainted = {earlier};
  for (Operation *op = earlier->getNextNode(); op; op = op->getNextNode()) {
    bool reads = llvm::any_of(op->getOperands(),
                              [&](Value v) { return v.getDefiningOp() && tainted.contains(v.getDefiningOp()); });
    if (op == later)
      return reads;
    if (reads)
      tainted.insert(op);
  }
  return false;
}

/// Appends one attend's operands, region, reductions and results to what the merged one will have.
struct Merger {
  explicit Merger(AttendOp first, AttendOp second) : builder(second) {
    for (AttendOp op : {first, second}) {
      append(queries, op.getQueries());
      append(keys, op.getKeys());
      append(heads, op.getHeads());
    }
    Block &block = region.emplaceBlock();
    Location location = builder.getFusedLoc({first.getLoc(), second.getLoc()});
    for (unsigned n = 0; n < 2; ++n)
      block.addArgument(builder.getI64Type(), location);
    for (ArrayRef<Value> segment : {ArrayRef<Value>(queries), ArrayRef<Value>(keys), ArrayRef<Value>(heads)})
      for (Value operand : segment)
        block.addArgument(pairArgumentType(operand.getType()), location);
    OpBuilder inner(builder.getContext());
    inner.setInsertionPointToEnd(&block);
    for (AttendOp op : {first, second})
      addBody(op, block, inner);
    YieldOp::create(inner, location, yields);
    auto merged = AttendOp::create(builder, location, types, queries, keys, heads, builder.getArrayAttr(reductions));
    merged.getBody().takeBody(region);
    unsigned result = 0;
    for (AttendOp op : {first, second})
      for (Value old : op.getResults())
        old.replaceAllUsesWith(merged.getResult(result++));
    first.erase();
    second.erase();
  }

private:
  static void append(SmallVector<Value> &segment, OperandRange operands) {
    for (Value operand : operands)
      if (!llvm::is_contained(segment, operand))
        segment.push_back(operand);
  }
  static int64_t positionOf(ArrayRef<Value> segment, Value operand) {
    return llvm::find(segment, operand) - segment.begin();
  }

  void addBody(AttendOp op, Block &block, OpBuilder &inner) {
    IRMapping mapping;
    Block &body = op.getBody().front();
    for (unsigned n = 0; n < 2; ++n)
      mapping.map(body.getArgument(n), block.getArgument(n));
    unsigned argument = 2;
    auto mapSegment = [&](OperandRange operands, ArrayRef<Value> segment, unsigned first) {
      for (Value operand : operands)
        mapping.map(body.getArgument(argument++), block.getArgument(2 + first + positionOf(segment, operand)));
    };
    mapSegment(op.getQueries(), queries, 0);
    mapSegment(op.getKeys(), keys, queries.size());
    mapSegment(op.getHeads(), heads, queries.size() + keys.size());
    for (Operation &scalar : body.without_terminator())
      inner.clone(scalar, mapping);
    for (Value yielded : body.getTerminator()->getOperands())
      yields.push_back(mapping.lookupOrDefault(yielded));
    for (ReductionAttr reduction : op.getReductionList()) {
      bool overKeys = reduction.getAxis() == Axis::Keys;
      int64_t value = reduction.getValue(), count = reduction.getCount();
      if (value >= 0)
        value = overKeys ? positionOf(keys, op.getKeys()[value]) : positionOf(queries, op.getQueries()[value]);
      if (count >= 0)
        count = positionOf(queries, op.getQueries()[count]);
      reductions.push_back(ReductionAttr::get(op.getContext(), reduction.getKind(), reduction.getAxis(), value, count));
    }
    llvm::append_range(types, op.getResultTypes());
  }

  OpBuilder builder;
  SmallVector<Value> queries, keys, heads, yields;
  SmallVector<Attribute> reductions;
  SmallVector<Type> types;
  Region region;
};

class MergeAttendsPass : public impl::MergeAttendsBase<MergeAttendsPass> {
  void runOnOperation() override {
    getOperation().walk([&](func::FuncOp function) {
      if (function.isExternal())
        return;
      Block &block = function.getBody().front();
      while (mergeOne(block))
        ++merged;
      explainRest(block);
      cleanUpAttends(function);
    });
  }

  static bool canMerge(AttendOp earlier, AttendOp later) {
    return shareProduct(earlier, later) && earlier.getNumHeads() == later.getNumHeads() &&
           ranks(earlier) == ranks(later) && agreeOnUnits(earlier, later) && !dependsOn(later, earlier);
  }

  bool mergeOne(Block &block) {
    SmallVector<AttendOp> attends(block.getOps<AttendOp>());
    for (unsigned later = 1; later < attends.size(); ++later)
      for (unsigned earlier = 0; earlier < later; ++earlier)
        if (canMerge(attends[earlier], attends[later])) {
          Location location = attends[later].getLoc();
          Merger(attends[earlier], attends[later]);
          remark::passed(location, remark::RemarkOpts::name("merged-attention").category("attention"))
              << "computed in one pass with another attention over the same queries and keys";
          sortTopologically(&block);
          return true;
        }
    return false;
  }

  /// Says why attends over the same rows stay apart.
  void explainRest(Block &block) {
    SmallVector<AttendOp> attends(block.getOps<AttendOp>());
    for (unsigned later = 1; later < attends.size(); ++later)
      for (unsigned earlier = 0; earlier < later; ++earlier) {
        AttendOp a = attends[earlier], b = attends[later];
        if (!shareProduct(a, b))
          continue;
        StringRef reason = dependsOn(b, a)        ? "it needs a result of the other one"
                           : ranks(a) != ranks(b) ? "one of them ranks the keys that a third selects from"
                           : !agreeOnUnits(a, b)  ? "they see keys in blocks of different sizes"
                                                  : "they differ in their number of heads";
        remark::missed(b.getLoc(), remark::RemarkOpts::name("separate-attention").category("attention"))
            << ("computes scores of the same queries and keys again in a pass of its own: " + reason).str();
      }
  }
};

} // namespace
} // namespace caa
