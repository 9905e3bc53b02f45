// Shorthand for building `caa` IR. See Builders.h.
#include "dialect/Caa/Builders.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace caa {

Value ScalarBuilder::constant(double value, Type type) {
  return arith::ConstantOp::create(builder, location, builder.getFloatAttr(type, value));
}
Value ScalarBuilder::add(Value a, Value b) { return builder.createOrFold<arith::AddFOp>(location, a, b); }
Value ScalarBuilder::sub(Value a, Value b) { return builder.createOrFold<arith::SubFOp>(location, a, b); }
Value ScalarBuilder::mul(Value a, Value b) { return builder.createOrFold<arith::MulFOp>(location, a, b); }
Value ScalarBuilder::div(Value a, Value b) { return builder.createOrFold<arith::DivFOp>(location, a, b); }
Value ScalarBuilder::neg(Value a) { return builder.createOrFold<arith::NegFOp>(location, a); }

Value ScalarBuilder::select(Value condition, Value then, Value otherwise) {
  if (!otherwise)
    otherwise = constant(0, then.getType());
  return builder.createOrFold<arith::SelectOp>(location, condition, then, otherwise);
}

Value ScalarBuilder::compare(arith::CmpFPredicate predicate, Value a, Value b) {
  return builder.createOrFold<arith::CmpFOp>(location, predicate, a, b);
}
Value ScalarBuilder::logicalAnd(Value a, Value b) { return builder.createOrFold<arith::AndIOp>(location, a, b); }
Value ScalarBuilder::logicalOr(Value a, Value b) { return builder.createOrFold<arith::OrIOp>(location, a, b); }

Value ScalarBuilder::logicalNot(Value a) {
  Value yes = arith::ConstantOp::create(builder, location, builder.getBoolAttr(true));
  return builder.createOrFold<arith::XOrIOp>(location, a, yes);
}

Value ScalarBuilder::dot(Value a, Value b) {
  if (!isa<VectorType>(a.getType()))
    return mul(a, b);
  return DotOp::create(builder, location, a, b);
}

std::optional<double> constantOf(Value scalar) {
  FloatAttr value;
  if (matchPattern(scalar, m_Constant(&value)))
    return value.getValueAsDouble();
  return std::nullopt;
}

MapOp buildMap(OpBuilder &builder, Location location, TypeRange results, ValueRange operands, ScalarFunction function) {
  auto map = MapOp::create(builder, location, results, operands);
  OpBuilder::InsertionGuard guard(builder);
  Block *block = builder.createBlock(&map.getBody());
  for (Value operand : operands)
    block->addArgument(elementOf(operand), operand.getLoc());
  ScalarBuilder scalars(builder, location);
  SmallVector<Value> yields = function(scalars, block->getArguments());
  YieldOp::create(builder, location, yields);
  return map;
}

Value buildMap(OpBuilder &builder, Location location, Type result, ValueRange operands,
               llvm::function_ref<Value(ScalarBuilder &, ValueRange)> function) {
  return buildMap(builder, location, TypeRange(result), operands,
                  [&](ScalarBuilder &scalars, ValueRange arguments) {
                    return SmallVector<Value>{function(scalars, arguments)};
                  })
      .getResult(0);
}

Value buildZeros(OpBuilder &builder, Location location, RankedTensorType type, Value like) {
  Shape shape = shapeOf(type);
  auto perHead = perHeadType(shape.heads, shape.width, type.getElementType());
  Value zero = ConstantOp::create(builder, location,
                                  DenseElementsAttr::get(perHead, builder.getZeroAttr(type.getElementType())));
  return isTokenwise(type) ? Value(BroadcastOp::create(builder, location, type, zero, like)) : zero;
}

bool isZeros(Value value) {
  if (auto broadcast = value.getDefiningOp<BroadcastOp>())
    value = broadcast.getValue();
  auto constant = value.getDefiningOp<ConstantOp>();
  auto elements = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  return elements && elements.isSplat() && elements.getElementType().isF32() &&
         elements.getSplatValue<APFloat>().isZero();
}

/// One concatenation for several whose non-zero parts do not overlap; null if there is none.
static Value mergeConcats(OpBuilder &builder, Location location, ValueRange values) {
  std::map<int64_t, Value> parts; // by where they start
  for (Value value : values) {
    auto concat = value.getDefiningOp<ConcatOp>();
    if (!concat)
      return {};
    int64_t start = 0;
    for (Value part : concat.getValues()) {
      if (!isZeros(part) && !parts.try_emplace(start, part).second)
        return {};
      start += shapeOf(part).width;
    }
  }
  if (parts.empty())
    return values[0];
  SmallVector<Value> pieces;
  int64_t end = 0;
  Shape shape = shapeOf(values[0]);
  auto fill = [&](int64_t to) {
    if (to > end)
      pieces.push_back(buildZeros(builder, location,
                                  sameAxes(values[0].getType(), shape.heads, to - end, builder.getF32Type()),
                                  parts.begin()->second));
  };
  for (auto [start, part] : parts) {
    if (start < end)
      return {};
    fill(start);
    pieces.push_back(part);
    end = start + shapeOf(part).width;
  }
  fill(shape.width);
  if (pieces.size() == 1)
    return pieces[0];
  return ConcatOp::create(builder, location, values[0].getType(), pieces);
}

Value buildSum(OpBuilder &builder, Location location, ValueRange values) {
  if (values.size() == 1)
    return values[0];
  if (Value merged = mergeConcats(builder, location, values))
    return merged;
  return buildMap(builder, location, values[0].getType(), values, [](ScalarBuilder &scalars, ValueRange arguments) {
    Value sum = arguments[0];
    for (Value term : arguments.drop_front())
      sum = scalars.add(sum, term);
    return sum;
  });
}

Value buildReduceTo(OpBuilder &builder, Value value, Type to) {
  Location location = value.getLoc();
  Shape target = shapeOf(to);
  Type element = elementOf(value);
  if (Shape from = shapeOf(value); from.width != target.width)
    value = ReduceWidthOp::create(builder, location, sameAxes(value.getType(), from.heads, 1, element), value);
  if (Shape from = shapeOf(value); from.heads != target.heads)
    value =
        ReduceHeadsOp::create(builder, location, sameAxes(value.getType(), target.heads, from.width, element), value);
  if (isTokenwise(value.getType()) && !isTokenwise(to))
    value = ReduceTokensOp::create(builder, location, to, value);
  return value;
}

RankedTensorType sameAxes(Type kind, int64_t heads, int64_t width, Type element) {
  return isTokenwise(kind) ? tokenwiseType(heads, width, element) : perHeadType(heads, width, element);
}

} // namespace caa
