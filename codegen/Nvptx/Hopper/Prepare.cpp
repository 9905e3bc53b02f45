// Brings a kernel into the form that Plan.cpp reads. The rewrites keep every bit of the results, but for factors of sums (deferFactors)
// and products (orderProducts).
#include "codegen/Nvptx/Hopper/Plan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;

namespace caa::nvptx::hopper {

namespace {

/// Moves what does not depend on `loop`'s arguments in front of it. Loads are of inputs, which nothing writes.
void hoistInvariants(Operation *loop) {
  for (Region &region : loop->getRegions())
    for (Operation &op : llvm::make_early_inc_range(region.front().without_terminator())) {
      if (!isPure(&op) && !isa<tile::LoadOp>(op))
        continue;
      bool invariant = true;
      op.walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          invariant &= !loop->isAncestor(operand.getParentBlock()->getParentOp()) || op.isAncestor(operand.getParentBlock()->getParentOp());
      });
      if (invariant)
        op.moveBefore(loop);
    }
}

/// (a n + i) / n is a where i runs from 0 to n: all heads of a group share their held head.
void simplifyGroups(scf::ForOp loop) {
  auto count = getConstantIntValue(loop.getUpperBound()), first = getConstantIntValue(loop.getLowerBound());
  if (!count || first != 0)
    return;
  SmallVector<Operation *> dead;
  loop.walk([&](arith::DivUIOp division) {
    auto sum = division.getLhs().getDefiningOp<arith::AddIOp>();
    if (!sum || getConstantIntValue(division.getRhs()) != count)
      return;
    Value a = sum.getLhs(), b = sum.getRhs();
    if (a == loop.getInductionVar())
      std::swap(a, b);
    auto product = a.getDefiningOp<arith::MulIOp>();
    if (b != loop.getInductionVar() || !product)
      return;
    if (getConstantIntValue(product.getRhs()) == count)
      division.replaceAllUsesWith(product.getLhs());
    else if (getConstantIntValue(product.getLhs()) == count)
      division.replaceAllUsesWith(product.getRhs());
  });
}

/// What stands under a guard that looks at scores runs in every visit: nothing in it matters to pairs that do not pass the guard's
/// test, and so all bodies of a sweep may have the same products.
bool openGuards(tile::SweepOp sweep) {
  bool any = false;
  for (Region &body : sweep.getBodies())
    for (auto guard : llvm::make_early_inc_range(body.front().getOps<scf::IfOp>())) {
      if (!guardsByScores(guard))
        continue;
      Block &block = guard.getThenRegion().front();
      auto yield = cast<scf::YieldOp>(block.getTerminator());
      guard->getBlock()->getOperations().splice(guard->getIterator(), block.getOperations(), block.begin(), yield->getIterator());
      guard.replaceAllUsesWith(yield.getResults());
      guard.erase();
      any = true;
    }
  return any;
}

std::optional<APFloat> constantOf(Value value) {
  auto op = value.getDefiningOp<arith::ConstantOp>();
  auto attribute = op ? dyn_cast<FloatAttr>(op.getValue()) : FloatAttr();
  return attribute ? std::optional(attribute.getValue()) : std::nullopt;
}

/// select(c, x k, y) with a constant k > 0 and y of 0 or an infinity is select(c, x, y) k: a factor that comes last may be folded
/// into what uses it.
void pullFactors(tile::MapOp map) {
  for (Operation &op : llvm::make_early_inc_range(map.getBody().front())) {
    auto select = dyn_cast<arith::SelectOp>(op);
    if (!select || !select.getType().isF32())
      continue;
    auto product = select.getTrueValue().getDefiningOp<arith::MulFOp>();
    auto other = constantOf(select.getFalseValue());
    if (!product || !other || !(other->isZero() || other->isInfinity()))
      continue;
    auto factor = constantOf(product.getRhs());
    if (!factor || factor->isNegative() || factor->isZero() || !factor->isFinite())
      continue;
    OpBuilder builder(select);
    Value inner = arith::SelectOp::create(builder, select.getLoc(), select.getCondition(), product.getLhs(), select.getFalseValue());
    Value outer = arith::MulFOp::create(builder, select.getLoc(), inner, product.getRhs());
    select.replaceAllUsesWith(outer);
    select.erase();
  }
}

bool isPairs(Value tile) {
  auto type = dyn_cast<tile::TileType>(tile.getType());
  return type && type.getRows() > 1 && type.getColumns() > 1;
}

/// Which score of its body, 1 and up, a value of a map's region has to wait for; 0 for none.
unsigned latestScore(Value value, DenseMap<Value, unsigned> &known) {
  auto [found, isNew] = known.try_emplace(value, 0);
  if (!isNew)
    return found->second;
  unsigned latest = 0;
  auto argument = dyn_cast<BlockArgument>(value);
  Operation *op = argument ? argument.getOwner()->getParentOp() : value.getDefiningOp();
  if (auto map = dyn_cast<tile::MapOp>(op)) {
    latest = latestScore(argument ? map.getOperand(argument.getArgNumber())
                                  : map.getBody().front().getTerminator()->getOperand(cast<OpResult>(value).getResultNumber()), known);
  } else if (auto dot = dyn_cast<tile::DotOp>(op)) {
    for (auto other : dot->getBlock()->getOps<tile::DotOp>()) {
      latest += other.getTransposeB();
      if (other == dot)
        break;
    }
  } else if (!argument) {
    for (Value operand : op->getOperands())
      latest = std::max(latest, latestScore(operand, known));
  }
  return known[value] = latest;
}

/// Products of pairs: what needs the earliest score first, so that only the product waits for the next one, not its factors; constants
/// in one, last; c - x y in one step. Roundings differ in the last place: not for scores that are compared, whose bits another kernel
/// relies on.
void orderProducts(tile::MapOp map) {
  Block &body = map.getBody().front();
  auto innerOf = [&](Value value) {
    auto product = value.getDefiningOp<arith::MulFOp>();
    return product && product->getBlock() == &body ? product : arith::MulFOp();
  };
  for (Operation &op : llvm::make_early_inc_range(body)) {
    OpBuilder builder(&op);
    if (auto difference = dyn_cast<arith::SubFOp>(op); difference && difference.getType().isF32() && constantOf(difference.getLhs())) {
      if (auto product = innerOf(difference.getRhs()); product && product->hasOneUse() && !constantOf(product.getRhs())) {
        Value negated = arith::NegFOp::create(builder, op.getLoc(), product.getLhs());
        Value result = math::FmaOp::create(builder, op.getLoc(), negated, product.getRhs(), difference.getLhs());
        difference.replaceAllUsesWith(result);
        difference.erase();
        product.erase();
      }
      continue;
    }
    auto root = dyn_cast<arith::MulFOp>(op);
    if (!root || !root.getType().isF32() || (root->hasOneUse() && isa<arith::MulFOp>(*root->user_begin())))
      continue;
    SmallVector<Value> factors, work{root.getResult()};
    SmallVector<Operation *> products;
    APFloat constant(1.0f);
    while (!work.empty()) {
      Value value = work.pop_back_val();
      if (auto product = innerOf(value); product && (product == root || product->hasOneUse())) {
        products.push_back(product);
        work.append({product.getRhs(), product.getLhs()});
      } else if (auto factor = constantOf(value)) {
        constant = constant * *factor;
      } else {
        factors.push_back(value);
      }
    }
    if (products.size() < 2 || factors.empty() || !constant.isFiniteNonZero() || constant.isDenormal())
      continue;
    DenseMap<Value, unsigned> known;
    llvm::stable_sort(factors, [&](Value a, Value b) { return latestScore(a, known) < latestScore(b, known); });
    Value result = factors[0];
    for (Value factor : ArrayRef(factors).drop_front())
      result = arith::MulFOp::create(builder, op.getLoc(), result, factor);
    if (!constant.isExactlyValue(1))
      result = arith::MulFOp::create(builder, op.getLoc(), result,
                                     arith::ConstantOp::create(builder, op.getLoc(), builder.getFloatAttr(builder.getF32Type(), constant)));
    root.replaceAllUsesWith(result);
    for (Operation *product : products) // each before what it was used by
      product->erase();
  }
}

/// x < a & x <= b is x < min(a, b + 1): where only one of a and b differs from pair to pair, that is one comparison a pair. For tokens,
/// which are far from overflow. Among more conditions the minimum would be one bound more to keep in registers.
void mergeBounds(tile::MapOp map) {
  auto boundOf = [](Value value) {
    auto compare = value.getDefiningOp<arith::CmpIOp>();
    bool isBound = compare && compare.getLhs().getType().isInteger(64) &&
                   llvm::is_contained({arith::CmpIPredicate::slt, arith::CmpIPredicate::sle}, compare.getPredicate());
    return isBound ? compare : arith::CmpIOp();
  };
  for (auto both : llvm::make_early_inc_range(map.getBody().front().getOps<arith::AndIOp>())) {
    arith::CmpIOp a = boundOf(both.getLhs()), b = boundOf(both.getRhs());
    if (!a || !b || a.getLhs() != b.getLhs() || (both->hasOneUse() && isa<arith::AndIOp>(*both->user_begin())))
      continue;
    OpBuilder builder(both);
    Location loc = both.getLoc();
    auto end = [&](arith::CmpIOp bound) -> Value {
      if (bound.getPredicate() == arith::CmpIPredicate::slt)
        return bound.getRhs();
      return arith::AddIOp::create(builder, loc, bound.getRhs(), arith::ConstantIntOp::create(builder, loc, 1, 64));
    };
    Value least = arith::MinSIOp::create(builder, loc, end(a), end(b));
    both.replaceAllUsesWith(arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, a.getLhs(), least).getResult());
  }
}

/// Whether a kernel compares scores.
bool comparesScores(func::FuncOp kernel) {
  WalkResult result = kernel.walk([](Operation *op) {
    auto map = isa<arith::CmpFOp>(op) ? dyn_cast<tile::MapOp>(op->getParentOp()) : tile::MapOp();
    return isa<tile::RankOp>(op) || (map && isPairs(map.getResult(0))) ? WalkResult::interrupt() : WalkResult::advance();
  });
  return result.wasInterrupted();
}

/// All users of a tile get its product with a constant.
void scaleResult(Value result, const APFloat &factor) {
  OpBuilder builder(result.getContext());
  builder.setInsertionPointAfter(result.getDefiningOp());
  Location loc = result.getLoc();
  auto map = tile::MapOp::create(builder, loc, TypeRange(result.getType()), ValueRange(result));
  Block *body = builder.createBlock(&map.getBody(), {}, {builder.getF32Type()}, {loc});
  Value constant = arith::ConstantOp::create(builder, loc, builder.getFloatAttr(builder.getF32Type(), factor));
  Value scaled = arith::MulFOp::create(builder, loc, body->getArgument(0), constant);
  tile::YieldOp::create(builder, loc, ValueRange(scaled));
  result.replaceAllUsesExcept(map.getResult(0), map);
}

/// A constant factor of every weight that a sum over the sweep takes multiplies the sum instead: one product per element of the result,
/// none per pair.
void deferFactors(tile::SweepOp sweep) {
  auto loop = dyn_cast<scf::ForOp>(sweep->getParentOp());
  struct Sum {
    SmallVector<std::pair<Operation *, arith::MulFOp>> weights; ///< the rounding and the product before it
    std::optional<APFloat> factor;
    bool possible = true;
  };
  std::vector<Sum> sums(sweep.getInits().size());
  sweep.walk([&](tile::DotOp dot) {
    if (dot.getTransposeB() || !dot.getAccumulator())
      return;
    Value start = dot.getAccumulator();
    if (auto map = start.getDefiningOp<tile::MapOp>())
      start = map.getOperand(0);
    auto carried = dyn_cast<BlockArgument>(start);
    if (!carried || carried.getOwner()->getParentOp() != sweep || carried.getArgNumber() == 0)
      return;
    Sum &sum = sums[carried.getArgNumber() - 1];
    auto map = dot.getA().getDefiningOp<tile::MapOp>();
    Value yielded = map ? map.getBody().front().getTerminator()->getOperand(cast<OpResult>(dot.getA()).getResultNumber()) : Value();
    auto rounding = yielded ? yielded.getDefiningOp<arith::TruncFOp>() : arith::TruncFOp();
    auto product = rounding ? rounding.getIn().getDefiningOp<arith::MulFOp>() : arith::MulFOp();
    auto factor = product ? constantOf(product.getRhs()) : std::nullopt;
    if (!factor || !dot.getA().hasOneUse() || !rounding->hasOneUse() || (sum.factor && *sum.factor != *factor)) {
      sum.possible = false;
      return;
    }
    sum.factor = factor;
    sum.weights.emplace_back(rounding, product);
  });
  for (auto [n, sum] : llvm::enumerate(sums)) {
    Value init = sweep.getInits()[n], result = sweep.getResult(unsigned(n));
    if (loop) {
      auto argument = dyn_cast<BlockArgument>(init);
      if (!argument || argument.getOwner() != loop.getBody())
        continue;
      init = loop.getInitArgs()[argument.getArgNumber() - 1];
      result = loop.getResult(argument.getArgNumber() - 1);
    }
    auto splat = init.getDefiningOp<tile::SplatOp>();
    auto zero = splat ? constantOf(splat.getValue()) : std::nullopt;
    if (!sum.possible || !sum.factor || !zero || !zero->isZero())
      continue;
    for (auto [rounding, product] : sum.weights)
      rounding->setOperand(0, product.getLhs());
    scaleResult(result, *sum.factor);
  }
}

/// Rounding is monotone: the k-th largest of scores that all have one positive factor is that of the scores without it, times the factor.
void rankWithoutFactor(tile::ThresholdOp threshold) {
  auto sweep = threshold.getRanking().getDefiningOp<tile::SweepOp>();
  SmallVector<std::pair<OpOperand *, Value>> yields; ///< and what they become
  std::optional<APFloat> factor;
  bool possible = sweep && threshold.getThreshold().getType().getElement().isF32();
  if (possible)
    sweep.walk([&](tile::RankOp rank) {
      auto map = rank.getScores().getDefiningOp<tile::MapOp>();
      OpOperand *yielded = map ? &map.getBody().front().getTerminator()->getOpOperand(cast<OpResult>(rank.getScores()).getResultNumber()) : nullptr;
      auto product = yielded ? yielded->get().getDefiningOp<arith::MulFOp>() : arith::MulFOp();
      auto its = product ? constantOf(product.getRhs()) : std::nullopt;
      possible &= its && !its->isNegative() && !its->isZero() && its->isFinite() && rank.getScores().hasOneUse() && (!factor || *factor == *its);
      if (!possible)
        return;
      factor = its;
      yields.emplace_back(yielded, product.getLhs());
    });
  if (!possible || !factor)
    return;
  for (auto [operand, value] : yields)
    operand->set(value);
  scaleResult(threshold.getThreshold(), *factor);
}

} // namespace

bool prepareKernel(func::FuncOp kernel, bool opensGuards) {
  IRRewriter rewriter(kernel.getContext());
  auto tidy = [&] {
    DominanceInfo dominance(kernel);
    eliminateCommonSubExpressions(rewriter, dominance, kernel);
    (void)runRegionDCE(rewriter, kernel->getRegions());
  };
  kernel.walk([](tile::SweepOp sweep) { hoistInvariants(sweep); });
  kernel.walk([](scf::ForOp loop) {
    simplifyGroups(loop);
    hoistInvariants(loop);
  });
  bool opened = false;
  if (opensGuards)
    kernel.walk([&](tile::SweepOp sweep) { opened |= openGuards(sweep); });
  tidy();
  kernel.walk([](tile::MapOp map) {
    pullFactors(map);
    if (isPairs(map.getResult(0)))
      mergeBounds(map);
  });
  if (!comparesScores(kernel))
    kernel.walk([](tile::MapOp map) {
      if (isPairs(map.getResult(0)))
        orderProducts(map);
    });
  kernel.walk([](tile::SweepOp sweep) { deferFactors(sweep); });
  kernel.walk([](tile::ThresholdOp threshold) { rankWithoutFactor(threshold); });
  tidy();
  return opened;
}

} // namespace caa::nvptx::hopper
