// What all lowerings of token-wise kernels share. See TileFunction.h.
#include "passes/Kernels/TileFunction.h"

using namespace mlir;

namespace caa {

Type storedElement(Type element) { return element.isInteger(1) ? IntegerType::get(element.getContext(), 8) : element; }

tile::TileType tileType(int64_t rows, int64_t columns, Type element) {
  return tile::TileType::get(element.getContext(), rows, columns, element);
}

MemRefType bufferOf(Type tensor) {
  auto type = cast<RankedTensorType>(tensor);
  ArrayRef<int64_t> shape = type.getShape();
  if (isTokenwise(tensor)) // batch and length as one axis of rows
    shape = shape.drop_front();
  return MemRefType::get(shape, storedElement(type.getElementType()));
}

Shape tileShape(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getRank() == 1 ? Shape{1, type.getDimSize(0)} : shapeOf(type);
}

/// The same with batch and length as two axes.
static MemRefType bufferByBatch(Type tensor) {
  auto type = cast<RankedTensorType>(tensor);
  return MemRefType::get(type.getShape(), storedElement(type.getElementType()));
}

TileFunction::TileFunction(func::FuncOp source, ArrayRef<unsigned> byBatch, bool outputsByBatch)
    : source(source), builder(source.getContext()), location(source.getLoc()) {
  SmallVector<Type> buffers;
  for (auto [number, type] : llvm::enumerate(source.getBody().getArgumentTypes()))
    buffers.push_back(llvm::is_contained(byBatch, number) ? bufferByBatch(type) : bufferOf(type));
  for (auto [number, output] : llvm::enumerate(source.getBody().front().getTerminator()->getOperands())) {
    if (auto inPlace = source.getResultAttrOfType<IntegerAttr>(number, "caa.in_place")) {
      outputs.push_back(inPlace.getInt());
      continue;
    }
    outputs.push_back(buffers.size());
    buffers.push_back(outputsByBatch ? bufferByBatch(output.getType()) : bufferOf(output.getType()));
  }
  builder.setInsertionPoint(source);
  kernel = func::FuncOp::create(builder, location, source.getSymName(), builder.getFunctionType(buffers, {}));
  kernel.setPrivate();
  for (auto [number, argument] : llvm::enumerate(outputs))
    if (isAccumulated(number))
      kernel.setArgAttr(argument, "caa.accumulates", builder.getUnitAttr());
  builder.setInsertionPointToStart(kernel.addEntryBlock());
}

void TileFunction::finish(ArrayRef<tile::TermAttr> grid, double flops) {
  builder.setInsertionPointToEnd(&kernel.getBody().front());
  func::ReturnOp::create(builder, location);
  kernel->setAttr("tile.kernel", builder.getUnitAttr());
  kernel->setAttr("tile.grid", builder.getArrayAttr(SmallVector<Attribute>(grid.begin(), grid.end())));
  kernel->setAttr("tile.flops", builder.getF64FloatAttr(flops));
  source.erase();
}

tile::TermAttr TileFunction::term(int64_t coefficient, int64_t divisor) {
  return tile::TermAttr::get(builder.getContext(), coefficient, 0, 0, 1, divisor > 0 ? 1 : 0,
                             std::max<int64_t>(divisor, 1));
}

Value TileFunction::index(int64_t value) { return arith::ConstantIndexOp::create(builder, location, value); }

Value TileFunction::load(Value source, ValueRange indices, int64_t rows, int64_t columns) {
  Type element = cast<MemRefType>(source.getType()).getElementType();
  return tile::LoadOp::create(builder, location, tileType(rows, columns, element), source, indices, false, false);
}

void TileFunction::store(Value tile, Value target, ValueRange indices, bool accumulate) {
  tile::StoreOp::create(builder, location, tile, target, indices, accumulate, false, false);
}

Value TileFunction::splat(TypedAttr scalar, int64_t rows, int64_t columns) {
  Value value = arith::ConstantOp::create(builder, location, scalar);
  return tile::SplatOp::create(builder, location, tileType(rows, columns, scalar.getType()), value);
}

Value TileFunction::zeros(int64_t rows, int64_t columns, Type element) {
  return splat(cast<TypedAttr>(builder.getZeroAttr(element)), rows, columns);
}

Value TileFunction::reduce(tile::Combine combine, Value tile, int64_t rows, int64_t columns) {
  Type element = cast<tile::TileType>(tile.getType()).getElement();
  return tile::ReduceOp::create(builder, location, tileType(rows, columns, element), combine, tile);
}

Value TileFunction::extract(Value tile) {
  return tile::ExtractOp::create(builder, location, cast<tile::TileType>(tile.getType()).getElement(), tile);
}

SmallVector<Value> TileFunction::map(ValueRange operands, int64_t rows, int64_t columns, TypeRange elements,
                                     Body body) {
  SmallVector<Type> types =
      llvm::map_to_vector(elements, [&](Type element) -> Type { return tileType(rows, columns, element); });
  auto map = tile::MapOp::create(builder, location, types, operands);
  Block &block = map.getBody().emplaceBlock();
  for (Value operand : operands) {
    auto tile = dyn_cast<tile::TileType>(operand.getType());
    block.addArgument(tile ? tile.getElement() : operand.getType(), location);
  }
  OpBuilder inner = OpBuilder::atBlockEnd(&block);
  Scalars scalars = body(inner, block.getArguments());
  tile::YieldOp::create(inner, location, scalars);
  return SmallVector<Value>(map.getResults());
}

Value TileFunction::map1(ValueRange operands, int64_t rows, int64_t columns, Type element,
                         function_ref<Value(OpBuilder &, ValueRange)> body) {
  return map(operands, rows, columns, element, [&](OpBuilder &b, ValueRange v) { return Scalars{body(b, v)}; })[0];
}

TileFunction::Scalars TileFunction::forRange(Value lower, Value upper, int64_t step, ValueRange inits, LoopBody body) {
  auto loop = scf::ForOp::create(builder, location, lower, upper, index(step), inits);
  OpBuilder::InsertionGuard guard(builder);
  if (inits.empty())
    loop.getBody()->getTerminator()->erase(); // made anew below
  builder.setInsertionPointToEnd(loop.getBody());
  Scalars next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  scf::YieldOp::create(builder, location, next);
  return Scalars(loop.getResults());
}

TileFunction::Scalars TileFunction::forColumns(int64_t width, int64_t tileWidth, ValueRange inits, ColumnBody body) {
  if (width <= tileWidth)
    return body(index(0), width, inits);
  int64_t whole = width / tileWidth * tileWidth;
  Scalars carried = forRange(index(0), index(whole), tileWidth, inits,
                             [&](Value column, ValueRange values) { return body(column, tileWidth, values); });
  return whole == width ? carried : body(index(whole), width - whole, carried);
}

} // namespace caa
