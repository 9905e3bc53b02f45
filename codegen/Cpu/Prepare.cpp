// See Prepare.h.
#include "codegen/Cpu/Prepare.h"

#include "dialect/Tile/TileDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace caa::cpu {

namespace {

tile::TileType tileType(Value value) { return dyn_cast<tile::TileType>(value.getType()); }

void splitStores(func::FuncOp kernel) {
  SmallVector<tile::StoreOp> stores;
  kernel.walk([&](tile::StoreOp store) {
    auto concat = store.getTile().getDefiningOp<tile::ConcatOp>();
    if (concat && concat->hasOneUse() && concat->getBlock() == store->getBlock())
      stores.push_back(store);
  });
  for (tile::StoreOp store : stores) {
    OpBuilder builder(store);
    auto concat = store.getTile().getDefiningOp<tile::ConcatOp>();
    int64_t column = 0;
    for (Value part : concat.getTiles()) {
      SmallVector<Value> indices(store.getIndices());
      Value offset = arith::ConstantIndexOp::create(builder, store.getLoc(), column);
      indices.back() = arith::AddIOp::create(builder, store.getLoc(), indices.back(), offset);
      tile::StoreOp::create(builder, store.getLoc(), part, store.getTarget(), indices, store.getAccumulateAttr(),
                            store.getHeadsAttr());
      column += tileType(part).getColumns();
    }
    store.erase();
    concat.erase();
  }
}

// slice(map(x)) becomes map(slice(x)); true if something changed.
bool sinkSlices(func::FuncOp kernel) {
  SmallVector<tile::MapOp> maps;
  kernel.walk([&](tile::MapOp map) {
    bool onlySlices = map.getNumResults() == 1 && !map->use_empty() &&
                      llvm::all_of(map->getUsers(), [](Operation *user) { return isa<tile::SliceOp>(user); });
    int64_t columns = 0;
    for (Operation *user : map->getUsers())
      if (auto slice = dyn_cast<tile::SliceOp>(user))
        columns += slice.getResult().getType().getColumns();
    if (onlySlices && columns <= cast<tile::TileType>(map.getResult(0).getType()).getColumns())
      maps.push_back(map);
  });
  for (tile::MapOp map : maps) {
    for (Operation *user : llvm::make_early_inc_range(map->getUsers())) {
      auto slice = cast<tile::SliceOp>(user);
      OpBuilder builder(map);
      IRMapping mapping;
      for (Value operand : map->getOperands()) {
        tile::TileType type = tileType(operand);
        if (!type || type.getColumns() == 1 || mapping.contains(operand))
          continue;
        int64_t columns = slice.getResult().getType().getColumns();
        auto part = tile::TileType::get(type.getContext(), type.getRows(), columns, type.getElement());
        mapping.map(operand, tile::SliceOp::create(builder, slice.getLoc(), part, operand, slice.getStartAttr()).getResult());
      }
      auto copy = cast<tile::MapOp>(builder.clone(*map, mapping));
      copy.getResult(0).setType(slice.getResult().getType());
      slice.getResult().replaceAllUsesWith(copy.getResult(0));
      slice.erase();
    }
    map.erase();
  }
  return !maps.empty();
}

bool readsElements(OpOperand &use) {
  Operation *user = use.getOwner();
  if (isa<tile::MapOp, tile::ReduceOp, tile::RankOp, tile::StoreOp>(user))
    return true;
  auto splat = use.get().getDefiningOp<tile::SplatOp>();
  return splat && isa<tile::DotOp>(user) && use.getOperandNumber() == 2 && matchPattern(splat.getValue(), m_AnyZeroFloat());
}

// A map that yields its operand. A loop gets one for each carried value, which may then start in its own place.
void materialize(func::FuncOp kernel) {
  SmallVector<OpOperand *> uses;
  kernel.walk([&](Operation *op) {
    for (OpOperand &operand : op->getOpOperands())
      if (isa_and_nonnull<tile::SplatOp, tile::IotaOp>(operand.get().getDefiningOp()) && !readsElements(operand))
        uses.push_back(&operand);
    // A column that a buffer keeps apart is stored from its place.
    if (auto store = dyn_cast<tile::StoreOp>(op))
      if (isa_and_nonnull<tile::SplatOp, tile::IotaOp>(store.getTile().getDefiningOp()))
        uses.push_back(&store->getOpOperand(0));
  });
  for (OpOperand *use : uses) {
    Operation *user = use->getOwner();
    OpBuilder builder(user);
    Location loc = user->getLoc();
    auto splat = use->get().getDefiningOp<tile::SplatOp>();
    if (splat && isa<tile::ExtractOp>(user)) {
      user->getResult(0).replaceAllUsesWith(splat.getValue());
      continue;
    }
    auto map = tile::MapOp::create(builder, loc, TypeRange{use->get().getType()}, ValueRange{use->get()});
    Block &body = map.getBody().emplaceBlock();
    Value argument = body.addArgument(tileType(use->get()).getElement(), loc);
    OpBuilder::atBlockEnd(&body).setInsertionPointToEnd(&body);
    OpBuilder inside = OpBuilder::atBlockEnd(&body);
    tile::YieldOp::create(inside, loc, ValueRange{argument});
    use->set(map.getResult(0));
  }
}

bool isCheap(tile::MapOp map) {
  auto shape = cast<tile::TileType>(map.getResult(0).getType());
  if (shape.getRows() == 1 || shape.getColumns() == 1)
    return false;
  for (Value operand : map->getOperands()) {
    tile::TileType type = tileType(operand);
    if (type && type.getRows() > 1 && type.getColumns() > 1 && !operand.getDefiningOp<tile::SplatOp>())
      return false;
  }
  int64_t count = 0;
  for (Operation &op : map.getBody().front().without_terminator()) {
    if (op.getName().getDialectNamespace() != "arith" || isa<arith::DivFOp, arith::DivSIOp, arith::RemSIOp, arith::RemFOp>(op))
      return false;
    count += !isa<arith::ConstantOp>(op);
  }
  return count <= 10;
}

void repeatCheapMaps(func::FuncOp kernel) {
  SmallVector<tile::MapOp> maps;
  kernel.walk([&](tile::MapOp map) {
    if (isCheap(map))
      maps.push_back(map);
  });
  for (tile::MapOp map : maps) {
    // One copy for each user, beside it: in a loop's body too, where it would have to be stored outside.
    DenseMap<Operation *, tile::MapOp> copies;
    for (Value result : map->getResults())
      for (OpOperand &use : llvm::make_early_inc_range(result.getUses())) {
        Operation *user = use.getOwner();
        if (!isa<tile::MapOp, tile::ReduceOp, tile::RankOp>(user))
          continue;
        tile::MapOp &copy = copies[user];
        if (!copy)
          copy = cast<tile::MapOp>(OpBuilder(user).clone(*map));
        use.set(copy->getResult(cast<OpResult>(result).getResultNumber()));
      }
    if (map->use_empty())
      map.erase();
  }
}

void eraseUnused(func::FuncOp kernel) {
  for (bool changed = true; changed;) {
    changed = false;
    SmallVector<Operation *> unused;
    kernel.walk([&](Operation *op) {
      if (isa_and_nonnull<tile::TileDialect>(op->getDialect()) && isOpTriviallyDead(op))
        unused.push_back(op);
    });
    for (Operation *op : unused)
      op->erase(), changed = true;
  }
}

} // namespace

void prepareKernel(func::FuncOp kernel) {
  splitStores(kernel);
  while (sinkSlices(kernel))
    ;
  materialize(kernel);
  repeatCheapMaps(kernel);
  eraseUnused(kernel);
}

} // namespace caa::cpu
