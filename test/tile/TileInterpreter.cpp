// Every value is a grid of doubles, 1x1 for scalars. Regions of maps are evaluated on whole grids at once.
#include "test/tile/TileInterpreter.h"

#include "dialect/Tile/TileDialect.h"
#include "test/tile/ScalarOps.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>
#include <limits>

using namespace mlir;

namespace caa::test {

namespace {

struct Grid {
  int64_t rows = 1, columns = 1;
  std::vector<double> data;
  std::vector<std::vector<double>> shown; // of a ranking: the scores of each row

  Grid() = default;
  Grid(double scalar) : data{scalar} {}
  Grid(int64_t rows, int64_t columns, double fill = 0) : rows(rows), columns(columns), data(rows * columns, fill) {}
  double &at(int64_t r, int64_t c) { return data[r * columns + c]; }
  /// The element at (r, c), of a single row or column repeated.
  double spread(int64_t r, int64_t c) const { return data[(rows == 1 ? 0 : r) * columns + (columns == 1 ? 0 : c)]; }
};

class Interpreter {
public:
  Interpreter(std::vector<Buffer *> buffers, const Extents &extents, Counts &counts)
      : buffers(std::move(buffers)), extents(extents), counts(counts) {}

  void runItem(func::FuncOp kernel, int64_t number) {
    values.clear();
    item = number;
    run(kernel.front());
  }

private:
  [[noreturn]] void stop(Operation *op, const Twine &why) {
    llvm::errs() << "tile interpreter: " << why << "\n  at " << *op << "\n";
    std::abort();
  }
  Grid &get(Value value) {
    auto found = values.find(value);
    if (found == values.end())
      stop(value.getDefiningOp() ? value.getDefiningOp() : value.getParentBlock()->getParentOp(), "value used before it is there");
    return *found->second;
  }
  double scalar(Value value) { return get(value).data[0]; }
  void set(Value value, Grid grid) { values[value] = std::make_shared<Grid>(std::move(grid)); }
  std::vector<Grid> all(ValueRange range) {
    std::vector<Grid> grids;
    for (Value value : range)
      grids.push_back(get(value));
    return grids;
  }
  void setAll(ValueRange range, const std::vector<Grid> &grids) {
    for (auto [value, grid] : llvm::zip(range, grids))
      set(value, grid);
  }

  /// Runs a block up to its terminator and gives what that names.
  std::vector<Grid> run(Block &block) {
    for (Operation &op : block.without_terminator())
      step(&op);
    return all(block.getTerminator()->getOperands());
  }

  /// Calls `visit` with each place of a tile and the buffer's offset behind it; -1 past the end.
  void places(Operation *op, Value memref, ValueRange indices, tile::TileType type, bool heads, bool transposed,
              llvm::function_ref<void(int64_t, int64_t, Buffer &, int64_t)> visit);
  void step(Operation *op);
  void elementwise(Operation *op);
  void sweep(tile::SweepOp op);
  void reduce(tile::ReduceOp op);
  void dot(tile::DotOp op);
  void threshold(tile::ThresholdOp op);
  void map(tile::MapOp op);

  std::vector<Buffer *> buffers;
  const Extents &extents;
  Counts &counts;
  int64_t item = 0;
  llvm::DenseMap<Value, std::shared_ptr<Grid>> values;
};

void Interpreter::places(Operation *op, Value memref, ValueRange indices, tile::TileType type, bool heads, bool transposed,
                         llvm::function_ref<void(int64_t, int64_t, Buffer &, int64_t)> visit) {
  Buffer &buffer = *buffers[cast<BlockArgument>(memref).getArgNumber()];
  int64_t rank = buffer.shape.size();
  if (int64_t(indices.size()) != rank)
    stop(op, "one index per axis");
  int64_t tokenAxis = heads || rank == 2 ? rank - 2 : rank == 4 ? 1 : rank == 3 ? 0 : -1;
  std::vector<int64_t> start;
  for (Value index : indices)
    start.push_back(int64_t(scalar(index)));
  for (int64_t r = 0; r < type.getRows(); ++r)
    for (int64_t c = 0; c < type.getColumns(); ++c) {
      std::vector<int64_t> place = start;
      if (tokenAxis >= 0)
        place[tokenAxis] += transposed ? c : r;
      place[rank - 1] += transposed ? r : c;
      bool past = tokenAxis >= 0 && place[tokenAxis] >= buffer.shape[tokenAxis];
      int64_t offset = 0;
      for (int64_t axis = 0; axis < rank; ++axis) {
        if (axis != tokenAxis && (place[axis] < 0 || place[axis] >= buffer.shape[axis]))
          stop(op, "outside the buffer at axis " + Twine(axis));
        offset = offset * buffer.shape[axis] + place[axis];
      }
      visit(r, c, buffer, past ? -1 : offset);
    }
}

void Interpreter::elementwise(Operation *op) {
  std::vector<Grid> operands = all(op->getOperands());
  int64_t rows = 1, columns = 1;
  for (const Grid &grid : operands)
    rows = std::max(rows, grid.rows), columns = std::max(columns, grid.columns);
  Grid result(rows, columns);
  std::vector<double> scalars(operands.size());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      for (size_t n = 0; n < operands.size(); ++n)
        scalars[n] = operands[n].spread(r, c);
      result.at(r, c) = scalarOp(op, scalars);
    }
  set(op->getResult(0), std::move(result));
}

void Interpreter::map(tile::MapOp op) {
  Block &block = op.getBody().front();
  setAll(block.getArguments(), all(op.getOperands()));
  std::vector<Grid> results = run(block);
  for (auto [result, grid] : llvm::zip(op.getResults(), results)) {
    auto type = cast<tile::TileType>(result.getType());
    Grid whole(type.getRows(), type.getColumns());
    for (int64_t r = 0; r < whole.rows; ++r)
      for (int64_t c = 0; c < whole.columns; ++c)
        whole.at(r, c) = grid.spread(r, c);
    set(result, std::move(whole));
  }
}

void Interpreter::reduce(tile::ReduceOp op) {
  Grid &from = get(op.getTile());
  auto type = op.getResult().getType();
  double infinity = std::numeric_limits<double>::infinity();
  tile::Combine combine = op.getCombine();
  Grid to(type.getRows(), type.getColumns(), combine == tile::Combine::Add ? 0 : combine == tile::Combine::Max ? -infinity : infinity);
  for (int64_t r = 0; r < from.rows; ++r)
    for (int64_t c = 0; c < from.columns; ++c) {
      double &cell = to.at(to.rows == 1 ? 0 : r, to.columns == 1 ? 0 : c), x = from.at(r, c);
      cell = combine == tile::Combine::Add ? roundTo(type.getElement(), cell + x)
             : combine == tile::Combine::Max ? std::max(cell, x)
                                             : std::min(cell, x);
    }
  set(op.getResult(), std::move(to));
}

void Interpreter::dot(tile::DotOp op) {
  ++counts.dots;
  Grid &a = get(op.getA()), &b = get(op.getB());
  auto type = op.getResult().getType();
  Grid c(type.getRows(), type.getColumns());
  if (op.getAccumulator())
    c = get(op.getAccumulator());
  int64_t inner = op.getTransposeA() ? a.rows : a.columns;
  for (int64_t r = 0; r < c.rows; ++r)
    for (int64_t n = 0; n < c.columns; ++n)
      for (int64_t k = 0; k < inner; ++k)
        c.at(r, n) = std::fma(float(op.getTransposeA() ? a.at(k, r) : a.at(r, k)), float(op.getTransposeB() ? b.at(n, k) : b.at(k, n)),
                              float(c.at(r, n)));
  set(op.getResult(), std::move(c));
}

void Interpreter::threshold(tile::ThresholdOp op) {
  Grid &ranking = get(op.getRanking()), &wanted = get(op.getCounts());
  Grid result(op.getThreshold().getType().getRows(), 1);
  for (int64_t r = 0; r < result.rows; ++r) {
    std::vector<double> scores = ranking.shown[r];
    std::sort(scores.begin(), scores.end(), std::greater<>());
    double k = wanted.at(r, 0), infinity = std::numeric_limits<double>::infinity();
    result.at(r, 0) = k < 1 ? infinity : k > double(scores.size()) ? -infinity : scores[size_t(k) - 1];
  }
  set(op.getThreshold(), std::move(result));
}

void Interpreter::sweep(tile::SweepOp op) {
  std::vector<Grid> carried = all(op.getInits());
  for (int64_t p = int64_t(scalar(op.getLower())), end = int64_t(scalar(op.getUpper())); p < end; p += op.getStep()) {
    set(op.getVisit().front().getArgument(0), double(p));
    int64_t body = int64_t(run(op.getVisit().front()).front().data[0]);
    if (body >= int64_t(op.getBodies().size()))
      stop(op, "no such body");
    if (body < 0) {
      ++counts.skips;
      continue;
    }
    ++counts.visits;
    counts.bodies.resize(std::max<size_t>(counts.bodies.size(), body + 1));
    ++counts.bodies[body];
    Block &block = op.getBodies()[body].front();
    set(block.getArgument(0), double(p));
    setAll(block.getArguments().drop_front(), carried);
    carried = run(block);
  }
  setAll(op.getResults(), carried);
}

void Interpreter::step(Operation *op) {
  if (isa<tile::ItemOp>(op))
    return set(op->getResult(0), double(item));
  if (auto extent = dyn_cast<tile::ExtentOp>(op)) {
    const int64_t sizes[] = {extents.batch, extents.length, extents.rows, extents.firstRow};
    return set(op->getResult(0), double(sizes[unsigned(extent.getExtent())]));
  }
  if (auto load = dyn_cast<tile::LoadOp>(op)) {
    auto type = load.getTile().getType();
    Grid grid(type.getRows(), type.getColumns());
    places(op, load.getSource(), load.getIndices(), type, load.getHeads(), load.getTransposed(),
           [&](int64_t r, int64_t c, Buffer &buffer, int64_t offset) { grid.at(r, c) = offset < 0 ? 0 : buffer.data[offset]; });
    return set(load.getTile(), std::move(grid));
  }
  if (auto store = dyn_cast<tile::StoreOp>(op)) {
    auto type = store.getTile().getType();
    Grid &grid = get(store.getTile());
    return places(op, store.getTarget(), store.getIndices(), type, store.getHeads(), store.getTransposed(),
                  [&](int64_t r, int64_t c, Buffer &buffer, int64_t offset) {
                    if (offset >= 0)
                      buffer.data[offset] = store.getAccumulate() ? roundTo(type.getElement(), buffer.data[offset] + grid.at(r, c)) : grid.at(r, c);
                  });
  }
  if (auto splat = dyn_cast<tile::SplatOp>(op)) {
    auto type = splat.getTile().getType();
    return set(splat.getTile(), Grid(type.getRows(), type.getColumns(), scalar(splat.getValue())));
  }
  if (auto iota = dyn_cast<tile::IotaOp>(op)) {
    auto type = iota.getTile().getType();
    Grid grid(type.getRows(), type.getColumns());
    for (size_t n = 0; n < grid.data.size(); ++n)
      grid.data[n] = scalar(iota.getStart()) + double(n);
    return set(iota.getTile(), std::move(grid));
  }
  if (auto gather = dyn_cast<tile::GatherOp>(op)) {
    auto type = gather.getTile().getType();
    Grid &rows = get(gather.getRows());
    Grid grid(type.getRows(), type.getColumns());
    Buffer &table = *buffers[cast<BlockArgument>(gather.getTable()).getArgNumber()];
    for (int64_t r = 0; r < grid.rows; ++r) {
      int64_t row = std::clamp<int64_t>(int64_t(rows.at(r, 0)), 0, table.shape[0] - 1);
      for (int64_t c = 0; c < grid.columns; ++c)
        grid.at(r, c) = table.data[row * table.shape[1] + int64_t(scalar(gather.getColumn())) + c];
    }
    return set(gather.getTile(), std::move(grid));
  }
  if (auto scatter = dyn_cast<tile::ScatterAddOp>(op)) {
    Grid &rows = get(scatter.getRows()), &grid = get(scatter.getTile());
    Buffer &table = *buffers[cast<BlockArgument>(scatter.getTable()).getArgNumber()];
    for (int64_t r = 0; r < std::min<int64_t>(grid.rows, int64_t(scalar(scatter.getCount()))); ++r)
      for (int64_t c = 0; c < grid.columns; ++c) {
        int64_t row = std::clamp<int64_t>(int64_t(rows.at(r, 0)), 0, table.shape[0] - 1);
        double &cell = table.data[row * table.shape[1] + int64_t(scalar(scatter.getColumn())) + c];
        cell = roundTo(scatter.getTile().getType().getElement(), cell + grid.at(r, c));
      }
    return;
  }
  if (auto slice = dyn_cast<tile::SliceOp>(op)) {
    auto type = slice.getResult().getType();
    Grid &from = get(slice.getTile());
    Grid to(type.getRows(), type.getColumns());
    for (int64_t r = 0; r < to.rows; ++r)
      for (int64_t c = 0; c < to.columns; ++c)
        to.at(r, c) = from.at(r, c + int64_t(slice.getStart()));
    return set(slice.getResult(), std::move(to));
  }
  if (auto concat = dyn_cast<tile::ConcatOp>(op)) {
    auto type = concat.getResult().getType();
    Grid to(type.getRows(), type.getColumns());
    int64_t start = 0;
    for (Value part : concat.getTiles()) {
      Grid &from = get(part);
      for (int64_t r = 0; r < to.rows; ++r)
        for (int64_t c = 0; c < from.columns; ++c)
          to.at(r, start + c) = from.at(r, c);
      start += from.columns;
    }
    return set(concat.getResult(), std::move(to));
  }
  if (auto one = dyn_cast<tile::MapOp>(op))
    return map(one);
  if (auto one = dyn_cast<tile::ReduceOp>(op))
    return reduce(one);
  if (auto one = dyn_cast<tile::DotOp>(op))
    return dot(one);
  if (auto one = dyn_cast<tile::SweepOp>(op))
    return sweep(one);
  if (auto one = dyn_cast<tile::ThresholdOp>(op))
    return threshold(one);
  if (isa<tile::ExtractOp>(op))
    return set(op->getResult(0), scalar(op->getOperand(0)));
  if (auto ranking = dyn_cast<tile::RankingOp>(op)) {
    Grid grid;
    grid.shown.resize(cast<tile::RankingType>(ranking.getRanking().getType()).getRows());
    return set(ranking.getRanking(), std::move(grid));
  }
  if (auto rank = dyn_cast<tile::RankOp>(op)) {
    Grid ranking = get(rank.getRanking()), &scores = get(rank.getScores());
    for (int64_t r = 0; r < scores.rows; ++r)
      for (int64_t c = 0; c < scores.columns; ++c)
        if (!rank.getMembers() || get(rank.getMembers()).at(r, c) != 0)
          ranking.shown[r].push_back(scores.at(r, c));
    return set(rank.getResult(), std::move(ranking));
  }
  if (auto loop = dyn_cast<scf::ForOp>(op)) {
    std::vector<Grid> carried = all(loop.getInits());
    for (double n = scalar(loop.getLowerBound()); n < scalar(loop.getUpperBound()); n += scalar(loop.getStep())) {
      set(loop.getInductionVar(), n);
      setAll(loop.getRegionIterArgs(), carried);
      carried = run(*loop.getBody());
    }
    return setAll(loop.getResults(), carried);
  }
  if (auto choice = dyn_cast<scf::IfOp>(op)) {
    Region &taken = scalar(choice.getCondition()) != 0 ? choice.getThenRegion() : choice.getElseRegion();
    if (!taken.empty())
      setAll(choice.getResults(), run(taken.front()));
    return;
  }
  if (op->getNumResults() == 1 && op->getNumRegions() == 0)
    return elementwise(op);
  stop(op, "unknown op");
}

} // namespace

int64_t gridOf(func::FuncOp kernel, const Extents &extents) {
  int64_t total = 0;
  for (Attribute attribute : kernel->getAttrOfType<ArrayAttr>("tile.grid")) {
    auto term = cast<tile::TermAttr>(attribute);
    auto power = [](int64_t base, int64_t exponent) { return int64_t(std::llround(std::pow(double(base), double(exponent)))); };
    int64_t tiles = (extents.length + term.getLengthDivisor() - 1) / term.getLengthDivisor();
    int64_t product = power(extents.batch, term.getBatch()) * power(tiles, term.getLength()) * power(extents.rows, term.getRows());
    total += term.getCoefficient() * ((product + term.getDivisor() - 1) / term.getDivisor());
  }
  return total;
}

Counts runKernel(func::FuncOp kernel, std::vector<Buffer *> buffers, const Extents &extents, bool backwards) {
  Counts counts;
  counts.items = gridOf(kernel, extents);
  Interpreter interpreter(std::move(buffers), extents, counts);
  for (int64_t n = 0; n < counts.items; ++n)
    interpreter.runItem(kernel, backwards ? counts.items - 1 - n : n);
  return counts;
}

} // namespace caa::test
