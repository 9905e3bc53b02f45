// Recursion over the region's expressions; no set at all stands for a scalar that is always 0.
#include "passes/Lower/Attend/Guards.h"

using namespace mlir;

namespace caa::attend {

namespace {

using Guards = std::optional<ValueSet>; // none: no pair can count

class GuardFinder {
public:
  explicit GuardFinder(const Known &known) : known(known) {}

  /// What must hold for a truth value to hold.
  Guards ofTruth(Value value) {
    if (isKnown(value, 0))
      return std::nullopt;
    if (isKnown(value, 1))
      return ValueSet();
    if (auto both = value.getDefiningOp<arith::AndIOp>())
      return all(ofTruth(both.getLhs()), ofTruth(both.getRhs()));
    ValueSet itself;
    itself.insert(value);
    return itself;
  }

  /// What must hold for a number not to be 0.
  Guards ofNumber(Value value) {
    if (isKnown(value, 0))
      return std::nullopt;
    Operation *op = value.getDefiningOp();
    if (!op)
      return ValueSet();
    if (auto select = dyn_cast<arith::SelectOp>(op)) {
      Guards taken = all(ofTruth(select.getCondition()), ofNumber(select.getTrueValue()));
      if (isKnown(select.getCondition(), 1))
        return taken;
      return any(taken, isKnown(select.getCondition(), 0) || !isKnown(select.getFalseValue(), 0) ? ofNumber(select.getFalseValue()) : Guards());
    }
    if (isa<arith::MulFOp, arith::MulIOp>(op))
      return all(ofNumber(op->getOperand(0)), ofNumber(op->getOperand(1)));
    if (isa<arith::AddFOp, arith::SubFOp, arith::AddIOp, arith::SubIOp>(op))
      return any(ofNumber(op->getOperand(0)), ofNumber(op->getOperand(1)));
    if (isa<arith::DivFOp, arith::NegFOp>(op))
      return ofNumber(op->getOperand(0));
    if (isa<arith::UIToFPOp, arith::ExtUIOp>(op) && op->getOperand(0).getType().isInteger(1))
      return ofTruth(op->getOperand(0));
    return ValueSet();
  }

  static Guards all(Guards a, Guards b) {
    if (!a || !b)
      return std::nullopt;
    a->insert(b->begin(), b->end());
    return a;
  }
  static Guards any(Guards a, Guards b) {
    if (!a || !b)
      return a ? a : b;
    ValueSet both;
    for (Value value : *a)
      if (b->contains(value))
        both.insert(value);
    return both;
  }

private:
  bool isKnown(Value value, double number) {
    TypedAttr constant = known.lookup(value);
    if (!constant)
      return isConstant(value, number);
    if (auto real = dyn_cast<FloatAttr>(constant))
      return real.getValueAsDouble() == number;
    return cast<BoolAttr>(constant).getValue() == (number != 0);
  }

  const Known &known;
};

} // namespace

ValueSet commonGuards(const RegionFacts &facts, const Known &known) {
  GuardFinder finder(known);
  AttendOp attend = facts.attend();
  Guards common;
  for (auto [r, reduction] : llvm::enumerate(attend.getReductionList())) {
    if (reduction.getKind() == ReductionKind::Kth)
      return {}; // needs no more than scores and members anyway
    Value decides = attend.getYields(r).back();
    common = GuardFinder::any(common, decides.getType().isInteger(1) ? finder.ofTruth(decides) : finder.ofNumber(decides));
  }
  ValueSet result;
  if (common)
    for (Value guard : *common)
      if ((facts.of(guard).dot || facts.of(guard).unit) && facts.of(guard).isPair())
        result.insert(guard);
  return result;
}

SmallVector<DotOp> productsBehind(const ValueSet &values) {
  llvm::SmallSetVector<Value, 16> seen(values.begin(), values.end());
  SmallVector<DotOp> dots;
  for (unsigned n = 0; n < seen.size(); ++n) {
    Operation *op = seen[n].getDefiningOp();
    if (auto dot = dyn_cast_or_null<DotOp>(op))
      dots.push_back(dot);
    else if (op)
      seen.insert(op->operand_begin(), op->operand_end());
  }
  return dots;
}

} // namespace caa::attend
