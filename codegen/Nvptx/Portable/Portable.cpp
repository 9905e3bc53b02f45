// See Portable.h.
#include "codegen/Nvptx/Portable/Portable.h"

#include "codegen/Nvptx/Fragments/Ranking.h"
#include "codegen/Nvptx/Portable/PortableEmitter.h"

using namespace mlir;
using LLVM::ICmpPredicate;

namespace caa::nvptx {

/// What a block may have of shared memory: at most, and on every GPU that runs the target's code (sm_86 and sm_89 have less).
static int64_t mostSharedBytes(caa_target target) { return int64_t(target == CAA_TARGET_SM90A ? 227 : 163) << 10; }
static int64_t leastSharedBytes(caa_target target) { return int64_t(target == CAA_TARGET_SM90A ? 227 : 99) << 10; }

static bool hasRanking(func::FuncOp kernel) {
  return kernel.walk([](tile::RankingOp) { return WalkResult::interrupt(); }).wasInterrupted();
}

PortableEmitter::PortableEmitter(Frame &frame, Fragments &fragments, const SharedPlan &plan, ScalarOptions options)
    : FragmentEmitter(frame, fragments, options), plan(plan), sharedBase(code.sharedAddress(code.shared())) {}

LogicalResult PortableEmitter::run() {
  item = code.toWord(workItem());
  if (plan.hasPadding())
    clearShared();
  return emitBlock(frame.kernel.getBody().front());
}

// The columns and rows of zeros behind tiles are never written again.
void PortableEmitter::clearShared() {
  Type four = code.vector(code.i32, 4);
  Value zero = code.integer(0, four);
  code.loop(code.toLong(code.mul(code.thread(), code.word(16))), code.index(plan.bytes()),
            32 * fragments.rows.warps * 16,
            [&](Value place) { code.storeAs(zero, code.offset(code.shared(), place)); });
  code.barrier();
}

// Work items are numbered by tile within heads. Blocks take the longest tiles of some heads first: as many heads as
// have swept tiles that stay in the L2 cache together. Longest is the last tile, or the first where the sweep always
// runs to the end.
Value PortableEmitter::workItem() {
  Value block = code.toLong(code.block());
  auto grid = frame.kernel->getAttrOfType<ArrayAttr>("tile.grid");
  auto term = grid && grid.size() == 1 ? dyn_cast<tile::TermAttr>(grid[0]) : tile::TermAttr();
  if (!term || term.getLength() != 1 || term.getRows() != 0 || term.getDivisor() != 1)
    return block;
  int64_t bytes = 1;
  bool lastIsLongest = true;
  frame.kernel.walk([&](tile::SweepOp sweep) {
    int64_t row = 0;
    for (const StagedLoad &staged : plan.ring(sweep).loads)
      row += staged.isRow ? 0 : staged.tile.columns * bytesOf(staged.tile.element);
    bytes = std::max(bytes, row);
    lastIsLongest &= !sweep.getUpper().getDefiningOp<tile::ExtentOp>();
  });
  constexpr int64_t cacheBytes = 24 << 20;
  auto divide = [&](Value a, Value b) -> Value { return LLVM::UDivOp::create(code.builder, code.loc, a, b); };
  Value length = frame.extent(tile::Extent::Length), tiles = code.ceilDiv(length, term.getLengthDivisor());
  Value heads = divide(frame.items(), tiles);
  Value group = code.minimum(
      code.maximum(divide(code.index(cacheBytes), code.mul(length, code.index(bytes))), code.index(1)), heads);
  Value perGroup = code.mul(group, tiles), number = divide(block, perGroup), first = code.mul(number, group);
  Value within = code.sub(block, code.mul(number, perGroup)), size = code.minimum(group, code.sub(heads, first));
  Value rank = divide(within, size), head = code.add(first, code.sub(within, code.mul(rank, size)));
  Value tile = lastIsLongest ? code.sub(code.sub(tiles, code.index(1)), rank) : rank;
  return code.add(code.mul(head, tiles), tile);
}

// Values that a thread holds at once in a sweep, for each strip of rows: an estimate from above that knows what is
// carried, products and maps that stand side by side, and columns from before the sweep.
static int64_t valuesPerStrip(tile::SweepOp sweep) {
  auto isColumn = [](Type type) {
    auto tile = dyn_cast<tile::TileType>(type);
    return tile && tile.getRows() > 1 && tile.getColumns() == 1;
  };
  auto count = [&](Type type) -> int64_t {
    auto tile = dyn_cast<tile::TileType>(type);
    if (!tile || tile.getRows() == 1)
      return 0;
    return isColumn(type) ? 2 : Fragments::blocksOf(tile.getColumns()) * (tile.getElement().isBF16() ? 2 : 4);
  };
  auto sum = [&](TypeRange types) {
    int64_t all = 0;
    for (Type type : types)
      all += count(type);
    return all;
  };
  llvm::DenseSet<Value> columns;
  int64_t live = 0;
  for (Region &body : sweep.getBodies()) {
    int64_t products = 0, mapped = 0;
    body.walk([&](Operation *op) {
      for (Value operand : op->getOperands())
        if (isColumn(operand.getType()) && !sweep->isAncestor(operand.getParentBlock()->getParentOp()))
          columns.insert(operand);
      if (auto dot = dyn_cast<tile::DotOp>(op); dot && !dot.getAccumulator())
        products += count(dot.getResult().getType());
      else if (isa<tile::MapOp>(op))
        mapped = std::max(mapped, sum(op->getResultTypes()));
    });
    live = std::max({live, products, mapped});
  }
  return sum(sweep.getResultTypes()) + live + 2 * int64_t(columns.size());
}

// How many warps hold the rows: strips of a warp share what they read of the swept tiles, but all their accumulators
// must fit.
static RowLayout rowsFor(func::FuncOp kernel, int64_t rows) {
  int64_t warps = (rows + 15) / 16;
  if (hasRanking(kernel)) // it fills the registers with what it knows of a strip's rows
    return RowLayout::consecutive(warps, 1, 16 * warps - rows);
  int64_t values = 0;
  kernel.walk([&](tile::SweepOp sweep) { values = std::max(values, valuesPerStrip(sweep)); });
  if (rows > 64 && rows % 32 == 0 && 2 * values <= 204)
    return RowLayout::consecutive(rows / 32, 2);
  return RowLayout::consecutive(warps, 1, 16 * warps - rows);
}

// A ranking may be without products, of scores that are made from positions.
static int64_t heldRows(func::FuncOp kernel) {
  int64_t rows = 0;
  kernel.walk([&](tile::DotOp dot) { rows = std::max<int64_t>(rows, dot.getResult().getType().getRows()); });
  kernel.walk([&](tile::RankingOp ranking) { rows = std::max<int64_t>(rows, ranking.getRanking().getType().getRows()); });
  return rows;
}

bool takesPortable(func::FuncOp kernel, caa_target) {
  return heldRows(kernel) > 1;
}

// The lists of a ranking: ample ones where two blocks share a multiprocessor (163 KiB, less 1 KiB each), else what one block has.
static int64_t capacityFor(RowLayout rows, int64_t planned, caa_target target) {
  constexpr int64_t ample = 48, half = 80 << 10;
  if (target == CAA_TARGET_SM80)
    if (int64_t capacity = ListRanker::capacityFor(rows, half - planned); capacity >= ample)
      return capacity;
  if (int64_t capacity = ListRanker::capacityFor(rows, leastSharedBytes(target) - planned))
    return capacity;
  return ListRanker::capacityFor(rows, mostSharedBytes(target) - planned);
}

FailureOr<LaunchInfo> emitPortable(func::FuncOp kernel, ModuleOp module, caa_target target) {
  OwningOpRef<func::FuncOp> prepared = kernel.clone();
  RowLayout rows = rowsFor(*prepared, heldRows(*prepared));
  SharedPlan plan;
  if (failed(plan.plan(*prepared, Fragments::exchangeBytes(*prepared, rows), leastSharedBytes(target), mostSharedBytes(target))))
    return failure();
  bool isBf16 = false;
  prepared->walk([&](tile::DotOp dot) { isBf16 |= dot.getB().getType().getElement().isBF16(); });
  ScalarOptions options{isBf16, isBf16, /*narrow=*/true};
  LaunchInfo launch;
  launch.threads = uint32_t(32 * rows.warps);
  launch.sharedBytes = uint32_t(plan.bytes());
  int64_t capacity = 0;
  if (hasRanking(*prepared)) {
    capacity = capacityFor(rows, plan.bytes(), target);
    if (!capacity)
      return kernel.emitError() << "a ranking's tiles take " << plan.bytes() << " bytes of shared memory; of the " << mostSharedBytes(target)
                                << " of a block that leaves too few for its lists";
    launch.sharedBytes += uint32_t(ListRanker::bytes(rows, capacity));
  }
  Frame frame(*prepared, module, target, launch);
  Fragments fragments(frame, rows, frame.code.thread(), options);
  fragments.exchange = frame.code.shared(plan.exchangeOffset());
  PortableEmitter emitter(frame, fragments, plan, options);
  std::optional<ListRanker> ranker;
  if (capacity)
    emitter.ranker = &ranker.emplace(frame.code, fragments, frame.code.shared(plan.bytes()), capacity);
  if (failed(emitter.run()))
    return failure();
  return frame.finish(/*minBlocks=*/1); // or the assembler spills a few registers for the sake of another block
}

} // namespace caa::nvptx
