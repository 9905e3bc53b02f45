// See CanonicalizeUnits.h. How a value moves along the keys of a unit is found by recursion over its expression.
#include "dialect/Caa/CanonicalizeUnits.h"

#include "dialect/Caa/CaaDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include <limits>

using namespace mlir;

namespace caa {
namespace {

/// As a bound of what may happen from one key of a unit to the next: a truth value falls if it may cease to hold.
enum Movement : unsigned { Still = 0, Rising = 1, Falling = 2, Anyhow = 3 };

Movement operator|(Movement a, Movement b) { return Movement(unsigned(a) | unsigned(b)); }
Movement reversed(Movement a) { return a == Rising ? Falling : a == Falling ? Rising : a; }

class Movements {
public:
  Movements(AttendOp attend, int64_t unit) : attend(attend), unit(unit) {}

  Movement of(Value value) {
    auto [at, isNew] = known.try_emplace(value, Anyhow);
    if (!isNew)
      return at->second;
    Movement found = compute(value);
    return known[value] = found;
  }

  Value token() { return attend.getBody().getArgument(1); }

private:
  /// Whether key numbers from a multiple of the unit on are told from those before it, no more.
  bool isBorder(arith::CmpIOp op) {
    APInt constant;
    if (op.getLhs() != token() || !matchPattern(op.getRhs(), m_ConstantInt(&constant)))
      return false;
    int64_t border = constant.getSExtValue();
    switch (op.getPredicate()) {
    case arith::CmpIPredicate::slt:
    case arith::CmpIPredicate::sge:
      return border % unit == 0;
    case arith::CmpIPredicate::sle:
    case arith::CmpIPredicate::sgt:
      return (border + 1) % unit == 0;
    default:
      return false;
    }
  }

  Movement less(Value a, Value b) { return reversed(of(a)) | of(b); } // of a < b

  Movement compute(Value value) {
    Operation *op = value.getDefiningOp();
    if (!op) {
      unsigned number = cast<BlockArgument>(value).getArgNumber(), keys = 2 + unsigned(attend.getQueries().size());
      return value == token() ? Rising : number >= keys && number < keys + attend.getKeys().size() ? Anyhow : Still;
    }
    if (isa<UnitStartOp, UnitRowOp, UnitReduceOp, UnitAnyOp>(op))
      return Still;
    if (op->getNumRegions() || !isMemoryEffectFree(op))
      return Anyhow;
    if (llvm::all_of(op->getOperands(), [&](Value operand) { return of(operand) == Still; }))
      return Still;
    if (isa<arith::AddIOp, arith::AddFOp, arith::MinSIOp, arith::MaxSIOp, arith::OrIOp>(op) || (isa<arith::AndIOp>(op) && value.getType().isInteger(1)))
      return of(op->getOperand(0)) | of(op->getOperand(1));
    if (isa<arith::SubIOp, arith::SubFOp>(op))
      return less(op->getOperand(1), op->getOperand(0));
    if (isa<arith::SIToFPOp, arith::IndexCastOp, arith::ExtSIOp>(op))
      return of(op->getOperand(0));
    APInt constant;
    if (isa<arith::XOrIOp>(op) && value.getType().isInteger(1) && matchPattern(op->getOperand(1), m_One()))
      return reversed(of(op->getOperand(0)));
    if (isa<arith::FloorDivSIOp>(op) && matchPattern(op->getOperand(1), m_ConstantInt(&constant)) && constant.isStrictlyPositive())
      return op->getOperand(0) == token() && constant.getSExtValue() % unit == 0 ? Still : of(op->getOperand(0));
    if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
      using P = arith::CmpIPredicate;
      if (isBorder(compare))
        return Still;
      P predicate = compare.getPredicate();
      return predicate == P::slt || predicate == P::sle   ? less(compare.getLhs(), compare.getRhs())
             : predicate == P::sgt || predicate == P::sge ? less(compare.getRhs(), compare.getLhs())
                                                          : Anyhow;
    }
    if (auto compare = dyn_cast<arith::CmpFOp>(op)) {
      using P = arith::CmpFPredicate;
      P predicate = compare.getPredicate();
      return predicate == P::OLT || predicate == P::OLE   ? less(compare.getLhs(), compare.getRhs())
             : predicate == P::OGT || predicate == P::OGE ? less(compare.getRhs(), compare.getLhs())
                                                          : Anyhow;
    }
    return Anyhow;
  }

  AttendOp attend;
  int64_t unit;
  llvm::DenseMap<Value, Movement> known;
};

/// What `value` is at the first key of the unit: the same expression of the unit's start.
Value atFirstKey(PatternRewriter &rewriter, Movements &movements, Operation *user, Value value, int64_t unit) {
  IRMapping copies;
  copies.map(movements.token(), UnitStartOp::create(rewriter, user->getLoc(), movements.token(), uint64_t(unit)).getResult());
  std::function<Value(Value)> copy = [&](Value old) -> Value {
    if (copies.contains(old))
      return copies.lookup(old);
    Operation *op = old.getDefiningOp();
    if (!op || isa<UnitStartOp, UnitRowOp, UnitReduceOp, UnitAnyOp>(op))
      return old;
    bool isSame = true;
    for (Value operand : op->getOperands())
      isSame &= copy(operand) == operand;
    if (isSame)
      copies.map(old, old);
    else
      rewriter.clone(*op, copies);
    return copies.lookup(old);
  };
  return copy(value);
}

struct AnyOfUnit : OpRewritePattern<UnitAnyOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(UnitAnyOp op, PatternRewriter &rewriter) const override {
    Movements movements(op->getParentOfType<AttendOp>(), int64_t(op.getUnit()));
    if (movements.of(op.getMember()) & Rising)
      return failure();
    rewriter.replaceOp(op, atFirstKey(rewriter, movements, op, op.getMember(), int64_t(op.getUnit())));
    return success();
  }
};

/// The largest of equal scores is that score, if any counts.
struct MaxOfEqualScores : OpRewritePattern<UnitReduceOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(UnitReduceOp op, PatternRewriter &rewriter) const override {
    Movements movements(op->getParentOfType<AttendOp>(), int64_t(op.getUnit()));
    if (op.getKind() != UnitReduction::Max || movements.of(op.getScore()) != Still)
      return failure();
    Value any = UnitAnyOp::create(rewriter, op.getLoc(), op.getMember(), op.getUnit());
    Value score = atFirstKey(rewriter, movements, op, op.getScore(), int64_t(op.getUnit()));
    Value none = arith::ConstantOp::create(rewriter, op.getLoc(), rewriter.getF32FloatAttr(-std::numeric_limits<float>::infinity()));
    rewriter.replaceOpWithNewOp<arith::SelectOp>(op, any, score, none);
    return success();
  }
};

} // namespace

void addUnitPatterns(RewritePatternSet &patterns) { patterns.add<AnyOfUnit, MaxOfEqualScores>(patterns.getContext()); }

} // namespace caa
