// Maps of tiles that only another map reads become part of it. See MergeTileMaps.h.
#include "passes/Kernels/MergeTileMaps.h"

#include "dialect/Tile/TileDialect.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace caa {

static bool canInline(tile::MapOp first, tile::MapOp second) {
  auto shapeOf = [](tile::MapOp map) {
    auto type = cast<tile::TileType>(map.getResult(0).getType());
    return std::pair(type.getRows(), type.getColumns());
  };
  return first->getBlock() == second->getBlock() && shapeOf(first) == shapeOf(second) &&
         llvm::all_of(first->getUsers(), [&](Operation *user) { return user == second; });
}

/// Moves the body of `first` to the start of the body of `second`.
static tile::MapOp inlineMap(tile::MapOp first, tile::MapOp second) {
  OpBuilder builder(second);
  SmallVector<Value> operands;
  for (Value operand : first.getOperands())
    operands.push_back(operand);
  for (Value operand : second.getOperands())
    if (operand.getDefiningOp() != first && !llvm::is_contained(operands, operand))
      operands.push_back(operand);
  auto merged = tile::MapOp::create(builder, builder.getFusedLoc({first.getLoc(), second.getLoc()}),
                                    second.getResultTypes(), operands);
  Block &block = merged.getBody().emplaceBlock();
  for (Value operand : operands) {
    auto type = dyn_cast<tile::TileType>(operand.getType());
    block.addArgument(type ? type.getElement() : operand.getType(), operand.getLoc());
  }
  builder.setInsertionPointToEnd(&block);
  IRMapping mapping;
  mapping.map(first.getBody().getArguments(), block.getArguments().take_front(first.getNumOperands()));
  Block &firstBody = first.getBody().front(), &secondBody = second.getBody().front();
  for (Operation &op : firstBody.without_terminator())
    builder.clone(op, mapping);
  ValueRange yields = firstBody.getTerminator()->getOperands();
  for (auto [argument, operand] : llvm::zip(secondBody.getArguments(), second.getOperands())) {
    if (operand.getDefiningOp() == first)
      mapping.map(argument, mapping.lookupOrDefault(yields[cast<OpResult>(operand).getResultNumber()]));
    else
      mapping.map(argument, block.getArgument(llvm::find(operands, operand) - operands.begin()));
  }
  for (Operation &op : secondBody)
    builder.clone(op, mapping);
  second.replaceAllUsesWith(merged.getResults());
  second.erase();
  first.erase();
  return merged;
}

void mergeTileMaps(func::FuncOp kernel) {
  SmallVector<tile::MapOp> maps;
  kernel.walk([&](tile::MapOp map) { maps.push_back(map); });
  for (tile::MapOp map : maps) {
    // Producers stand before their reader, so those that are left have been merged with theirs already.
    for (bool changed = true; changed;) {
      changed = false;
      for (Value operand : map.getOperands())
        if (auto first = operand.getDefiningOp<tile::MapOp>(); first && canInline(first, map)) {
          map = inlineMap(first, map);
          changed = true;
          break;
        }
    }
  }
}

} // namespace caa
