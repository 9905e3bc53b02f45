// Writing tile.map ops from the inside out.
#include "passes/Lower/Attend/MapBuilder.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace caa::attend {

MapBuilder::MapBuilder(OpBuilder &outside, Location location, int64_t rows, int64_t columns)
    : outside(outside), location(location), rows(rows), columns(columns), block(new Block), inside(outside.getContext()) {
  inside.setInsertionPointToEnd(block);
}

MapBuilder::~MapBuilder() { delete block; }

Value MapBuilder::scalar(Value tileOrScalar) {
  auto tile = dyn_cast<tile::TileType>(tileOrScalar.getType());
  if (!tile)
    return tileOrScalar;
  auto *known = llvm::find(operands, tileOrScalar);
  if (known != operands.end())
    return block->getArgument(known - operands.begin());
  operands.push_back(tileOrScalar);
  return block->addArgument(tile.getElement(), location);
}

unsigned MapBuilder::yield(Value scalar) {
  auto *known = llvm::find(yields, scalar);
  if (known == yields.end()) {
    yields.push_back(scalar);
    return yields.size() - 1;
  }
  return known - yields.begin();
}

SmallVector<Value> MapBuilder::finish() {
  SmallVector<Type> types;
  for (Value scalar : yields)
    types.push_back(tile::TileType::get(outside.getContext(), rows, columns, scalar.getType()));
  tile::YieldOp::create(inside, location, yields);
  SmallVector<Operation *> ops;
  for (Operation &op : block->without_terminator())
    ops.push_back(&op);
  for (Operation *op : llvm::reverse(ops))
    if (isOpTriviallyDead(op))
      op->erase();
  for (unsigned n = operands.size(); n-- > 0;)
    if (block->getArgument(n).use_empty()) {
      block->eraseArgument(n);
      operands.erase(operands.begin() + n);
    }
  if (types.empty())
    return {};
  auto map = tile::MapOp::create(outside, location, types, operands);
  map.getBody().push_back(block);
  block = nullptr;
  return SmallVector<Value>(map.getResults());
}

Value map(OpBuilder &builder, Location location, tile::TileType shape, ArrayRef<Value> operands,
          llvm::function_ref<Value(OpBuilder &, ValueRange)> write) {
  MapBuilder map(builder, location, shape.getRows(), shape.getColumns());
  SmallVector<Value> scalars;
  for (Value operand : operands)
    scalars.push_back(map.scalar(operand));
  map.yield(write(map.body(), scalars));
  return map.finish().front();
}

} // namespace caa::attend
