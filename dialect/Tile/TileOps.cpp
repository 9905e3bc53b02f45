// Verifiers of the tile ops.
#include "dialect/Tile/TileDialect.h"

using namespace mlir;

namespace tile {

LogicalResult MapOp::verify() {
  if (getNumResults() == 0)
    return emitOpError("needs a result");
  auto shape = cast<TileType>(getResult(0).getType());
  for (Type type : getResultTypes())
    if (cast<TileType>(type).getRows() != shape.getRows() || cast<TileType>(type).getColumns() != shape.getColumns())
      return emitOpError("results differ in shape");
  Block &block = getBody().front();
  if (block.getNumArguments() != getNumOperands())
    return emitOpError("region needs one argument per operand");
  for (auto [type, argument] : llvm::zip(getOperandTypes(), block.getArguments())) {
    auto tile = dyn_cast<TileType>(type);
    if (argument.getType() != (tile ? tile.getElement() : type))
      return emitOpError("region argument ") << argument.getArgNumber() << " has the wrong type";
    if (tile && ((tile.getRows() != 1 && tile.getRows() != shape.getRows()) ||
                 (tile.getColumns() != 1 && tile.getColumns() != shape.getColumns())))
      return emitOpError("operand ") << argument.getArgNumber() << " does not broadcast to the results";
  }
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  if (!yield || yield.getNumOperands() != getNumResults())
    return emitOpError("must yield one scalar per result");
  for (auto [scalar, type] : llvm::zip(yield.getValues(), getResultTypes()))
    if (scalar.getType() != cast<TileType>(type).getElement())
      return emitOpError("yields a scalar of the wrong type");
  return success();
}

LogicalResult ReduceOp::verify() {
  TileType from = getTile().getType(), to = getResult().getType();
  if (from.getElement() != to.getElement() || (to.getRows() != 1 && to.getRows() != from.getRows()) ||
      (to.getColumns() != 1 && to.getColumns() != from.getColumns()))
    return emitOpError("must keep rows or columns, and the element");
  return success();
}

LogicalResult DotOp::verify() {
  TileType a = getA().getType(), b = getB().getType(), c = getResult().getType();
  int64_t m = getTransposeA() ? a.getColumns() : a.getRows(), k = getTransposeA() ? a.getRows() : a.getColumns();
  int64_t n = getTransposeB() ? b.getRows() : b.getColumns(), kb = getTransposeB() ? b.getColumns() : b.getRows();
  if (k != kb)
    return emitOpError("inner sizes differ: ") << k << " and " << kb;
  if (c.getRows() != m || c.getColumns() != n)
    return emitOpError("result must be ") << m << "x" << n;
  if (getAccumulator() && getAccumulator().getType() != c)
    return emitOpError("accumulator must have the result's type");
  return success();
}

LogicalResult SweepOp::verify() {
  if (TypeRange(getInits()) != TypeRange(getResultTypes()))
    return emitOpError("carries values of the types it starts with");
  if (getStep() == 0 || int64_t(getStep()) < 0)
    return emitOpError("needs a positive step");
  Block &visit = getVisit().front();
  if (visit.getNumArguments() != 1 || !isa<VisitOp>(visit.getTerminator()))
    return emitOpError("visit region takes the tile's start and ends with tile.visit");
  if (getBodies().empty())
    return emitOpError("needs a body");
  for (Region &body : getBodies()) {
    Block &block = body.front();
    if (block.getNumArguments() != 1 + getInits().size() || !block.getArgument(0).getType().isIndex() ||
        TypeRange(block.getArgumentTypes()).drop_front() != TypeRange(getInits()))
      return emitOpError("a body takes the tile's start and the carried values");
    auto next = dyn_cast<NextOp>(block.getTerminator());
    if (!next || TypeRange(next.getValues()) != TypeRange(getInits()))
      return emitOpError("a body ends with tile.next and the carried values");
  }
  return success();
}

} // namespace tile
