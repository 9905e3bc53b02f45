// Tiles for the values of a kernel of token-wise or per-head ops. See TokenEmitter.h.
#include "passes/Kernels/TokenEmitter.h"

#include "passes/Kernels/ExpandScalars.h"

#include <cmath>
#include <numeric>

using namespace mlir;

namespace caa {

static tile::TileType typeOf(Value tile) { return cast<tile::TileType>(tile.getType()); }

unsigned TokenEmitter::depthOf(Value value, const Place &place) const {
  unsigned depth = std::max(scopes.depthOf(place.head), scopes.depthOf(place.column));
  return isTokenwise(value.getType()) ? std::max(depth, rowDepth) : depth;
}

/// Whether only parts of a value's width are read, so that each may be computed alone.
bool TokenEmitter::isReadInParts(Value value) {
  Operation *def = value.getDefiningOp();
  return isa_and_nonnull<MapOp>(def) &&
         llvm::all_of(def->getUsers(), [](Operation *user) { return isa<RopeOp, SliceOp>(user); });
}

Value TokenEmitter::emit(Value value, Place place) {
  SmallVector<Value> parts = emitParts(value, place);
  if (parts.size() == 1)
    return parts.front();
  unsigned depth = depthOf(value, place);
  return scopes.in(depth, [&] {
    int64_t width = 0;
    for (Value part : parts)
      width += typeOf(part).getColumns();
    Value joined =
        tile::ConcatOp::create(function.getBuilder(), function.getLocation(),
                               tileType(typeOf(parts[0]).getRows(), width, typeOf(parts[0]).getElement()), parts);
    scopes.remember(value, place, depth, joined);
    return joined;
  });
}

SmallVector<Value> TokenEmitter::emitParts(Value value, Place place) {
  if (tileShape(value).heads == 1)
    place.head = {};
  unsigned depth = depthOf(value, place);
  if (SmallVector<Value> *known = scopes.find(value, place, depth))
    return *known;
  return scopes.in(depth, [&] {
    SmallVector<Value> tiles = compute(value, place);
    // A map remembers all of its results by itself.
    if (!value.getDefiningOp<MapOp>())
      scopes.remember(value, place, depth, tiles);
    return tiles;
  });
}

/// Emits a value in the present scope, which is the outermost that knows the place.
SmallVector<Value> TokenEmitter::compute(Value value, const Place &place) {
  if (auto input = dyn_cast<BlockArgument>(value))
    return {loadInput(input, place)};
  Operation *op = value.getDefiningOp();
  int64_t width = tileShape(value).width;
  OpBuilder &builder = function.getBuilder();
  auto whole = [&](Value operand) { return Place{place.head, {}, tileShape(operand).width}; };

  if (auto slice = dyn_cast<SliceOp>(op))
    return emitParts(slice.getValue(), {place.head, scopes.derive(place.column, 1, 1, slice.getStart()), place.width});
  if (auto asHead = dyn_cast<AsHeadOp>(op))
    return {emit(asHead.getValue(), place)};
  if (auto asRow = dyn_cast<AsRowOp>(op))
    return {emit(asRow.getValue(), place)};
  if (auto embed = dyn_cast<EmbedOp>(op)) {
    Value index = emit(embed.getIndex(), {{}, {}, 1});
    Value column = scopes.materialize(place.column);
    unsigned table = cast<BlockArgument>(embed.getTable()).getArgNumber();
    return {tile::GatherOp::create(builder, function.getLocation(), tileType(rows, place.width, elementOf(value)),
                                   function.getInput(table), index, column)};
  }
  if (auto map = dyn_cast<MapOp>(op);
      map && (place.width == width || !place.column.isConstant() || isReadInParts(value))) {
    emitMap(map, place, scopes.depth());
    return *scopes.find(value, place, scopes.depth());
  }
  if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
    Value from = broadcast.getValue();
    Shape in = tileShape(from), out = tileShape(value);
    Place source{in.heads == 1 ? Index{} : scopes.derive(place.head, 1, out.heads / in.heads, 0),
                 in.width == 1 ? Index{} : place.column, in.width == 1 ? 1 : place.width};
    return {widen(emit(from, source), rowsOf(value), place.width)};
  }
  if (auto reduce = dyn_cast<ReduceHeadsOp>(op))
    return {emitReduceHeads(reduce, place)};
  if (auto sum = dyn_cast<SumPartialsOp>(op))
    return {emitSumPartials(sum, place)};
  if (auto constant = dyn_cast<ConstantOp>(op))
    return {function.splat(cast<TypedAttr>(cast<DenseElementsAttr>(constant.getValue()).getSplatValue<Attribute>()), 1,
                           place.width)};
  if (place.width != width) { // a part of what is computed whole
    SmallVector<Value> parts = emitParts(value, {place.head, {}, width});
    int64_t start = place.column.constant;
    assert(place.column.isConstant() && "parts of such values start at fixed columns");
    for (Value part : parts) {
      int64_t columns = typeOf(part).getColumns();
      if (start + place.width <= columns)
        return {slice(part, start, place.width)};
      if (start < columns)
        break;
      start -= columns;
    }
    return {slice(emit(value, {place.head, {}, width}), place.column.constant, place.width)};
  }

  if (auto reduce = dyn_cast<ReduceWidthOp>(op)) {
    Value operand = emit(reduce.getValue(), whole(reduce.getValue()));
    return {typeOf(operand).getColumns() == 1
                ? operand
                : function.reduce(tile::Combine::Add, operand, typeOf(operand).getRows(), 1)};
  }
  if (auto rope = dyn_cast<RopeOp>(op))
    return emitRope(rope, place);
  if (auto table = dyn_cast<RopeTableOp>(op))
    return emitRopeTable(table);
  if (auto reshape = dyn_cast<ReshapeOp>(op))
    return emitReshape(reshape, place);
  if (auto concat = dyn_cast<ConcatOp>(op)) {
    SmallVector<Value> parts;
    for (Value operand : concat.getValues())
      llvm::append_range(parts, emitParts(operand, whole(operand)));
    return parts;
  }
  if (isa<IndexOp, HasNextOp>(op))
    return {emitIndex(isa<HasNextOp>(op))};
  llvm_unreachable("an op that kernel formation does not put into a kernel of token rows");
}

Value TokenEmitter::truth(Value bytes) {
  tile::TileType type = typeOf(bytes);
  return function.map1(bytes, type.getRows(), type.getColumns(), function.getBuilder().getI1Type(),
                       [&](OpBuilder &b, ValueRange v) -> Value {
                         Value zero = arith::ConstantOp::create(b, function.getLocation(), b.getI8IntegerAttr(0));
                         return arith::CmpIOp::create(b, function.getLocation(), arith::CmpIPredicate::ne, v[0], zero);
                       });
}

Value TokenEmitter::loadInput(BlockArgument input, const Place &place) {
  Value column = scopes.materialize(place.column);
  SmallVector<Value> indices;
  if (isTokenwise(input.getType()))
    indices = {firstRow, scopes.materialize(place.head), column};
  else if (cast<RankedTensorType>(input.getType()).getRank() == 2)
    indices = {scopes.materialize(place.head), column};
  else
    indices = {column};
  Value tile = function.load(function.getInput(input.getArgNumber()), indices, rowsOf(input), place.width);
  return elementOf(input).isInteger(1) ? truth(tile) : tile;
}

void TokenEmitter::emitMap(MapOp map, const Place &place, unsigned depth) {
  Shape shape = tileShape(map.getResult(0));
  SmallVector<Value> operands;
  for (Value operand : map.getOperands()) {
    Shape in = tileShape(operand);
    Place source{in.heads == 1 ? Index{} : scopes.derive(place.head, 1, shape.heads / in.heads, 0),
                 in.width == 1 ? Index{} : place.column, in.width == 1 ? 1 : place.width};
    operands.push_back(emit(operand, source));
  }
  int64_t tileRows = rowsOf(map.getResult(0));
  SmallVector<Type> elements = llvm::map_to_vector(map.getResults(), [](Value result) { return elementOf(result); });
  Block &body = map.getBody().front();
  SmallVector<Value> results =
      function.map(operands, tileRows, place.width, elements, [&](OpBuilder &b, ValueRange arguments) {
        IRMapping mapping;
        mapping.map(body.getArguments(), arguments);
        for (Operation &op : body.without_terminator())
          b.clone(op, mapping);
        return llvm::map_to_vector(body.getTerminator()->getOperands(),
                                   [&](Value v) { return mapping.lookupOrDefault(v); });
      });
  expandScalars(cast<tile::MapOp>(results[0].getDefiningOp()).getBody());
  for (auto [original, tile] : llvm::zip(map.getResults(), results))
    scopes.remember(original, place, depth, tile);
}

/// A sum over consecutive heads: a loop that carries the sum.
Value TokenEmitter::emitReduceHeads(ReduceHeadsOp reduce, const Place &place) {
  Value from = reduce.getValue();
  int64_t count = tileShape(from).heads / tileShape(reduce.getResult()).heads;
  if (count == 1)
    return emit(from, place);
  int64_t tileRows = rowsOf(from);
  OpBuilder &builder = function.getBuilder();
  Value init = function.zeros(tileRows, place.width, elementOf(from));
  Index base = scopes.derive(place.head, count, 1, 0);
  Value first = scopes.materialize(base);
  Value last = arith::AddIOp::create(builder, function.getLocation(), first, function.index(count));
  return scopes.loop(first, last, 1, init, [&](Value head, ValueRange carried) {
    Value tile = emit(from, {{0, head}, place.column, place.width});
    return SmallVector<Value>{
        function.map1({carried[0], tile}, tileRows, place.width, elementOf(from), [&](OpBuilder &b, ValueRange v) {
          return isa<FloatType>(v[0].getType()) ? Value(arith::AddFOp::create(b, function.getLocation(), v[0], v[1]))
                                                : Value(arith::AddIOp::create(b, function.getLocation(), v[0], v[1]));
        })};
  })[0];
}

/// The sum of the rows of partial sums, in their order.
Value TokenEmitter::emitSumPartials(SumPartialsOp sum, const Place &place) {
  auto input = cast<BlockArgument>(sum.getValue());
  OpBuilder &builder = function.getBuilder();
  Location location = function.getLocation();
  Type element = elementOf(input);
  Value rowCount = function.extent(tile::Extent::Rows);
  Value chunks = arith::CeilDivUIOp::create(builder, location, rowCount, function.index(sum.getChunk()));
  Value init = function.zeros(1, place.width, element);
  Value head = scopes.materialize(place.head), column = scopes.materialize(place.column);
  return scopes.loop(function.index(0), chunks, 1, init, [&](Value row, ValueRange carried) {
    Value tile = function.load(function.getInput(input.getArgNumber()), {row, head, column}, 1, place.width);
    return SmallVector<Value>{
        function.map1({carried[0], tile}, 1, place.width, element, [&](OpBuilder &b, ValueRange v) -> Value {
          return arith::AddFOp::create(b, location, v[0], v[1]);
        })};
  })[0];
}

/// Both halves of a rotated value. The halves of the input are read apart where they can be.
SmallVector<Value> TokenEmitter::emitRope(RopeOp rope, const Place &place) {
  int64_t half = place.width / 2;
  Type f32 = function.getBuilder().getF32Type();
  auto halfOf = [&](Value value, int64_t start) { return emit(value, {place.head, {start, {}}, half}); };
  Value table = rope.getTable();
  SmallVector<Value> operands = {halfOf(rope.getInput(), 0), halfOf(rope.getInput(), half), halfOf(table, 0),
                                 halfOf(table, half)};
  return function.map(operands, rows, half, {f32, f32}, [&](OpBuilder &b, ValueRange v) {
    Location location = function.getLocation();
    auto mul = [&](Value x, Value y) -> Value { return arith::MulFOp::create(b, location, x, y); };
    auto add = [&](Value x, Value y) -> Value { return arith::AddFOp::create(b, location, x, y); };
    auto sub = [&](Value x, Value y) -> Value { return arith::SubFOp::create(b, location, x, y); };
    Value x1 = v[0], x2 = v[1], cos = v[2], sin = v[3];
    if (rope.getInverse())
      return TileFunction::Scalars{add(mul(x1, cos), mul(x2, sin)), sub(mul(x2, cos), mul(x1, sin))};
    return TileFunction::Scalars{sub(mul(x1, cos), mul(x2, sin)), add(mul(x2, cos), mul(x1, sin))};
  });
}

/// Angles position * theta^(-2 c / width) in f64; the powers once per work item, as one row.
SmallVector<Value> TokenEmitter::emitRopeTable(RopeTableOp table) {
  Location location = function.getLocation();
  OpBuilder &builder = function.getBuilder();
  int64_t width = tileShape(table.getTable()).width, half = width / 2;
  Type f32 = builder.getF32Type(), f64 = builder.getF64Type(), i64 = builder.getI64Type();
  double step = -2.0 / double(width) * std::log(table.getTheta().convertToDouble());
  Value frequencies = scopes.in(0, [&] {
    Value columns = tile::IotaOp::create(builder, location, tileType(1, half, i64), function.index(0));
    return function.map1(columns, 1, half, f64, [&](OpBuilder &b, ValueRange v) -> Value {
      Value column = arith::SIToFPOp::create(b, location, f64, v[0]);
      Value factor = arith::ConstantOp::create(b, location, b.getF64FloatAttr(step));
      return math::ExpOp::create(b, location, arith::MulFOp::create(b, location, column, factor));
    });
  });
  Value position = emit(table.getPosition(), {{}, {}, 1});
  return function.map({position, frequencies}, rows, half, {f32, f32}, [&](OpBuilder &b, ValueRange v) {
    Value number = isa<FloatType>(v[0].getType()) ? v[0] : Value(arith::SIToFPOp::create(b, location, f64, v[0]));
    Value angle = arith::MulFOp::create(b, location, number, v[1]);
    return TileFunction::Scalars{arith::TruncFOp::create(b, location, f32, math::CosOp::create(b, location, angle)),
                                 arith::TruncFOp::create(b, location, f32, math::SinOp::create(b, location, angle))};
  });
}

/// Parts as wide as the greatest common divisor of both widths: none of them reaches over the end of a head.
SmallVector<Value> TokenEmitter::emitReshape(ReshapeOp reshape, const Place &place) {
  Shape in = tileShape(reshape.getValue()), out = tileShape(reshape.getResult());
  int64_t width = std::gcd(in.width, out.width);
  SmallVector<Value> parts;
  for (int64_t start = 0; start < out.width; start += width) {
    Place source{{}, {}, width};
    if (place.head.isConstant()) {
      int64_t flat = place.head.constant * out.width + start;
      source.head.constant = flat / in.width;
      source.column.constant = flat % in.width;
    } else if (in.width <= out.width) { // whole heads, or equal parts of them: in.width is a multiple of `width`
      OpBuilder &builder = function.getBuilder();
      Location location = function.getLocation();
      Value flat = arith::MulIOp::create(builder, location, place.head.value, function.index(out.width));
      flat = arith::AddIOp::create(builder, location, flat, function.index(start));
      source.head.value = arith::DivUIOp::create(builder, location, flat, function.index(in.width));
      if (width != in.width)
        source.column.value = arith::RemUIOp::create(builder, location, flat, function.index(in.width));
    } else {
      OpBuilder &builder = function.getBuilder();
      Location location = function.getLocation();
      Value flat = arith::MulIOp::create(builder, location, place.head.value, function.index(out.width));
      flat = arith::AddIOp::create(builder, location, flat, function.index(start));
      if (in.heads > 1)
        source.head.value = arith::DivUIOp::create(builder, location, flat, function.index(in.width));
      source.column.value = arith::RemUIOp::create(builder, location, flat, function.index(in.width));
    }
    for (Value index : {source.head.value, source.column.value})
      if (index)
        scopes.setDepth(index, scopes.depth());
    llvm::append_range(parts, emitParts(reshape.getValue(), source));
  }
  return parts;
}

/// Each token's index in its row, or whether a next one exists.
Value TokenEmitter::emitIndex(bool hasNext) {
  OpBuilder &builder = function.getBuilder();
  Location location = function.getLocation();
  Type i64 = builder.getI64Type();
  Value start = arith::AddIOp::create(builder, location, firstRow, function.extent(tile::Extent::FirstRow));
  Value row = tile::IotaOp::create(builder, location, tileType(rows, 1, i64), start);
  Value length = arith::IndexCastOp::create(builder, location, i64, function.extent(tile::Extent::Length));
  return function.map1({row, length}, rows, 1, hasNext ? Type(builder.getI1Type()) : i64,
                       [&](OpBuilder &b, ValueRange v) -> Value {
                         Value index = arith::RemSIOp::create(b, location, v[0], v[1]);
                         if (!hasNext)
                           return index;
                         Value one = arith::ConstantOp::create(b, location, b.getI64IntegerAttr(1));
                         return arith::CmpIOp::create(b, location, arith::CmpIPredicate::slt,
                                                      arith::AddIOp::create(b, location, index, one), v[1]);
                       });
}

Value TokenEmitter::emitValidRows() {
  if (validRows)
    return validRows;
  return validRows = scopes.in(rowDepth, [&] {
    OpBuilder &builder = function.getBuilder();
    Location location = function.getLocation();
    Type i64 = builder.getI64Type();
    Value row = tile::IotaOp::create(builder, location, tileType(rows, 1, i64), firstRow);
    Value end = arith::IndexCastOp::create(builder, location, i64, function.extent(tile::Extent::Rows));
    return function.map1({row, end}, rows, 1, builder.getI1Type(), [&](OpBuilder &b, ValueRange v) -> Value {
      return arith::CmpIOp::create(b, location, arith::CmpIPredicate::slt, v[0], v[1]);
    });
  });
}

Value TokenEmitter::widen(Value tile, int64_t tileRows, int64_t columns) {
  tile::TileType type = typeOf(tile);
  if (type.getRows() == tileRows && type.getColumns() == columns)
    return tile;
  return function.map1(tile, tileRows, columns, type.getElement(), [](OpBuilder &, ValueRange v) { return v[0]; });
}

Value TokenEmitter::slice(Value tile, int64_t start, int64_t columns) {
  tile::TileType type = typeOf(tile);
  if (start == 0 && columns == type.getColumns())
    return tile;
  return tile::SliceOp::create(function.getBuilder(), function.getLocation(),
                               tileType(type.getRows(), columns, type.getElement()), tile, start);
}

} // namespace caa
