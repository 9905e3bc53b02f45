// caa-store-rounded: what the language rounds to bf16 is stored as bf16, and products take it as it lies.
//
// A rounding becomes two maps: one that narrows, whose result is what is stored, and one per reader that widens it again, which
// costs nothing, since each kernel widens what it reads. Moves of components (slice, reshape, ...) go through bf16 unchanged.
// Then products and attends get bf16 operands, and one whose result is only narrowed gives it in bf16 itself.
//
// A forward factor that is not rounded is an `fp32(x)`: its products stay in f32. A gradient that is not rounded by its own
// (that of an unnamed value) is rounded for the products that take it.
#include "passes/Passes.h"

#include "dialect/Caa/Rounding.h"
#include "llvm/ADT/TypeSwitch.h"

#include <numeric>

using namespace mlir;

namespace caa {
#define GEN_PASS_DEF_STOREROUNDED
#include "passes/Passes.h.inc"

namespace {

RankedTensorType withElement(Value value, Type element) {
  return RankedTensorType::get(cast<RankedTensorType>(value.getType()).getShape(), element);
}

/// Whether an attend is an adjoint: sums alone.
bool isAdjoint(AttendOp attend) {
  return llvm::all_of(attend.getReductionList(), [](ReductionAttr r) { return r.getKind() == ReductionKind::Sum; });
}

class Storage {
public:
  explicit Storage(func::FuncOp function) : body(function.getBody().front()), builder(function.getContext()) {}

  /// Returns the number of values that are stored as bf16.
  unsigned run() {
    for (Operation &op : llvm::make_early_inc_range(body))
      visit(&op);
    widenWhereRead();
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
      if (isOpTriviallyDead(&op))
        op.erase();
    giveRounded();
    return narrowings;
  }

private:
  Type bf16() { return builder.getBF16Type(); }

  //===-- What is stored --===//

  void visit(Operation *op) {
    builder.setInsertionPointAfter(op);
    llvm::TypeSwitch<Operation *>(op)
        .Case([&](MapOp map) {
          if (isRounding(map))
            stored[map.getResult(0)] = storedFormOf(map.getOperand(0));
        })
        .Case<ReshapeOp, SliceOp, ConcatOp, AsHeadOp, AsRowOp>([&](Operation *move) { moveStored(move); })
        .Case([&](EmbedOp embed) {
          if (Value table = stored.lookup(embed.getTable()))
            stored[embed.getResult()] =
                EmbedOp::create(builder, embed.getLoc(), withElement(embed.getResult(), bf16()), embed.getIndex(), table);
        })
        .Case<LinearOp, HeadLossOp>([&](Operation *product) { // input, weight
          if (stored.lookup(product->getOperand(0)) && stored.lookup(product->getOperand(1)))
            for (unsigned n : {0u, 1u})
              product->setOperand(n, stored.lookup(product->getOperand(n)));
        })
        .Case<LinearInputGradOp, LinearWeightGradOp>([&](Operation *product) { // gradient, then a factor of the forward product
          if (Value factor = stored.lookup(product->getOperand(1))) {
            product->setOperand(0, storedFormOf(product->getOperand(0)));
            product->setOperand(1, factor);
          }
        })
        .Case<EmbedGradOp>([&](EmbedGradOp gradient) {
          if (Value value = stored.lookup(gradient.getGradient()))
            gradient.getGradientMutable().set(value);
        })
        .Case<ReportOp>([&](ReportOp report) { // reads any numbers
          if (Value value = stored.lookup(report.getValue()))
            report.getValueMutable().set(value);
        })
        .Case([&](AttendOp attend) { visitAttend(attend); });
  }

  /// The bf16 value that holds what `value` rounds to.
  Value storedFormOf(Value value) {
    if (Value known = stored.lookup(value))
      return known; // it is rounded already
    if (Value narrow = narrowed.lookup(value))
      return narrow;
    Operation *def = value.getDefiningOp();
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointAfterValue(value);
    Location location = value.getLoc();
    if (auto param = dyn_cast_or_null<ParamOp>(def))
      return narrowed[value] = ParamOp::create(builder, location, withElement(value, bf16()), param.getNameAttr());
    if (auto head = dyn_cast_or_null<AsHeadOp>(def))
      return narrowed[value] = AsHeadOp::create(builder, location, withElement(value, bf16()), storedFormOf(head.getValue()));
    if (auto reshape = dyn_cast_or_null<ReshapeOp>(def); reshape && reshape->hasOneUse())
      return narrowed[value] = ReshapeOp::create(builder, location, withElement(value, bf16()), storedFormOf(reshape.getValue()));
    ++narrowings;
    return narrowed[value] = buildNarrowing(builder, value);
  }

  /// A move of values that are all stored as bf16 moves these.
  void moveStored(Operation *move) {
    SmallVector<Value> operands = llvm::map_to_vector(move->getOperands(), [&](Value value) { return stored.lookup(value); });
    if (operands.empty() || llvm::is_contained(operands, Value()))
      return;
    if (auto back = operands[0].getDefiningOp(); isa<AsHeadOp, AsRowOp>(move) && isa_and_nonnull<AsHeadOp, AsRowOp>(back) &&
                                                 back->getName() != move->getName()) {
      stored[move->getResult(0)] = back->getOperand(0); // a row as a head as a row
      return;
    }
    Operation *copy = builder.clone(*move);
    copy->setOperands(operands);
    copy->getResult(0).setType(withElement(move->getResult(0), bf16()));
    stored[move->getResult(0)] = copy->getResult(0);
  }

  void visitAttend(AttendOp attend) {
    bool adjoint = isAdjoint(attend);
    Block &region = attend.getBody().front();
    SmallVector<Value> forms(attend->getNumOperands()); // null: stays f32
    for (auto [n, operand] : llvm::enumerate(attend->getOperands())) {
      if (shapeOf(operand).width == 1 || !elementOf(operand).isF32())
        continue;
      forms[n] = stored.lookup(operand);
      if (forms[n])
        continue;
      if (!adjoint)
        exact.insert(operand);
      else if (!exact.contains(operand))
        forms[n] = storedFormOf(operand);
    }
    // The rows of a product have one type.
    auto numberOf = [](Value row) { return AttendOp::getArgumentOf(row).getArgNumber() - 2; };
    for (bool changed = true; changed;) {
      changed = false;
      for (auto dot : region.getOps<DotOp>()) {
        Value &left = forms[numberOf(dot.getQuery())], &right = forms[numberOf(dot.getKey())];
        if (!left != !right) {
          left = right = Value();
          changed = true;
        }
      }
    }
    for (auto [n, form] : llvm::enumerate(forms))
      if (form) {
        attend->setOperand(n, form);
        region.getArgument(2 + n).setType(pairArgumentType(form.getType()));
      }
    for (auto row : region.getOps<UnitRowOp>())
      row.getResult().setType(cast<VectorType>(row.getRow().getType()));
  }

  //===-- Who reads it --===//

  /// Readers of rounded f32 values widen what is stored, each for itself.
  void widenWhereRead() {
    for (auto [value, form] : stored) {
      llvm::SmallMapVector<Operation *, Value, 4> copies;
      for (OpOperand &use : llvm::make_early_inc_range(value.getUses())) {
        Operation *reader = use.getOwner();
        if (stored.lookup(reader->getNumResults() == 1 ? reader->getResult(0) : Value()))
          continue; // it has a stored form itself and goes
        Value &copy = copies[reader];
        if (!copy) {
          builder.setInsertionPoint(reader);
          copy = buildWidening(builder, form);
        }
        use.set(copy);
      }
    }
    // What an attend gives has one form in memory: its adjoint reads the rounded one, as the readers of its name do.
    for (auto attend : body.getOps<AttendOp>())
      for (Value result : attend.getResults())
        if (Value form = narrowed.lookup(result); form && shapeOf(result).width > 1)
          for (OpOperand &use : llvm::make_early_inc_range(result.getUses()))
            if (use.getOwner() != form.getDefiningOp()) {
              builder.setInsertionPoint(use.getOwner());
              use.set(buildWidening(builder, form));
            }
  }

  //===-- Who gives it --===//

  /// The heads of an attend that a result sums over, and whether one work item of its kernel has them all.
  static bool isWholeInOneItem(AttendOp attend, OpResult result) {
    int64_t heads = attend.getNumHeads(), group = 1, size = heads / shapeOf(result).heads;
    Axis axis{};
    for (auto [r, reduction] : llvm::enumerate(attend.getReductionList()))
      if (attend.getFirstResult(r) <= result.getResultNumber())
        axis = reduction.getAxis();
    for (auto [r, reduction] : llvm::enumerate(attend.getReductionList()))
      if (reduction.getAxis() == axis)
        group = std::lcm(group, heads / shapeOf(attend.getResult(attend.getFirstResult(r))).heads);
    return size == 1 || size == group;
  }

  /// Ops that can round what they give do so where nothing else is wanted.
  void giveRounded() {
    for (auto map : llvm::make_early_inc_range(body.getOps<MapOp>())) {
      if (!isNarrowing(map) || !map.getOperand(0).hasOneUse())
        continue;
      auto result = dyn_cast<OpResult>(map.getOperand(0));
      if (!result)
        continue;
      Operation *maker = result.getOwner();
      bool gives = isa<LinearOp, LinearInputGradOp>(maker) || (isa<HeadLossOp>(maker) && result.getResultNumber() == 0);
      if (auto attend = dyn_cast<AttendOp>(maker))
        gives = shapeOf(result).width > 1 && isWholeInOneItem(attend, result);
      if (auto linear = dyn_cast<LinearOp>(maker))
        gives &= !linear.getBias();
      if (!gives)
        continue;
      result.setType(map.getResult(0).getType());
      map.getResult(0).replaceAllUsesWith(result);
      map.erase();
    }
  }

  Block &body;
  OpBuilder builder;
  llvm::MapVector<Value, Value> stored;  // a value that is rounded already: where it lies
  llvm::DenseMap<Value, Value> narrowed; // any other: what it was rounded to
  DenseSet<Value> exact;                 // rows that forward products take unrounded
  unsigned narrowings = 0;
};

struct StoreRoundedPass : impl::StoreRoundedBase<StoreRoundedPass> {
  using StoreRoundedBase::StoreRoundedBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isDeclaration() && !function->hasAttr("caa.kernel"))
        stored += Storage(function).run();
  }
};

} // namespace
} // namespace caa
