// See Layouts.h. Connected values form classes (union-find); each class takes the layout with the smaller cost, where the
// cost of a transposition is the tile's size times 16 for every loop around it.
#include "codegen/Cpu/Layouts.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/EquivalenceClasses.h"

using namespace mlir;

namespace caa::cpu {

bool isSource(Value value) { return isa_and_nonnull<tile::LoadOp>(rootOf(value).getDefiningOp()); }

Value rootOf(Value value) {
  while (auto slice = value.getDefiningOp<tile::SliceOp>())
    value = slice.getTile();
  return value;
}

bool isLoop(Operation *op) { return isa<tile::SweepOp, scf::ForOp>(op); }

int64_t loopDepth(Block *block) {
  int64_t depth = 0;
  for (Operation *op = block ? block->getParentOp() : nullptr; op && !isa<func::FuncOp>(op); op = op->getParentOp())
    depth += isLoop(op);
  return depth;
}

namespace {

double costOf(Value value, int64_t depth) {
  tile::TileType type = tileOf(value);
  double cost = double(type.getRows()) * double(type.getColumns());
  for (int64_t n = 0; n < depth; ++n)
    cost *= 16;
  return cost;
}

int64_t depthOf(Value value) { return loopDepth(value.getParentBlock()); }

struct Classes {
  llvm::EquivalenceClasses<void *> classes;
  DenseMap<void *, double> byRows, byColumns; // what either layout costs, per leader

  bool takesPart(Value value) {
    tile::TileType type = tileOf(value);
    return type && isFull(type) && !isSource(value);
  }
  void join(Value a, Value b) {
    if (takesPart(a) && takesPart(b))
      classes.unionSets(a.getAsOpaquePointer(), b.getAsOpaquePointer());
  }
  void joinAll(ValueRange values) {
    Value first;
    for (Value value : values) {
      if (!takesPart(value))
        continue;
      classes.insert(value.getAsOpaquePointer());
      if (first)
        join(first, value);
      first = value;
    }
  }
  void joinPairs(ValueRange a, ValueRange b) {
    for (auto [x, y] : llvm::zip(a, b))
      join(x, y);
  }

  void connect(Operation *op) {
    if (auto map = dyn_cast<tile::MapOp>(op)) {
      SmallVector<Value> values(map->getResults());
      for (Value operand : map->getOperands())
        if (tileOf(operand))
          values.push_back(operand);
      joinAll(values);
    } else if (auto dot = dyn_cast<tile::DotOp>(op)) {
      joinAll(ValueRange{dot.getResult()});
      if (dot.getAccumulator())
        join(dot.getAccumulator(), dot.getResult());
    } else if (isa<tile::SliceOp, tile::ConcatOp>(op)) {
      SmallVector<Value> values(op->getOperands());
      values.push_back(op->getResult(0));
      joinAll(values);
    } else if (auto sweep = dyn_cast<tile::SweepOp>(op)) {
      joinPairs(sweep.getInits(), sweep.getResults());
      for (Region &body : sweep.getBodies()) {
        joinPairs(body.front().getArguments().drop_front(), sweep.getResults());
        joinPairs(body.front().getTerminator()->getOperands(), sweep.getResults());
      }
    } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
      joinPairs(loop.getInitArgs(), loop.getResults());
      joinPairs(loop.getRegionIterArgs(), loop.getResults());
      joinPairs(loop.getBody()->getTerminator()->getOperands(), loop.getResults());
    } else if (auto choice = dyn_cast<scf::IfOp>(op)) {
      for (Region *region : choice.getRegions())
        if (!region->empty())
          joinPairs(region->front().getTerminator()->getOperands(), choice.getResults());
    }
  }

  void charge(Value value, double rows, double columns) {
    if (!takesPart(value))
      return;
    void *leader = classes.getOrInsertLeaderValue(value.getAsOpaquePointer());
    byRows[leader] += rows;
    byColumns[leader] += columns;
  }

  void charge(Operation *op) {
    int64_t depth = loopDepth(op->getBlock());
    if (auto dot = dyn_cast<tile::DotOp>(op)) {
      double packB = dot.getTransposeB() ? costOf(dot.getB(), depthOf(dot.getB())) : 0;
      double packA = dot.getTransposeA() ? 0 : costOf(dot.getA(), depthOf(dot.getA()));
      charge(dot.getResult(), packB, packA);
    } else if (auto store = dyn_cast<tile::StoreOp>(op)) {
      charge(store.getTile(), 0, costOf(store.getTile(), depth));
    } else if (auto scatter = dyn_cast<tile::ScatterAddOp>(op)) {
      charge(scatter.getTile(), 0, 8 * costOf(scatter.getTile(), depth));
    } else if (auto gather = dyn_cast<tile::GatherOp>(op)) {
      charge(gather.getResult(), 0, 8 * costOf(gather.getResult(), depth));
    } else if (auto rank = dyn_cast<tile::RankOp>(op)) {
      charge(rank.getScores(), costOf(rank.getScores(), depth), 0);
      if (rank.getMembers())
        charge(rank.getMembers(), costOf(rank.getMembers(), depth), 0);
    } else if (auto map = dyn_cast<tile::MapOp>(op)) {
      for (Value operand : map->getOperands())
        if (tileOf(operand) && isFull(tileOf(operand)) && isSource(operand))
          charge(map.getResult(0), 0, costOf(operand, depthOf(operand)));
    }
  }
};

} // namespace

Layouts::Layouts(func::FuncOp kernel) {
  Classes classes;
  kernel.walk([&](Operation *op) { classes.connect(op); });
  kernel.walk([&](Operation *op) { classes.charge(op); });
  for (const auto *member : classes.classes) {
    void *leader = classes.classes.getLeaderValue(member->getData());
    bool columns = classes.byColumns.lookup(leader) < classes.byRows.lookup(leader);
    full[Value::getFromOpaquePointer(member->getData())] = columns ? Layout::Columns : Layout::Rows;
  }
}

Layout Layouts::of(Value value) const {
  tile::TileType type = tileOf(value);
  if (!isFull(type))
    return type.getRows() > 1 ? Layout::Columns : Layout::Rows;
  auto found = full.find(value);
  return found == full.end() ? Layout::Rows : found->second;
}

std::optional<Layout> Layouts::required(OpOperand &operand) const {
  tile::TileType type = tileOf(operand.get());
  if (!type || !isFull(type))
    return std::nullopt;
  Operation *op = operand.getOwner();
  unsigned number = operand.getOperandNumber();
  if (auto dot = dyn_cast<tile::DotOp>(op)) {
    // The inner axis of the result runs along B's columns (by rows) or A's rows (by columns): that operand is read in
    // vectors, the other one by scalars. A result that is one row or column has one scalar axis.
    Layout result = of(dot.getResult());
    if (number == 2)
      return result;
    if (number == 1 && result == Layout::Rows && dot.getResult().getType().getColumns() > 1)
      return dot.getTransposeB() ? Layout::Columns : Layout::Rows;
    if (number == 0 && result == Layout::Columns)
      return dot.getTransposeA() ? Layout::Rows : Layout::Columns;
    return std::nullopt;
  }
  if (isa<tile::MapOp, tile::ConcatOp, tile::SliceOp>(op))
    return of(op->getResult(0));
  if (isa<tile::StoreOp, tile::ScatterAddOp>(op))
    return Layout::Rows;
  if (isa<tile::RankOp>(op))
    return Layout::Columns;
  if (auto sweep = dyn_cast<tile::SweepOp>(op))
    return of(sweep.getResult(number - 2));
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return of(loop.getResult(number - 3));
  if (isa<tile::NextOp, scf::YieldOp>(op))
    return of(op->getParentOp()->getResult(number));
  return std::nullopt;
}

} // namespace caa::cpu
