// Consecutive and parallel maps of a kernel as one. See MergeMaps.h.
#include "passes/Kernels/MergeMaps.h"

#include "dialect/Caa/CaaDialect.h"

#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/IR/Dominance.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace caa {
namespace {

bool hasSameShape(MapOp a, MapOp b) {
  Shape x = shapeOf(a.getResult(0)), y = shapeOf(b.getResult(0));
  return x.heads == y.heads && x.width == y.width &&
         isTokenwise(a.getResult(0).getType()) == isTokenwise(b.getResult(0).getType());
}

/// Whether `to` depends on `from` through an op between them.
bool dependsThroughOther(Operation *from, Operation *to) {
  llvm::SmallPtrSet<Operation *, 16> seen;
  SmallVector<Operation *> stack;
  auto pushUsers = [&](Operation *op) {
    for (Operation *user : op->getUsers())
      if (user != to && seen.insert(user).second)
        stack.push_back(user);
  };
  pushUsers(from);
  while (!stack.empty()) {
    Operation *op = stack.pop_back_val();
    if (llvm::is_contained(op->getUsers(), to))
      return true;
    pushUsers(op);
  }
  return false;
}

/// One map in the place of two; `second` may read `first`.
MapOp join(MapOp first, MapOp second) {
  OpBuilder builder(second);
  SmallVector<Type> types(first.getResultTypes());
  llvm::append_range(types, second.getResultTypes());
  SmallVector<Value> operands(first.getOperands());
  SmallVector<int64_t>
      scalarOf; // operand of `second`: its scalar is operand n of the joint map, or result -1 - n of `first`
  for (Value operand : second.getOperands()) {
    if (operand.getDefiningOp() == first) {
      scalarOf.push_back(-1 - int64_t(cast<OpResult>(operand).getResultNumber()));
      continue;
    }
    auto known = llvm::find(operands, operand);
    scalarOf.push_back(known - operands.begin());
    if (known == operands.end())
      operands.push_back(operand);
  }
  auto joint = MapOp::create(builder, builder.getFusedLoc({first.getLoc(), second.getLoc()}), types, operands);
  Block &block = joint.getBody().emplaceBlock();
  for (Value operand : operands)
    block.addArgument(elementOf(operand), operand.getLoc());
  IRMapping mapping;
  SmallVector<Value> yields;
  builder.setInsertionPointToEnd(&block);
  auto inlineBody = [&](MapOp map) {
    Block &body = map.getBody().front();
    for (Operation &op : body.without_terminator())
      builder.clone(op, mapping);
    for (Value scalar : body.getTerminator()->getOperands())
      yields.push_back(mapping.lookupOrDefault(scalar));
  };
  mapping.map(first.getBody().getArguments(), block.getArguments().take_front(first.getNumOperands()));
  inlineBody(first);
  for (auto [argument, scalar] : llvm::zip(second.getBody().getArguments(), scalarOf))
    mapping.map(argument, scalar >= 0 ? Value(block.getArgument(scalar)) : yields[-1 - scalar]);
  inlineBody(second);
  YieldOp::create(builder, joint.getLoc(), yields);
  first.replaceAllUsesWith(joint.getResults().take_front(first.getNumResults()));
  second.replaceAllUsesWith(joint.getResults().drop_front(first.getNumResults()));
  second.erase();
  first.erase();
  return joint;
}

bool readsSame(MapOp a, MapOp b) {
  Shape shape = shapeOf(a.getResult(0));
  return llvm::any_of(a.getOperands(), [&](Value value) {
    return shapeOf(value).heads * shapeOf(value).width * 2 > shape.heads * shape.width &&
           llvm::is_contained(b.getOperands(), value);
  });
}

/// Joins one pair; false if there is none.
bool joinOnePair(Block &block) {
  SmallVector<MapOp> maps(block.getOps<MapOp>());
  for (unsigned j = 1; j < maps.size(); ++j)
    for (unsigned i = j; i-- > 0;) {
      MapOp first = maps[i], second = maps[j];
      bool reads = llvm::any_of(second.getOperands(), [&](Value value) { return value.getDefiningOp() == first; });
      if (!hasSameShape(first, second) || (!reads && !readsSame(first, second)) || dependsThroughOther(first, second))
        continue;
      join(first, second);
      sortTopologically(&block);
      return true;
    }
  return false;
}

/// Reads per-head constants that are the same everywhere, and broadcasts, where they are used; drops what nobody reads.
void canonicalize(func::FuncOp kernel) {
  MLIRContext *context = kernel.getContext();
  RewritePatternSet patterns(context);
  for (RegisteredOperationName name : context->getRegisteredOperations())
    if (isa<CaaDialect>(name.getDialect()) || name.getDialectNamespace() == "arith")
      name.getCanonicalizationPatterns(patterns, context);
  FrozenRewritePatternSet frozen(std::move(patterns));
  (void)applyPatternsGreedily(kernel, frozen);
  IRRewriter rewriter(context);
  DominanceInfo dominance(kernel);
  eliminateCommonSubExpressions(rewriter, dominance, kernel);
}

} // namespace

void mergeMaps(func::FuncOp kernel) {
  canonicalize(kernel);
  while (joinOnePair(kernel.getBody().front()))
    ;
  canonicalize(kernel);
}

} // namespace caa
