// See RowsPlan.h.
#include "codegen/Nvptx/Rows/RowsPlan.h"

#include "codegen/Llvm/Code.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/bit.h"

using namespace mlir;

namespace caa::nvptx {

namespace {

constexpr int64_t blockThreads = 256, mostThreads = 1024, mostElements = 8;

tile::TileType tileOf(Value value) { return dyn_cast<tile::TileType>(value.getType()); }

// Pairs of values that a loop or a branch makes one.
void forCarried(Operation *op, function_ref<void(Value, Value)> visit) {
  auto all = [&](ValueRange a, ValueRange b) {
    for (auto [x, y] : llvm::zip(a, b))
      visit(x, y);
  };
  if (auto loop = dyn_cast<scf::ForOp>(op)) {
    all(loop.getInitArgs(), loop.getResults());
    all(loop.getRegionIterArgs(), loop.getResults());
    all(loop.getBody()->getTerminator()->getOperands(), loop.getResults());
  } else if (auto choice = dyn_cast<scf::IfOp>(op)) {
    for (Region &region : choice->getRegions())
      if (!region.empty())
        all(region.front().getTerminator()->getOperands(), choice.getResults());
  } else if (auto sweep = dyn_cast<tile::SweepOp>(op)) {
    all(sweep.getInits(), sweep.getResults());
    for (Region &body : sweep.getBodies()) {
      all(body.front().getArguments().drop_front(), sweep.getResults());
      all(body.front().getTerminator()->getOperands(), sweep.getResults());
    }
  }
}

} // namespace

RowsPlan::RowsPlan(func::FuncOp kernel) {
  findCuts(kernel);
  chooseTeam(kernel);
}

// Boundaries spread until nothing changes: along maps, reductions, loops, and through slices and concatenations.
void RowsPlan::findCuts(func::FuncOp kernel) {
  bool changed = true;
  auto cut = [&](Value value, int64_t at) {
    if (at > 0 && at < tileOf(value).getColumns())
      changed |= cuts[value].insert(at).second;
  };
  // Columns [start, ...) of `whole` are `part`.
  auto relate = [&](Value whole, Value part, int64_t start) {
    tile::TileType type = tileOf(part);
    cut(whole, start);
    cut(whole, start + type.getColumns());
    for (int64_t at : Cuts(cuts[part]))
      cut(whole, start + at);
    for (int64_t at : Cuts(cuts[whole]))
      if (at > start && at < start + type.getColumns())
        cut(part, at - start);
  };
  auto equal = [&](Value a, Value b) {
    if (tileOf(a) && tileOf(b) && tileOf(a).getColumns() == tileOf(b).getColumns() && tileOf(a).getColumns() > 1)
      relate(a, b, 0);
  };
  while (changed) {
    changed = false;
    kernel.walk([&](Operation *op) {
      if (auto map = dyn_cast<tile::MapOp>(op)) {
        for (Value operand : map.getOperands())
          equal(map.getResult(0), operand);
        for (Value result : map.getResults().drop_front())
          equal(map.getResult(0), result);
      } else if (auto reduce = dyn_cast<tile::ReduceOp>(op)) {
        equal(reduce.getTile(), reduce.getResult());
      } else if (auto slice = dyn_cast<tile::SliceOp>(op)) {
        relate(slice.getTile(), slice.getResult(), int64_t(slice.getStart()));
      } else if (auto concat = dyn_cast<tile::ConcatOp>(op)) {
        int64_t column = 0;
        for (Value part : concat.getTiles()) {
          relate(concat.getResult(), part, column);
          column += tileOf(part).getColumns();
        }
      }
      forCarried(op, equal);
    });
  }
}

void RowsPlan::chooseTeam(func::FuncOp kernel) {
  int64_t smallest = 16, longest = 1, rows = 1, elements = 1;
  auto look = [&](Value value) {
    tile::TileType type = tileOf(value);
    if (!type)
      return;
    rows = std::max(rows, type.getRows());
    if (type.getColumns() == 1)
      return;
    int64_t last = 0;
    Cuts ends = cuts.lookup(value);
    ends.insert(type.getColumns());
    for (int64_t at : ends) {
      longest = std::max(longest, at - last);
      last = at;
    }
    elements = std::max(elements, type.getRows() * type.getColumns());
  };
  auto memory = [&](Value value) {
    if (tile::TileType type = tileOf(value); type.getColumns() > 1)
      smallest = std::min(smallest, emit::bytesOf(type.getElement()));
  };
  kernel.walk([&](Operation *op) {
    for (Value result : op->getResults())
      look(result);
    if (auto load = dyn_cast<tile::LoadOp>(op))
      memory(load.getTile());
    else if (auto store = dyn_cast<tile::StoreOp>(op))
      memory(store.getTile());
    else if (auto gather = dyn_cast<tile::GatherOp>(op))
      memory(gather.getTile());
  });
  widestVector = 16 / smallest;
  int64_t wanted = (longest + widestVector - 1) / widestVector;
  columnThreads = std::min<int64_t>(blockThreads, int64_t(llvm::bit_ceil(uint64_t(wanted))));
  int64_t rowsWanted = int64_t(llvm::bit_ceil(uint64_t(rows)));
  rowThreads = std::min(rowsWanted, blockThreads / columnThreads);
  while (rowThreads < rowsWanted && elements > mostElements * team() && team() < mostThreads / 2)
    rowThreads *= 2;
  // Then more columns of threads, in half vectors at last.
  while (columnThreads < wanted && elements > mostElements * team() && team() < mostThreads)
    columnThreads *= 2;
  if (elements > mostElements * team() && team() < mostThreads / 2 && widestVector >= 8 && longest % (columnThreads * widestVector) == 0)
    columnThreads *= 2;
  teams = std::max<int64_t>(1, blockThreads / team());
}

SmallVector<Segment> RowsPlan::segmentsOf(Value value) const {
  SmallVector<Segment> segments;
  Cuts ends = cuts.lookup(value);
  ends.insert(tileOf(value).getColumns());
  int64_t start = 0;
  for (int64_t end : ends) {
    int64_t columns = end - start, vector = widestVector;
    while (vector > 1 && (columns % vector || columns / vector < columnThreads))
      vector /= 2;
    int64_t turn = vector * columnThreads, turns = (columns + turn - 1) / turn;
    segments.push_back({start, columns, vector, turns, columns % turn == 0});
    start = end;
  }
  return segments;
}

int64_t RowsPlan::slotsOf(Value value) const {
  if (tileOf(value).getColumns() == 1)
    return 1;
  int64_t slots = 0;
  for (const Segment &segment : segmentsOf(value))
    slots += segment.vector * segment.turns;
  return slots;
}

bool RowsPlan::sameColumns(Value a, Value b) const {
  return tileOf(a).getColumns() == tileOf(b).getColumns() && cuts.lookup(a) == cuts.lookup(b);
}

} // namespace caa::nvptx
