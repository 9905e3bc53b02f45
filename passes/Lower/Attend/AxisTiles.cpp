// Tiles of one axis, and the scalars computed from them before pairs are looked at.
#include "passes/Lower/Attend/AxisTiles.h"

#include "passes/Lower/Attend/MapBuilder.h"

#include <limits>

using namespace mlir;

namespace caa::attend {

static Value indexConstant(OpBuilder &builder, Location location, int64_t value) {
  return arith::ConstantIndexOp::create(builder, location, value);
}

Value Loader::servingHead(OpBuilder &builder, Value head, int64_t heads) const {
  Location location = facts.attend().getLoc();
  int64_t all = facts.attend().getNumHeads();
  if (heads == all)
    return head;
  if (heads == 1)
    return indexConstant(builder, location, 0);
  return builder.createOrFold<arith::DivUIOp>(location, head, indexConstant(builder, location, all / heads));
}

HeadValues Loader::loadHead(OpBuilder &builder, Value batch, Value head) const {
  HeadValues result{batch, head, {}};
  AttendOp attend = facts.attend();
  Location location = attend.getLoc();
  auto leaf = [&](Value value) -> Value {
    std::optional<unsigned> operand = facts.operandNumber(value);
    if (!operand)
      return {};
    Type stored = cast<MemRefType>(buffers[*operand].getType()).getElementType();
    Value indices[] = {servingHead(builder, head, shapeOf(attend->getOperand(*operand)).heads), indexConstant(builder, location, 0)};
    Value one = tile::LoadOp::create(builder, location, tile::TileType::get(builder.getContext(), 1, 1, stored), buffers[*operand], indices);
    Value scalar = tile::ExtractOp::create(builder, location, stored, one);
    if (stored == value.getType())
      return scalar;
    Value zero = arith::ConstantIntOp::create(builder, location, stored, 0);
    return arith::CmpIOp::create(builder, location, arith::CmpIPredicate::ne, scalar, zero);
  };
  ScalarCloner cloner(builder, leaf);
  for (Value scalar : facts.headScalars())
    result.scalars[scalar] = cloner.get(scalar);
  return result;
}

Value Loader::tokens(OpBuilder &builder, Axis axis, Value start) const {
  return tile::IotaOp::create(builder, facts.attend().getLoc(), layout.scalars(axis, builder.getI64Type()), start);
}

Value Loader::loadScalar(OpBuilder &builder, const HeadValues &head, Axis axis, Value start, unsigned operand) const {
  Location location = facts.attend().getLoc();
  Value source = buffers[operand];
  Type stored = cast<MemRefType>(source.getType()).getElementType();
  Type element = elementOf(facts.attend()->getOperand(operand));
  Value indices[] = {head.batch, start, servingHead(builder, head.head, shapeOf(facts.attend()->getOperand(operand)).heads),
                     indexConstant(builder, location, 0)};
  auto load = tile::LoadOp::create(builder, location, layout.scalars(axis, stored), source, indices);
  if (layout.isColumns(axis))
    load.setTransposed(true);
  if (stored == element)
    return load;
  return map(builder, location, layout.scalars(axis, element), {load}, [&](OpBuilder &inside, ValueRange x) -> Value {
    Value zero = arith::ConstantIntOp::create(inside, location, stored, 0);
    return arith::CmpIOp::create(inside, location, arith::CmpIPredicate::ne, x[0], zero);
  });
}

Value Loader::headDot(OpBuilder &builder, const HeadValues &head, const AxisTile &tile, DotOp dot) const {
  AttendOp attend = facts.attend();
  Location location = dot.getLoc();
  bool first = facts.of(dot.getQuery()).isHead();
  Value one = first ? dot.getQuery() : dot.getKey(), many = tile.tiles.lookup(first ? dot.getKey() : dot.getQuery());
  unsigned operand = *facts.operandNumber(one);
  Shape shape = shapeOf(attend->getOperand(operand));
  Value indices[] = {servingHead(builder, head.head, shape.heads), indexConstant(builder, location, 0)};
  Type row = tile::TileType::get(builder.getContext(), 1, shape.width, elementOf(attend->getOperand(operand)));
  Value vector = tile::LoadOp::create(builder, location, row, buffers[operand], indices);
  bool columns = layout.isColumns(tile.axis);
  return tile::DotOp::create(builder, location, layout.scalars(tile.axis, builder.getF32Type()), columns ? vector : many,
                             columns ? many : vector, Value(), false, true);
}

void Loader::load(OpBuilder &builder, const HeadValues &head, AxisTile &result, const ValueSet &scalars, const ValueSet &vectors) const {
  AttendOp attend = facts.attend();
  Location location = attend.getLoc();
  Axis axis = result.axis;
  Value start = result.start;
  for (Value vector : vectors) {
    if (result.tiles.count(vector))
      continue;
    unsigned operand = *facts.operandNumber(vector);
    Shape shape = shapeOf(attend->getOperand(operand));
    Value indices[] = {head.batch, start, servingHead(builder, head.head, shape.heads), indexConstant(builder, location, 0)};
    result.tiles[vector] = tile::LoadOp::create(builder, location, layout.vectors(axis, shape.width, elementOf(attend->getOperand(operand))),
                                                buffers[operand], indices);
  }
  // One map computes every scalar that is not an operand as it is.
  tile::TileType shape = layout.scalars(axis, builder.getF32Type());
  MapBuilder map(builder, location, shape.getRows(), shape.getColumns());
  DenseMap<Value, Value> inputs;
  auto input = [&](Value value) -> Value { // the tile of an argument of the region
    if (Value known = inputs.lookup(value))
      return known;
    std::optional<unsigned> operand = facts.operandNumber(value);
    return inputs[value] = operand ? loadScalar(builder, head, axis, start, *operand) : tokens(builder, axis, start);
  };
  auto leaf = [&](Value value) -> Value {
    if (Value scalar = head.scalars.lookup(value))
      return scalar;
    if (auto dot = value.getDefiningOp<DotOp>())
      return map.scalar(headDot(builder, head, result, dot));
    return isa<BlockArgument>(value) ? map.scalar(input(value)) : Value();
  };
  ScalarCloner cloner(map.body(), leaf);
  SmallVector<std::pair<Value, unsigned>> computed;
  for (Value scalar : scalars) {
    if (result.tiles.count(scalar))
      continue;
    if (isa<BlockArgument>(scalar))
      result.tiles[scalar] = input(scalar);
    else
      computed.push_back({scalar, map.yield(cloner.get(scalar))});
  }
  SmallVector<Value> tiles = map.finish();
  for (auto [scalar, number] : computed)
    result.tiles[scalar] = tiles[number];
}

Fact<RuntimeNumbers> Loader::bounds(OpBuilder &builder, const AxisTile &tile, Value scalar) const {
  Location location = facts.attend().getLoc();
  Type type = scalar.getType(), number = type.isInteger(1) ? builder.getI32Type() : type;
  Value end = arith::IndexCastOp::create(builder, location, builder.getI64Type(), length);
  Value all = tokens(builder, tile.axis, tile.start);
  auto bound = [&](bool most) -> Value {
    TypedAttr neutral;
    if (auto real = dyn_cast<FloatType>(number))
      neutral = builder.getFloatAttr(number, APFloat::getInf(real.getFloatSemantics(), most));
    else
      neutral = builder.getIntegerAttr(number, most ? APInt::getSignedMinValue(number.getIntOrFloatBitWidth())
                                                    : APInt::getSignedMaxValue(number.getIntOrFloatBitWidth()));
    Value valid = map(builder, location, layout.scalars(tile.axis, number), {tile.tiles.lookup(scalar), all},
                      [&](OpBuilder &inside, ValueRange x) -> Value {
                        Value value = x[0];
                        if (number != type)
                          value = arith::ExtUIOp::create(inside, location, number, value);
                        Value in = arith::CmpIOp::create(inside, location, arith::CmpIPredicate::slt, x[1], end);
                        return arith::SelectOp::create(inside, location, in, value, arith::ConstantOp::create(inside, location, neutral));
                      });
    Type one = tile::TileType::get(builder.getContext(), 1, 1, number);
    Value reduced = tile::ReduceOp::create(builder, location, one, most ? tile::Combine::Max : tile::Combine::Min, valid);
    return tile::ExtractOp::create(builder, location, number, reduced);
  };
  Fact<RuntimeNumbers> fact{bound(false), bound(true), {}, {}, {}};
  if (number == type)
    return fact;
  RuntimeNumbers numbers(builder, location);
  return {{}, {}, {}, numbers.less(numbers.number(0, number), fact.low), numbers.less(fact.high, numbers.number(1, number))};
}

} // namespace caa::attend
