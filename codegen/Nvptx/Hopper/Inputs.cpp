// See Inputs.h.
#include "codegen/Nvptx/Hopper/Inputs.h"

#include "llvm/ADT/DenseSet.h"

using namespace mlir;

namespace caa::nvptx::hopper {

namespace {

void inputsOf(Value tile, llvm::SetVector<Value> &leaves, DenseSet<Value> &seen) {
  if (!isa<tile::TileType>(tile.getType()) || !seen.insert(tile).second)
    return;
  Operation *op = tile.getDefiningOp();
  if (auto map = dyn_cast_or_null<tile::MapOp>(op)) {
    Block &body = map.getBody().front();
    SmallVector<Value> work{body.getTerminator()->getOperand(cast<OpResult>(tile).getResultNumber())};
    DenseSet<Value> visited;
    while (!work.empty()) {
      Value value = work.pop_back_val();
      if (!visited.insert(value).second)
        continue;
      if (auto argument = dyn_cast<BlockArgument>(value); argument && argument.getOwner() == &body)
        inputsOf(map.getOperand(argument.getArgNumber()), leaves, seen);
      else if (Operation *inner = value.getDefiningOp(); inner && inner->getBlock() == &body)
        llvm::append_range(work, inner->getOperands());
    }
    return;
  }
  if (auto reduce = dyn_cast_or_null<tile::ReduceOp>(op))
    return inputsOf(reduce.getTile(), leaves, seen);
  leaves.insert(tile);
}

} // namespace

llvm::SetVector<Value> inputsOf(Value tile) {
  llvm::SetVector<Value> leaves;
  DenseSet<Value> seen;
  inputsOf(tile, leaves, seen);
  return leaves;
}

SmallVector<Value> earlyValues(Value tile, function_ref<bool(Value)> isLate) {
  auto map = tile.getDefiningOp<tile::MapOp>();
  if (!map)
    return {};
  Block &body = map.getBody().front();
  DenseSet<Value> late;
  for (BlockArgument argument : body.getArguments())
    if (llvm::any_of(inputsOf(map.getOperand(argument.getArgNumber())), isLate))
      late.insert(argument);
  for (Operation &op : body.without_terminator())
    if (llvm::any_of(op.getOperands(), [&](Value operand) { return late.contains(operand); }))
      late.insert(op.getResults().begin(), op.getResults().end());

  // From the late result backwards.
  llvm::SetVector<Value> needed, early;
  needed.insert(body.getTerminator()->getOperand(cast<OpResult>(tile).getResultNumber()));
  for (size_t n = 0; n < needed.size(); ++n)
    if (late.contains(needed[n]))
      if (Operation *op = needed[n].getDefiningOp())
        for (Value operand : op->getOperands()) {
          needed.insert(operand);
          auto argument = dyn_cast<BlockArgument>(operand);
          auto type = argument ? dyn_cast<tile::TileType>(map.getOperand(argument.getArgNumber()).getType()) : tile::TileType();
          bool isMade = argument ? type && type.getColumns() > 1 && type.getRows() > 1
                                 : operand.getDefiningOp()->getBlock() == &body && operand.getDefiningOp()->getNumOperands();
          if (!late.contains(operand) && isMade && operand.getType().isF32())
            early.insert(operand);
        }
  return early.takeVector();
}

} // namespace caa::nvptx::hopper
