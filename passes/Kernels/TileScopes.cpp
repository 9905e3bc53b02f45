// Nested loops with values emitted as far out as possible. See TileScopes.h.
#include "passes/Kernels/TileScopes.h"

using namespace mlir;

namespace caa {

SmallVector<Value> TileScopes::loop(Value lower, Value upper, int64_t step, ValueRange inits, LoopBody body) {
  OpBuilder &builder = function.getBuilder();
  Location location = function.getLocation();
  auto loop = scf::ForOp::create(builder, location, lower, upper, function.index(step), inits);
  if (inits.empty())
    loop.getBody()->getTerminator()->erase(); // made anew below
  // Whatever belongs outside goes before the loop while it is open.
  OpBuilder::InsertPoint after = builder.saveInsertionPoint();
  scopes.back().point = OpBuilder::InsertPoint(loop->getBlock(), loop->getIterator());
  builder.setInsertionPointToEnd(loop.getBody());
  scopes.push_back({builder.saveInsertionPoint(), {}, loop});
  depths[loop.getInductionVar()] = depth();
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  scf::YieldOp::create(builder, location, next);
  scopes.pop_back();
  builder.restoreInsertionPoint(after);
  scopes.back().point = after;
  return SmallVector<Value>(loop.getResults());
}

SmallVector<Value> *TileScopes::find(Value value, const Place &place, unsigned depth) {
  auto &tiles = scopes[depth].tiles;
  auto found = tiles.find(keyOf(value, place));
  return found == tiles.end() ? nullptr : &found->second;
}

void TileScopes::remember(Value value, const Place &place, unsigned depth, ArrayRef<Value> tiles) {
  scopes[depth].tiles[keyOf(value, place)] = SmallVector<Value>(tiles);
}

Index TileScopes::derive(Index index, int64_t multiplier, int64_t divisor, int64_t offset) {
  if (index.isConstant())
    return {index.constant * multiplier / divisor + offset, {}};
  if (multiplier == 1 && divisor == 1 && offset == 0)
    return index;
  Value &known = derived[{index.value, multiplier, divisor, offset}];
  if (known)
    return {0, known};
  unsigned depth = depthOf(index);
  Value computed = in(depth, [&] {
    OpBuilder &builder = function.getBuilder();
    Location location = function.getLocation();
    Value result = index.value;
    if (multiplier != 1)
      result = arith::MulIOp::create(builder, location, result, function.index(multiplier));
    if (divisor != 1)
      result = arith::DivUIOp::create(builder, location, result, function.index(divisor));
    if (offset != 0)
      result = arith::AddIOp::create(builder, location, result, function.index(offset));
    return result;
  });
  depths[computed] = depth;
  derived[{index.value, multiplier, divisor, offset}] = computed;
  return {0, computed};
}

Value TileScopes::materialize(Index index) { return index.isConstant() ? function.index(index.constant) : index.value; }

} // namespace caa
