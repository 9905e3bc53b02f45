// Verifier and accessors of `attend`, the op that looks at other tokens.
#include "dialect/Caa/CaaDialect.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace caa {

Attribute ReductionAttr::parse(AsmParser &parser, Type) {
  FailureOr<ReductionKind> kind;
  FailureOr<Axis> axis;
  int64_t value = -1, count = -1;
  if (parser.parseLess() || failed(kind = FieldParser<ReductionKind>::parse(parser)) || parser.parseKeyword("over") ||
      failed(axis = FieldParser<Axis>::parse(parser)))
    return {};
  while (succeeded(parser.parseOptionalComma())) {
    StringRef which;
    SMLoc place = parser.getCurrentLocation();
    if (parser.parseKeyword(&which) || parser.parseEqual() || parser.parseInteger(which == "value" ? value : count))
      return {};
    if (which != "value" && which != "count") {
      parser.emitError(place, "expected 'value' or 'count'");
      return {};
    }
  }
  return parser.parseGreater() ? Attribute() : get(parser.getContext(), *kind, *axis, value, count);
}

void ReductionAttr::print(AsmPrinter &printer) const {
  printer << "<" << stringifyReductionKind(getKind()) << " over " << stringifyAxis(getAxis());
  if (getValue() >= 0)
    printer << ", value = " << getValue();
  if (getCount() >= 0)
    printer << ", count = " << getCount();
  printer << ">";
}

int64_t AttendOp::getNumHeads() {
  int64_t heads = 1;
  for (Type type : getOperandTypes())
    heads = std::max(heads, shapeOf(type).heads);
  return heads;
}

/// The tokens per unit of an op that sees units; 0 of any other.
static int64_t unitOf(Operation &op) {
  return TypeSwitch<Operation *, int64_t>(&op)
      .Case<UnitStartOp, UnitRowOp, UnitReduceOp, UnitAnyOp>([](auto unit) { return int64_t(unit.getUnit()); })
      .Default([](Operation *) { return 0; });
}

int64_t AttendOp::getUnit() {
  for (Operation &op : getBody().front())
    if (int64_t unit = unitOf(op))
      return unit;
  return 0;
}

BlockArgument AttendOp::getArgumentOf(Value row) {
  auto unit = row.getDefiningOp<UnitRowOp>();
  return cast<BlockArgument>(unit ? unit.getRow() : row);
}

LogicalResult UnitRowOp::verify() {
  auto attend = (*this)->getParentOfType<AttendOp>();
  auto argument = dyn_cast<BlockArgument>(getRow());
  unsigned first = 2 + attend.getQueries().size();
  if (!argument || argument.getArgNumber() < first || argument.getArgNumber() >= first + attend.getKeys().size())
    return emitOpError("takes a row of a key operand");
  return success();
}

SmallVector<ReductionAttr> AttendOp::getReductionList() {
  return llvm::map_to_vector(getReductions(), [](Attribute attribute) { return cast<ReductionAttr>(attribute); });
}

unsigned AttendOp::countYields(ReductionAttr reduction) { return reduction.getKind() == ReductionKind::Sum ? 1 : 2; }

unsigned AttendOp::countResults(ReductionAttr reduction) {
  return reduction.getKind() == ReductionKind::Softmax && reduction.getValue() >= 0 ? 2 : 1;
}

ValueRange AttendOp::getYields(unsigned r) {
  unsigned first = 0;
  for (unsigned n = 0; n < r; ++n)
    first += countYields(getReductionList()[n]);
  ValueRange all = cast<YieldOp>(getBody().front().getTerminator()).getValues();
  return all.slice(first, countYields(getReductionList()[r]));
}

unsigned AttendOp::getFirstResult(unsigned r) {
  unsigned first = 0;
  for (unsigned n = 0; n < r; ++n)
    first += countResults(getReductionList()[n]);
  return first;
}

/// Checks the region's arguments against the operands.
static LogicalResult verifyArguments(AttendOp op) {
  Block &block = op.getBody().front();
  if (block.getNumArguments() != 2 + op->getNumOperands())
    return op.emitOpError("region needs the arguments i, j and one per operand");
  for (unsigned n : {0u, 1u})
    if (!block.getArgument(n).getType().isInteger(64))
      return op.emitOpError("region arguments i and j must be i64");
  int64_t heads = op.getNumHeads();
  for (auto [number, operand] : llvm::enumerate(op->getOperands())) {
    if (heads % shapeOf(operand).heads != 0)
      return op.emitOpError("operand ") << number << " has " << shapeOf(operand).heads << " heads, which do not divide " << heads;
    Type expected = pairArgumentType(operand.getType());
    if (block.getArgument(2 + number).getType() != expected)
      return op.emitOpError("region argument ") << 2 + number << " must be " << expected;
  }
  return success();
}

/// Checks what one reduction yields, reduces and gives.
static LogicalResult verifyReduction(AttendOp op, unsigned r, ReductionAttr reduction) {
  auto fail = [&](const Twine &message) { return op.emitOpError("reduction ") << r << " " << message; };
  bool overKeys = reduction.getAxis() == Axis::Keys;
  ValueRange reduced = overKeys ? ValueRange(op.getKeys()) : ValueRange(op.getQueries());
  if (reduction.getValue() >= int64_t(reduced.size()))
    return fail("has no such value operand");
  if (!overKeys && reduction.getKind() != ReductionKind::Sum)
    return fail("over queries must be a sum");
  if ((reduction.getKind() == ReductionKind::Kth) != (reduction.getCount() >= 0))
    return fail("must name a count exactly if it is a kth");
  if (reduction.getCount() >= int64_t(op.getQueries().size()))
    return fail("has no such count operand");
  if (reduction.getCount() >= 0 && (shapeOf(op.getQueries()[reduction.getCount()]).width != 1 ||
                                    !elementOf(op.getQueries()[reduction.getCount()]).isInteger(64)))
    return fail("needs one i64 per token and head as its count");
  if (reduction.getValue() >= 0 && reduction.getKind() != ReductionKind::Softmax && reduction.getKind() != ReductionKind::Sum)
    return fail("takes no value operand");
  ValueRange yields = op.getYields(r);
  Type first = yields[0].getType();
  bool counts = reduction.getKind() == ReductionKind::Sum && reduction.getValue() < 0 && first.isInteger(64);
  if (!first.isF32() && !counts)
    return fail("must yield an f32");
  if (yields.size() == 2 && !yields[1].getType().isInteger(1) &&
      !(yields[1].getType().isF32() && reduction.getKind() != ReductionKind::Kth))
    return fail("must yield its membership as i1 (or a weight as f32)");
  int64_t width = reduction.getValue() >= 0 ? shapeOf(reduced[reduction.getValue()]).width : 1;
  int64_t heads = op.getNumHeads();
  for (unsigned n = 0, results = AttendOp::countResults(reduction); n < results; ++n) {
    Value result = op.getResult(op.getFirstResult(r) + n);
    int64_t expected = n == 0 ? width : 1;
    if (shapeOf(result).width != expected)
      return fail("must give width ") << expected;
    bool grouped = reduction.getKind() == ReductionKind::Sum && heads % shapeOf(result).heads == 0;
    if (shapeOf(result).heads != heads && !grouped)
      return fail("must give ") << heads << " heads";
    bool stored = n == 0 && reduction.getValue() >= 0 && expected > 1 && elementOf(result).isBF16();
    if (!stored && elementOf(result) != (counts ? first : Type(Float32Type::get(op.getContext()))))
      return fail("gives the wrong element type");
  }
  return success();
}

LogicalResult AttendOp::verify() {
  if (getQueries().empty() && getKeys().empty())
    return emitOpError("needs an operand at queries or keys");
  if (failed(verifyArguments(*this)))
    return failure();
  auto yield = dyn_cast<YieldOp>(getBody().front().getTerminator());
  unsigned yields = 0, results = 0;
  for (ReductionAttr reduction : getReductionList()) {
    yields += countYields(reduction);
    results += countResults(reduction);
  }
  if (!yield || yield.getNumOperands() != yields)
    return emitOpError("must yield ") << yields << " scalars for its reductions";
  if (getNumResults() != results)
    return emitOpError("must have ") << results << " results for its reductions";
  for (auto [r, reduction] : llvm::enumerate(getReductionList()))
    if (failed(verifyReduction(*this, r, reduction)))
      return failure();
  for (Operation &inner : getBody().front().without_terminator()) {
    if (!isPure(&inner))
      return inner.emitOpError("has side effects in the region of an attend");
    if (isa<UnitStartOp, UnitRowOp, UnitReduceOp, UnitAnyOp>(inner) && unitOf(inner) < 1)
      return inner.emitOpError("needs units of at least one token");
    if (int64_t unit = unitOf(inner); unit && unit != getUnit())
      return inner.emitOpError("has units of ") << unit << " tokens in an attend with units of " << getUnit();
  }
  return success();
}

} // namespace caa
