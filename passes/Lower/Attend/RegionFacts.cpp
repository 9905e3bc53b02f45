// One forward walk over the region: dependences flow from arguments to results, crossings are seen at uses.
#include "passes/Lower/Attend/RegionFacts.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace caa::attend {

RegionFacts::RegionFacts(AttendOp attend) : op(attend) {
  Block &block = op.getBody().front();
  dependences[block.getArgument(0)] = {.queries = true};
  dependences[block.getArgument(1)] = {.keys = true};
  for (unsigned n = 0; n < op.getQueries().size(); ++n)
    dependences[op.getQueryArgument(n)] = {.queries = true, .operand = true};
  for (unsigned n = 0; n < op.getKeys().size(); ++n)
    dependences[op.getKeyArgument(n)] = {.keys = true, .operand = true};
  for (unsigned n = 0; n < op.getHeads().size(); ++n)
    dependences[op.getHeadArgument(n)] = {.operand = true};

  for (Operation &inner : block.without_terminator()) {
    Dependence all{.dot = isa<DotOp>(inner)};
    for (Value operand : inner.getOperands())
      all = all | of(operand);
    if (isa<UnitStartOp, UnitRowOp, UnitReduceOp, UnitAnyOp>(inner)) {
      all.unit = true;
      all.keys = false;
    }
    for (Value result : inner.getResults())
      dependences[result] = all;
    if (!isa<UnitStartOp, UnitRowOp>(inner)) // those read no token of a tile but its first
      for (Value operand : inner.getOperands())
        use(operand, all);
  }
  // Reductions use what they are given as pairs, whatever it depends on.
  Dependence reduced{.queries = true, .keys = true, .dot = true};
  for (Value yielded : block.getTerminator()->getOperands())
    use(yielded, reduced);
  for (auto [r, reduction] : llvm::enumerate(op.getReductionList())) {
    Value membership = op.getYields(r).back(); // a weight of one token alone may be 0 for whole tiles
    Dependence on = of(membership);
    if (on.operand && !on.isPair() && !on.isHead())
      (on.keys ? decidingKeys : decidingQueries).insert(membership);
  }
  for (ReductionAttr reduction : op.getReductionList()) {
    if (BlockArgument value = valueOf(reduction))
      use(value, reduced);
    if (BlockArgument count = countOf(reduction))
      use(count, reduced);
  }
}

void RegionFacts::use(Value value, Dependence user) {
  Dependence on = of(value);
  bool vector = isa<VectorType>(value.getType());
  if (vector && value.getDefiningOp<UnitRowOp>())
    return; // read when its product is taken
  if (on.isHead()) {
    if (!vector && !matchPattern(value, m_Constant()) && (!user.isHead() || user.dot))
      fromHeads.insert(value);
  } else if (!on.isPair()) {
    bool key = on.keys;
    if (vector) {
      (key ? keyVectors : queryVectors).insert(value);
    } else if (user.isPair()) {
      (key ? fromKeys : fromQueries).insert(value);
      if (on.operand && (!user.dot || value.getType().isInteger(1)))
        (key ? decidingKeys : decidingQueries).insert(value);
    }
  } else if (!on.dot && user.dot) {
    positionConditions.insert(value);
  }
}

std::optional<unsigned> RegionFacts::operandNumber(Value value) const {
  auto argument = dyn_cast<BlockArgument>(value);
  if (!argument || argument.getArgNumber() < 2)
    return std::nullopt;
  return argument.getArgNumber() - 2;
}

BlockArgument RegionFacts::valueOf(ReductionAttr reduction) const {
  if (reduction.getValue() < 0)
    return {};
  return reduction.getAxis() == Axis::Keys ? op.getKeyArgument(reduction.getValue()) : op.getQueryArgument(reduction.getValue());
}

BlockArgument RegionFacts::countOf(ReductionAttr reduction) const {
  return reduction.getCount() < 0 ? BlockArgument() : op.getQueryArgument(reduction.getCount());
}

} // namespace caa::attend
