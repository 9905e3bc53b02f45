// caa-factor-attend: a row that is one number per token times a vector enters an attend as that vector and that number.
//
// The adjoint of a mixture g A + (1 - g) B of two softmaxes over the same values receives the rows g dO and (1 - g) dO.
// With the numbers pulled into the region as weights, both branches share the row dO: their dot products with v are
// one, and their sums of dO are one sum with weights added up. The same is done to sums over the width (<g dO, A> = g
// <dO, A>), so that the scaled rows need not exist at all.
#include "passes/Attention/AttendEdit.h"
#include "passes/Passes.h"

#include "dialect/Caa/Builders.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace caa {
#define GEN_PASS_DEF_FACTORATTEND
#include "passes/Passes.h.inc"

namespace {

/// Result `number` of a map as a product: numbers per token and head (scalars of the map's region that depend on
/// operands of width 1 alone) times scalars of the full width.
struct Product {
  MapOp map;
  unsigned number;
  SmallVector<Value> narrow, wide;
};

/// Splits a map's result into factors; fails where there is no narrow one or the width is 1 anyway.
FailureOr<Product> factorize(Value value) {
  auto map = value.getDefiningOp<MapOp>();
  if (!map || shapeOf(value).width == 1)
    return failure();
  Product product{map, cast<OpResult>(value).getResultNumber(), {}, {}};
  Block &block = map.getBody().front();
  DenseSet<Value> wide;
  for (auto [operand, argument] : llvm::zip(map.getOperands(), block.getArguments()))
    if (shapeOf(operand).width != 1)
      wide.insert(argument);
  for (Operation &op : block.without_terminator())
    if (llvm::any_of(op.getOperands(), [&](Value v) { return wide.contains(v); }))
      wide.insert(op.result_begin(), op.result_end());
  SmallVector<Value> stack = {block.getTerminator()->getOperand(product.number)};
  while (!stack.empty()) {
    Value factor = stack.pop_back_val();
    auto mul = factor.getDefiningOp<arith::MulFOp>();
    if (!wide.contains(factor))
      product.narrow.push_back(factor);
    else if (mul)
      stack.append({mul.getRhs(), mul.getLhs()});
    else
      product.wide.push_back(factor);
  }
  if (product.narrow.empty())
    return failure();
  return product;
}

/// The operand that a product is a multiple of; null if it is not a bare operand of the product's own heads and width.
Value getVector(const Product &product) {
  auto argument = product.wide.size() == 1 ? dyn_cast<BlockArgument>(product.wide[0]) : BlockArgument();
  if (!argument)
    return {};
  MapOp map = product.map;
  Value operand = map.getOperand(argument.getArgNumber());
  return operand.getType() == map.getResult(product.number).getType() ? operand : Value();
}

/// A map that multiplies some scalars of a map's region, over those of its operands that they need.
Value buildFactor(OpBuilder &builder, MapOp map, ArrayRef<Value> factors) {
  Block &block = map.getBody().front();
  DenseSet<Value> needed;
  SmallVector<Value> stack(factors);
  while (!stack.empty()) {
    Value value = stack.pop_back_val();
    if (needed.insert(value).second && value.getDefiningOp())
      llvm::append_range(stack, value.getDefiningOp()->getOperands());
  }
  SmallVector<Value> operands;
  SmallVector<BlockArgument> arguments;
  int64_t heads = 1, width = 1;
  for (auto [operand, argument] : llvm::zip(map.getOperands(), block.getArguments()))
    if (needed.contains(argument)) {
      operands.push_back(operand);
      arguments.push_back(argument);
      heads = std::max(heads, shapeOf(operand).heads);
      width = std::max(width, shapeOf(operand).width);
    }
  if (operands.empty())
    return {};
  bool tokenwise = llvm::any_of(operands, [](Value v) { return isTokenwise(v.getType()); });
  Type element = builder.getF32Type();
  Type type = tokenwise ? tokenwiseType(heads, width, element) : perHeadType(heads, width, element);
  return buildMap(builder, map.getLoc(), type, operands, [&](ScalarBuilder &scalars, ValueRange fresh) {
    IRMapping mapping;
    mapping.map(ValueRange(SmallVector<Value>(arguments.begin(), arguments.end())), fresh);
    for (Operation &op : block.without_terminator())
      if (needed.contains(op.getResult(0)))
        scalars.getBuilder().clone(op, mapping);
    Value result;
    for (Value factor : factors) {
      Value clone = mapping.lookup(factor);
      result = result ? scalars.mul(result, clone) : clone;
    }
    return result;
  });
}

//===-- Rows of attends -----------------------------------------------------------------------------------------===//

/// Replaces a row by `vector` times `number` in dot products and as the value of sums.
void replaceRow(AttendOp op, unsigned operand, Value vector, Value number) {
  auto [segment, position] = segmentOf(op, operand);
  BlockArgument weight = getOrAddOperand(op, isPerHead(number.getType()) ? Segment::Heads : segment, number);
  BlockArgument row = getOrAddOperand(op, segment, vector);
  // Arguments may have moved: find the old row again. Operands only ever join behind those of their segment.
  unsigned first = segment == Segment::Queries ? 0 : op.getQueries().size();
  BlockArgument old = op.getBody().getArgument(2 + first + position);
  for (Operation *user : llvm::make_early_inc_range(old.getUsers())) {
    auto dot = cast<DotOp>(user);
    OpBuilder builder(dot);
    Value query = dot.getQuery(), key = dot.getKey();
    (query == old ? query : key) = row;
    Value plain = DotOp::create(builder, dot.getLoc(), query, key);
    dot.replaceAllUsesWith(arith::MulFOp::create(builder, dot.getLoc(), plain, weight).getResult());
    dot.erase();
  }
  Axis axis = segment == Segment::Keys ? Axis::Keys : Axis::Queries;
  auto yield = cast<YieldOp>(op.getBody().front().getTerminator());
  OpBuilder builder(yield);
  SmallVector<Attribute> reductions(op.getReductions().begin(), op.getReductions().end());
  unsigned yielded = 0;
  for (auto [r, reduction] : llvm::enumerate(op.getReductionList())) {
    if (reduction.getAxis() == axis && reduction.getValue() == position) {
      Value product = arith::MulFOp::create(builder, op.getLoc(), yield.getOperand(yielded), weight);
      yield.setOperand(yielded, product);
      reductions[r] = ReductionAttr::get(op.getContext(), reduction.getKind(), axis, operandOf(row) - first, -1);
    }
    yielded += AttendOp::countYields(reduction);
  }
  op.setReductionsAttr(builder.getArrayAttr(reductions));
}

/// Whether a row is read, and only by dot products with other rows and by sums: then a factor can be taken out of it.
bool isLinearIn(AttendOp op, unsigned operand) {
  auto [segment, position] = segmentOf(op, operand);
  if (segment == Segment::Heads)
    return false;
  BlockArgument argument = op.getBody().getArgument(2 + operand);
  bool onlyDots = llvm::all_of(argument.getUsers(), [&](Operation *user) {
    auto dot = dyn_cast<DotOp>(user);
    return dot && dot.getQuery() != dot.getKey();
  });
  Axis axis = segment == Segment::Keys ? Axis::Keys : Axis::Queries;
  bool isRead = !argument.use_empty(), onlySums = true;
  for (ReductionAttr reduction : op.getReductionList()) {
    bool isValue = reduction.getAxis() == axis && reduction.getValue() == position;
    isRead |= isValue;
    onlySums &= !isValue || reduction.getKind() == ReductionKind::Sum;
  }
  return isRead && onlyDots && onlySums;
}

/// Takes the numbers out of rows that then are the same vector. True if anything changed.
bool shareRows(AttendOp op) {
  struct Candidate {
    unsigned operand;
    Product product;
  };
  llvm::MapVector<std::pair<Value, unsigned>, SmallVector<Candidate>> groups; // by vector and segment
  for (auto [number, operand] : llvm::enumerate(op->getOperands())) {
    if (!isLinearIn(op, number))
      continue;
    FailureOr<Product> product = factorize(operand);
    if (failed(product))
      continue;
    if (Value vector = getVector(*product))
      groups[{vector, unsigned(segmentOf(op, number).first)}].push_back({unsigned(number), *product});
  }
  for (auto &[key, candidates] : groups) {
    auto [vector, segmentNumber] = key;
    auto segment = Segment(segmentNumber);
    OperandRange rows = segment == Segment::Queries ? op.getQueries() : op.getKeys();
    if (candidates.size() < 2 && !llvm::is_contained(rows, vector))
      continue; // nothing to share: one row either way
    OpBuilder builder(op);
    if (Value number = buildFactor(builder, candidates[0].product.map, candidates[0].product.narrow)) {
      replaceRow(op, candidates[0].operand, vector, number);
      return true; // operands have moved; the rest is found again
    }
  }
  return false;
}

//===-- Sums of sums --------------------------------------------------------------------------------------------===//

/// Whether a map only adds up its operands.
bool isSum(MapOp map) {
  if (map.getNumResults() != 1)
    return false;
  Block &block = map.getBody().front();
  bool onlyAdds = llvm::all_of(block.without_terminator(),
                               [](Operation &op) { return isa<arith::AddFOp>(op) && op.getResult(0).hasOneUse(); });
  return onlyAdds && llvm::all_of(block.getArguments(), [](BlockArgument argument) { return argument.hasOneUse(); }) &&
         !isa<BlockArgument>(block.getTerminator()->getOperand(0));
}

/// Two sums of one attend with the same value and axis that are only added up become one. True if anything changed.
bool mergeSums(AttendOp op) {
  SmallVector<ReductionAttr> reductions = op.getReductionList();
  for (unsigned r = 0; r < reductions.size(); ++r)
    for (unsigned s = r + 1; s < reductions.size(); ++s) {
      if (reductions[r] != reductions[s] || reductions[r].getKind() != ReductionKind::Sum)
        continue;
      Value first = op.getResult(op.getFirstResult(r)), second = op.getResult(op.getFirstResult(s));
      if (first.getType() != second.getType() || !elementOf(first).isF32() || !first.hasOneUse() || !second.hasOneUse())
        continue;
      auto map = dyn_cast<MapOp>(*first.user_begin());
      if (!map || *second.user_begin() != map || !isSum(map) || map.getResult(0).getType() != first.getType())
        continue;
      auto yield = cast<YieldOp>(op.getBody().front().getTerminator());
      OpBuilder inner(yield);
      auto indexOf = [&](unsigned reduction) {
        unsigned index = 0;
        for (unsigned n = 0; n < reduction; ++n)
          index += AttendOp::countYields(reductions[n]);
        return index;
      };
      Value weight =
          arith::AddFOp::create(inner, op.getLoc(), yield.getOperand(indexOf(r)), yield.getOperand(indexOf(s)));
      yield.setOperand(indexOf(r), weight);
      SmallVector<Value> rest;
      for (Value operand : map.getOperands())
        if (operand != second)
          rest.push_back(operand);
      OpBuilder builder(map);
      map.getResult(0).replaceAllUsesWith(buildSum(builder, map.getLoc(), rest));
      map.erase();
      return true; // the second one is unused now
    }
  return false;
}

//===-- Sums over the width -------------------------------------------------------------------------------------===//

/// sum over the width of (number * rest) = number * sum of rest, looking through operands that are such products too.
bool factorSum(ReduceWidthOp sum) {
  FailureOr<Product> direct = factorize(sum.getValue());
  OpBuilder builder(sum);
  auto scaled = [&](Value number, Value rest) {
    Value narrow = ReduceWidthOp::create(builder, sum.getLoc(), sum.getResult().getType(), rest);
    Value result = buildMap(builder, sum.getLoc(), sum.getResult().getType(), {number, narrow},
                            [](ScalarBuilder &scalars, ValueRange v) { return scalars.mul(v[0], v[1]); });
    sum.getResult().replaceAllUsesWith(result);
    sum.erase();
    return true;
  };
  if (succeeded(direct)) {
    Value number = buildFactor(builder, direct->map, direct->narrow),
          rest = buildFactor(builder, direct->map, direct->wide);
    return number && rest && rest.getType() == sum.getValue().getType() && scaled(number, rest);
  }
  // number * vector as an operand of a product: multiply by the vector, then by the number.
  auto map = sum.getValue().getDefiningOp<MapOp>();
  if (!map || map.getNumResults() != 1 || map.getNumOperands() != 2)
    return false;
  Block &block = map.getBody().front();
  auto mul = block.getTerminator()->getOperand(0).getDefiningOp<arith::MulFOp>();
  if (!mul || !isa<BlockArgument>(mul.getLhs()) || !isa<BlockArgument>(mul.getRhs()) || mul.getLhs() == mul.getRhs())
    return false;
  for (unsigned n : {0u, 1u}) {
    FailureOr<Product> product = factorize(map.getOperand(n));
    Value vector = succeeded(product) ? getVector(*product) : Value();
    if (!vector)
      continue;
    Value number = buildFactor(builder, product->map, product->narrow);
    if (!number)
      continue;
    Value rest = buildMap(builder, map.getLoc(), map.getResult(0).getType(), {vector, map.getOperand(1 - n)},
                          [](ScalarBuilder &scalars, ValueRange v) { return scalars.mul(v[0], v[1]); });
    return scaled(number, rest);
  }
  return false;
}

class FactorAttendPass : public impl::FactorAttendBase<FactorAttendPass> {
  void runOnOperation() override {
    getOperation().walk([&](func::FuncOp function) {
      SmallVector<AttendOp> attends(function.getOps<AttendOp>());
      bool changed = false;
      for (AttendOp op : attends)
        while (shareRows(op)) {
          ++rows;
          changed = true;
        }
      for (AttendOp op : attends)
        while (mergeSums(op))
          ++sums;
      if (!changed)
        return;
      // Only where rows were shared: their scaled copies then have no reader but their sums over the width.
      SmallVector<ReduceWidthOp> widths(function.getOps<ReduceWidthOp>());
      for (ReduceWidthOp sum : widths)
        factorSum(sum);
      cleanUpAttends(function);
    });
  }
};

} // namespace
} // namespace caa
