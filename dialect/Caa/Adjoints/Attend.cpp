// Derivative rule of attend: one attend of sums, over keys for the queries' gradients and over queries for the keys'.
//
// For a softmax over keys with score s, membership m and value v, whose results are o = sum p v and l = log sum m e^s,
// with p = m e^(s - l) and gradients do, dl:
//
//     t_ij = <do_i, v_j> - D_i,   D_i = <do_i, o_i> - dl_i        D is token-wise and computed outside
//     ds   = p t                  dm = e^(s - l) t                dv_j = sum_i p do_i
//
// A maximum passes its gradient to the pair that attains it, of several to the first key: a small attend finds its
// index. No division by m, so a membership may reach 0 smoothly. Everything is selected to exactly 0 where m is 0: an
// empty row has l = -inf, and tiles without members need not be visited. From ds and dm on, the region's own scalar
// code is differentiated (Scalars.h); a row of a dot product receives sums of weights times the other row.
#include "dialect/Caa/Adjoints/Scalars.h"

using namespace mlir;

namespace caa {
namespace {

enum class Side { Query, Key, Head };

class AttendAdjoint {
public:
  AttendAdjoint(AttendOp op, OpBuilder &builder, ValueRange gradients, ArrayRef<bool> wanted)
      : op(op), builder(builder), gradients(gradients), wanted(wanted) {}
  LogicalResult build(MutableArrayRef<Value> operandGradients);

private:
  /// What token-wise values a reduction's adjoint reads besides the operands.
  struct Extra {
    int output = -1, logSum = -1, offset = -1; ///< positions among the added rows of its axis; -1 where not needed
    int peak = -1, first = -1; ///< of a maximum: itself, and the negated index of the first key that attains it
  };
  /// One `sum` of the adjoint and what is to be done with it.
  struct Output {
    ReductionAttr reduction;
    Value weight;
    RankedTensorType type;
    unsigned target; ///< operand of the original attend
    Value factor;    ///< multiplied with the sum, null for none
  };

  bool arrives(unsigned result) const { return gradients[result] != nullptr; }
  LogicalResult addExtras();
  Value buildOffset(unsigned r);
  Value buildFirst(unsigned r);
  LogicalResult differentiate();
  void seedSoftmax(unsigned r, ScalarBuilder &scalars);
  void seedSum(unsigned r, ScalarBuilder &scalars);
  void seedMax(unsigned r, ScalarBuilder &scalars);
  void collect(const ScalarGradients &adjoint);
  void collectTerm(unsigned target, const VectorTerm &term);
  void add(unsigned target, Axis axis, Value weight, int64_t value = -1, Value factor = {});

  Side sideOf(unsigned operand) {
    unsigned keys = op.getQueries().size(), heads = keys + op.getKeys().size();
    return operand < keys ? Side::Query : operand < heads ? Side::Key : Side::Head;
  }
  unsigned operandOf(BlockArgument argument) const { return argument.getArgNumber() - 2; }
  /// The argument of an added row of an axis.
  Value extraArgument(Axis axis, int position) {
    return axis == Axis::Keys ? block->getArgument(2 + op.getQueries().size() + position)
                              : block->getArgument(2 + queries.size() + op.getKeys().size() + position);
  }

  AttendOp op;
  OpBuilder &builder;
  ValueRange gradients;
  ArrayRef<bool> wanted;
  SmallVector<Value> queries, keys;
  SmallVector<Extra> extras;
  Region region;
  Block *block = nullptr;
  IRMapping forward;
  SmallVector<ScalarSeed> seeds;
  SmallVector<Output> outputs;
};

} // namespace

/// D = <do, o> - dl of a softmax with a value.
Value AttendAdjoint::buildOffset(unsigned r) {
  unsigned first = op.getFirstResult(r);
  Value output = op.getResult(first), gradient = gradients[first], logSumGradient = gradients[first + 1];
  Shape shape = shapeOf(output);
  Type element = builder.getF32Type(), narrow = tokenwiseType(shape.heads, 1, element);
  Value product = buildMap(builder, op.getLoc(), output.getType(), {gradient, output},
                           [](ScalarBuilder &scalars, ValueRange x) { return scalars.mul(x[0], x[1]); });
  Value sum = buildReduceTo(builder, product, narrow);
  if (!logSumGradient)
    return sum;
  return buildMap(builder, op.getLoc(), narrow, {sum, logSumGradient},
                  [](ScalarBuilder &scalars, ValueRange x) { return scalars.sub(x[0], x[1]); });
}

/// A membership as a truth value.
static Value isMember(ScalarBuilder &scalars, Value member) {
  return member.getType().isInteger(1) ? member
                                       : scalars.compare(arith::CmpFPredicate::OGT, member, scalars.constant(0));
}

/// -j as a number that a maximum can compare; exact below 2^24 keys.
static Value negatedIndex(ScalarBuilder &scalars, Value index) {
  Value number =
      arith::SIToFPOp::create(scalars.getBuilder(), scalars.getLocation(), scalars.getBuilder().getF32Type(), index);
  return scalars.neg(number);
}

/// The first key that attains a maximum, as its negated index: the maximum of -j over the pairs whose score is the
/// maximum.
Value AttendAdjoint::buildFirst(unsigned r) {
  Value peak = op.getResult(op.getFirstResult(r));
  SmallVector<Value> rows(op.getQueries());
  rows.push_back(peak);
  auto reduction = ReductionAttr::get(op.getContext(), ReductionKind::Max, Axis::Keys, -1, -1);
  auto attend = AttendOp::create(builder, op.getLoc(), peak.getType(), rows, op.getKeys(), op.getHeads(),
                                 builder.getArrayAttr({reduction}));
  IRMapping mapping;
  op.getBody().cloneInto(&attend.getBody(), mapping);
  Block &body = attend.getBody().front();
  Value target = body.insertArgument(2 + op.getQueries().size(), builder.getF32Type(), op.getLoc());
  Operation *terminator = body.getTerminator();
  OpBuilder inner(terminator);
  ScalarBuilder scalars(inner, op.getLoc());
  ValueRange yields = op.getYields(r);
  Value attains = scalars.compare(arith::CmpFPredicate::OEQ, mapping.lookup(yields[0]), target);
  Value member = scalars.logicalAnd(isMember(scalars, mapping.lookup(yields[1])), attains);
  Value index = negatedIndex(scalars, body.getArgument(1));
  YieldOp::create(inner, op.getLoc(), ValueRange{index, member});
  terminator->erase();
  return attend.getResult(0);
}

void AttendAdjoint::seedMax(unsigned r, ScalarBuilder &scalars) {
  const Extra &extra = extras[r];
  ValueRange yields = op.getYields(r);
  Value score = forward.lookupOrDefault(yields[0]);
  Value member = isMember(scalars, forward.lookupOrDefault(yields[1]));
  Value attains = scalars.compare(arith::CmpFPredicate::OEQ, score, extraArgument(Axis::Keys, extra.peak));
  Value isFirst = scalars.compare(arith::CmpFPredicate::OEQ, negatedIndex(scalars, block->getArgument(1)),
                                  extraArgument(Axis::Keys, extra.first));
  Value guard = scalars.logicalAnd(member, scalars.logicalAnd(attains, isFirst));
  seeds.push_back({yields[0], scalars.select(guard, extraArgument(Axis::Keys, extra.output)), guard});
}

/// Adds the gradients of the results, and what a softmax kept, to the rows of the axis on which they live.
LogicalResult AttendAdjoint::addExtras() {
  queries.assign(op.getQueries().begin(), op.getQueries().end());
  keys.assign(op.getKeys().begin(), op.getKeys().end());
  extras.resize(op.getReductions().size());
  auto append = [](SmallVector<Value> &rows, size_t original, Value value) {
    rows.push_back(value);
    return int(rows.size() - 1 - original);
  };
  for (auto [r, reduction] : llvm::enumerate(op.getReductionList())) {
    unsigned first = op.getFirstResult(r), count = AttendOp::countResults(reduction);
    bool any = arrives(first) || (count == 2 && arrives(first + 1));
    if (!any)
      continue;
    bool overKeys = reduction.getAxis() == Axis::Keys;
    SmallVector<Value> &rows = overKeys ? queries : keys;
    size_t original = overKeys ? op.getQueries().size() : op.getKeys().size();
    switch (reduction.getKind()) {
    case ReductionKind::Softmax: {
      unsigned logSum = first + count - 1;
      extras[r].logSum = append(rows, original, op.getResult(logSum));
      if (count == 2 && arrives(first)) {
        extras[r].output = append(rows, original, gradients[first]);
        extras[r].offset = append(rows, original, buildOffset(r));
      } else {
        extras[r].offset = append(rows, original, gradients[logSum]);
      }
      break;
    }
    case ReductionKind::Sum:
      extras[r].output = append(rows, original, gradients[first]);
      break;
    case ReductionKind::Max:
      extras[r].output = append(rows, original, gradients[first]);
      extras[r].peak = append(rows, original, op.getResult(first));
      extras[r].first = append(rows, original, buildFirst(r));
      break;
    case ReductionKind::Kth:
      return op.emitOpError("has no derivative for a selection, which is constant");
    }
  }
  return success();
}

void AttendAdjoint::seedSoftmax(unsigned r, ScalarBuilder &scalars) {
  ReductionAttr reduction = op.getReductionList()[r];
  const Extra &extra = extras[r];
  ValueRange yields = op.getYields(r);
  Value score = forward.lookupOrDefault(yields[0]), member = forward.lookupOrDefault(yields[1]);
  bool hard = member.getType().isInteger(1);
  Value guard = isMember(scalars, member);
  Value logSum = extraArgument(Axis::Keys, extra.logSum), offset = extraArgument(Axis::Keys, extra.offset);
  Value share = scalars.unary<math::ExpOp>(scalars.sub(score, logSum)); // e^(s - l), infinite in an empty row
  share = scalars.select(guard, share);
  Value weight = hard ? share : scalars.mul(member, share);
  Value change = offset;
  if (extra.output >= 0) {
    Value gradient = extraArgument(Axis::Keys, extra.output);
    change = scalars.sub(scalars.dot(gradient, forward.lookup(op.getKeyArgument(reduction.getValue()))), offset);
    unsigned value = op.getQueries().size() + reduction.getValue();
    if (wanted[value])
      add(value, Axis::Queries, weight, op.getQueries().size() + extra.output);
  }
  seeds.push_back({yields[0], scalars.mul(weight, change), guard});
  if (!hard)
    seeds.push_back({yields[1], scalars.mul(share, change), guard});
}

void AttendAdjoint::seedSum(unsigned r, ScalarBuilder &scalars) {
  ReductionAttr reduction = op.getReductionList()[r];
  Value weight = op.getYields(r)[0];
  Value gradient = extraArgument(reduction.getAxis(), extras[r].output);
  if (reduction.getValue() < 0) {
    seeds.push_back({weight, gradient, {}});
    return;
  }
  bool overKeys = reduction.getAxis() == Axis::Keys;
  BlockArgument value = overKeys ? op.getKeyArgument(reduction.getValue()) : op.getQueryArgument(reduction.getValue());
  seeds.push_back({weight, scalars.dot(gradient, forward.lookup(value)), {}});
  if (wanted[operandOf(value)])
    add(operandOf(value), overKeys ? Axis::Queries : Axis::Keys, forward.lookupOrDefault(weight),
        (overKeys ? op.getQueries().size() : op.getKeys().size()) + extras[r].output);
}

void AttendAdjoint::add(unsigned target, Axis axis, Value weight, int64_t value, Value factor) {
  Value operand = op->getOperand(target);
  ArrayRef<Value> reduced = axis == Axis::Keys ? ArrayRef(keys) : ArrayRef(queries);
  // A sum that is only a factor keeps all heads; any other goes to the operand's heads at once.
  int64_t heads = factor ? op.getNumHeads() : shapeOf(operand).heads;
  // Per-head operands are summed over one axis here, over the other one outside.
  int64_t width = value < 0 ? 1 : shapeOf(reduced[value]).width;
  auto reduction = ReductionAttr::get(op.getContext(), ReductionKind::Sum, axis, value, -1);
  outputs.push_back({reduction, weight, tokenwiseType(heads, width, builder.getF32Type()), target, factor});
}

/// weight * other, summed over the axis that `target` does not have. Where `other` lives on that axis it is the summed
/// value; else only the weights are summed and `other` is multiplied outside.
void AttendAdjoint::collectTerm(unsigned target, const VectorTerm &term) {
  unsigned other = operandOf(cast<BlockArgument>(term.other));
  Side side = sideOf(target), otherSide = sideOf(other);
  Axis axis = side == Side::Query      ? Axis::Keys
              : side == Side::Key      ? Axis::Queries
              : otherSide == Side::Key ? Axis::Queries
                                       : Axis::Keys;
  bool direct = side != Side::Head && otherSide == (axis == Axis::Keys ? Side::Key : Side::Query);
  if (direct)
    add(target, axis, term.weight, axis == Axis::Keys ? other - op.getQueries().size() : other);
  else
    add(target, axis, term.weight, -1, op->getOperand(other));
}

void AttendAdjoint::collect(const ScalarGradients &adjoint) {
  for (unsigned number = 2, end = op.getBody().getNumArguments(); number < end; ++number) {
    unsigned target = number - 2;
    if (!wanted[target])
      continue;
    if (Value gradient = adjoint.scalars[number])
      add(target, sideOf(target) == Side::Key ? Axis::Queries : Axis::Keys, gradient);
    for (const VectorTerm &term : adjoint.vectors[number])
      collectTerm(target, term);
  }
}

LogicalResult AttendAdjoint::differentiate() {
  block = &region.emplaceBlock();
  for (unsigned n = 0; n < 2; ++n)
    block->addArgument(builder.getI64Type(), op.getLoc());
  for (ValueRange rows : {ValueRange(queries), ValueRange(keys), ValueRange(op.getHeads())})
    for (Value row : rows)
      block->addArgument(pairArgumentType(row.getType()), op.getLoc());

  Block &original = op.getBody().front();
  for (unsigned n = 0, end = original.getNumArguments(); n < end; ++n) {
    unsigned shift = n < 2 + op.getQueries().size() ? 0 : queries.size() - op.getQueries().size();
    if (n >= 2 + op.getQueries().size() + op.getKeys().size())
      shift += keys.size() - op.getKeys().size();
    forward.map(original.getArgument(n), block->getArgument(n + shift));
  }
  OpBuilder inner(builder.getContext());
  inner.setInsertionPointToStart(block);
  cloneScalars(inner, original, forward);
  ScalarBuilder scalars(inner, op.getLoc());
  for (auto [r, reduction] : llvm::enumerate(op.getReductionList())) {
    if (extras[r].output < 0 && extras[r].offset < 0)
      continue;
    if (reduction.getKind() == ReductionKind::Softmax)
      seedSoftmax(r, scalars);
    else if (reduction.getKind() == ReductionKind::Max)
      seedMax(r, scalars);
    else
      seedSum(r, scalars);
  }
  SmallVector<bool> wantedArguments(2, false);
  wantedArguments.append(wanted.begin(), wanted.end());
  FailureOr<ScalarGradients> adjoint = differentiateScalars(inner, original, forward, seeds, wantedArguments);
  if (failed(adjoint))
    return failure();
  collect(*adjoint);
  SmallVector<Value> weights = llvm::map_to_vector(outputs, [](const Output &output) { return output.weight; });
  YieldOp::create(inner, op.getLoc(), weights);
  return success();
}

LogicalResult AttendAdjoint::build(MutableArrayRef<Value> operandGradients) {
  if (failed(addExtras()) || failed(differentiate()))
    return failure();
  if (outputs.empty())
    return success();
  SmallVector<Type> types;
  SmallVector<Attribute> reductions;
  for (const Output &output : outputs) {
    types.push_back(output.type);
    reductions.push_back(output.reduction);
  }
  auto attend =
      AttendOp::create(builder, op.getLoc(), types, queries, keys, op.getHeads(), builder.getArrayAttr(reductions));
  attend.getBody().takeBody(region);

  SmallVector<SmallVector<Value>> parts(op->getNumOperands());
  for (auto [output, sum] : llvm::zip(outputs, attend.getResults())) {
    Value part = sum;
    Type type = op->getOperand(output.target).getType();
    if (output.factor) {
      Shape factor = shapeOf(output.factor), heads = shapeOf(part);
      part =
          buildMap(builder, op.getLoc(), tokenwiseType(heads.heads, factor.width, builder.getF32Type()),
                   {part, output.factor}, [](ScalarBuilder &scalars, ValueRange x) { return scalars.mul(x[0], x[1]); });
    }
    parts[output.target].push_back(buildReduceTo(builder, part, type));
  }
  for (auto [number, list] : llvm::enumerate(parts))
    if (!list.empty())
      operandGradients[number] = buildSum(builder, op.getLoc(), list);
  return success();
}

LogicalResult AttendOp::buildAdjoint(OpBuilder &builder, ValueRange gradients, ArrayRef<bool> wanted,
                                     MutableArrayRef<Value> operandGradients) {
  return AttendAdjoint(*this, builder, gradients, wanted).build(operandGradients);
}

/// Selections and exact counts.
bool AttendOp::isConstantResult(unsigned result) {
  for (auto [r, reduction] : llvm::enumerate(getReductionList())) {
    unsigned first = getFirstResult(r);
    if (result >= first && result < first + countResults(reduction))
      return reduction.getKind() == ReductionKind::Kth || !isa<FloatType>(elementOf(getResult(result)));
  }
  return false;
}

} // namespace caa
