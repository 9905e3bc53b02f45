// See ShapeRows.h.
#include "codegen/Nvptx/Rows/ShapeRows.h"

#include "codegen/Nvptx/Rows/Rows.h"
#include "codegen/Nvptx/Rows/TableKernel.h"
#include "codegen/Llvm/Access.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

namespace caa::nvptx {

namespace {

constexpr int64_t elementsAtOnce = 4096, mostRowsAtOnce = 256;

tile::TileType tileOf(Value value) { return dyn_cast<tile::TileType>(value.getType()); }

// A map of one result.
Value makeMap(OpBuilder &builder, Location loc, tile::TileType type, ValueRange operands,
              function_ref<Value(OpBuilder &, ValueRange)> body) {
  auto map = tile::MapOp::create(builder, loc, TypeRange{type}, operands);
  Block &block = map.getBody().emplaceBlock();
  for (Value operand : operands)
    block.addArgument(tileOf(operand) ? tileOf(operand).getElement() : operand.getType(), loc);
  OpBuilder inside = OpBuilder::atBlockEnd(&block);
  tile::YieldOp::create(inside, loc, ValueRange{body(inside, block.getArguments())});
  return map.getResult(0);
}

Value splat(OpBuilder &builder, Location loc, tile::TileType type, double value) {
  Value scalar = arith::ConstantOp::create(builder, loc, builder.getFloatAttr(type.getElement(), value));
  return tile::SplatOp::create(builder, loc, type, scalar);
}

//===-- Sums carried through loops ----------------------------------------------------------------------------------===//

bool isInvariant(Value value, scf::ForOp loop) { return loop.isDefinedOutsideOfLoop(value); }

// A store that adds the sum over a tile's rows to one place, which nothing else in the loop touches.
bool mayCarry(tile::StoreOp store, scf::ForOp loop) {
  auto reduce = store.getTile().getDefiningOp<tile::ReduceOp>();
  if (!store.getAccumulate() || !reduce || !reduce->hasOneUse() || reduce.getCombine() != tile::Combine::Add ||
      !isa<FloatType>(tileOf(store.getTile()).getElement()) || tileOf(store.getTile()).getRows() != 1 ||
      reduce->getBlock() != store->getBlock())
    return false;
  if (!llvm::all_of(store.getIndices(), [&](Value index) { return isInvariant(index, loop); }))
    return false;
  for (Operation *user : store.getTarget().getUsers())
    if (user != store && loop->isProperAncestor(user))
      return false;
  return true;
}

void carrySums(func::FuncOp kernel) {
  SmallVector<scf::ForOp> loops;
  kernel.walk([&](scf::ForOp loop) { loops.push_back(loop); }); // inner ones first
  IRRewriter rewriter(kernel.getContext());
  for (scf::ForOp loop : loops) {
    SmallVector<tile::StoreOp> stores;
    for (tile::StoreOp store : loop.getBody()->getOps<tile::StoreOp>())
      if (mayCarry(store, loop))
        stores.push_back(store);
    if (stores.empty())
      continue;
    Location loc = loop.getLoc();
    rewriter.setInsertionPoint(loop);
    SmallVector<Value> inits;
    SmallVector<tile::ReduceOp> reduces;
    for (tile::StoreOp store : stores) {
      reduces.push_back(store.getTile().getDefiningOp<tile::ReduceOp>());
      inits.push_back(splat(rewriter, loc, tileOf(reduces.back().getTile()), 0.0));
    }
    auto replaced = loop.replaceWithAdditionalYields(
        rewriter, inits, /*replaceInitOperandUsesInLoop=*/false,
        [&](OpBuilder &builder, Location loc, ArrayRef<BlockArgument> carried) {
          SmallVector<Value> next;
          for (auto [reduce, sum] : llvm::zip(reduces, carried))
            next.push_back(makeMap(builder, loc, tileOf(sum), {sum, reduce.getTile()}, [&](OpBuilder &b, ValueRange v) -> Value {
              return arith::AddFOp::create(b, loc, v[0], v[1]);
            }));
          return next;
        });
    auto changed = cast<scf::ForOp>(replaced->getOperation());
    rewriter.setInsertionPointAfter(changed);
    ValueRange sums = changed.getResults().take_back(stores.size());
    for (auto [store, reduce, sum] : llvm::zip(stores, reduces, sums)) {
      Value total = tile::ReduceOp::create(rewriter, loc, reduce.getType(), tile::Combine::Add, sum);
      tile::StoreOp::create(rewriter, loc, total, store.getTarget(), store.getIndices(), store.getAccumulateAttr(), store.getHeadsAttr(),
                            store.getTransposedAttr());
      rewriter.eraseOp(store);
      rewriter.eraseOp(reduce);
    }
  }
}

//===-- Many rows at once -------------------------------------------------------------------------------------------===//

std::optional<tile::Combine> combineOf(Operation *op) {
  if (isa<arith::AddFOp>(op))
    return tile::Combine::Add;
  if (isa<arith::MaximumFOp>(op))
    return tile::Combine::Max;
  if (isa<arith::MinimumFOp>(op))
    return tile::Combine::Min;
  return std::nullopt;
}

struct Combination {
  tile::LoadOp load;
  tile::Combine how;
};

// How many token rows stand behind each round of a loop over rows [0, ceil(rows / chunk)); 0 if the loop is no such.
int64_t chunkOf(scf::ForOp loop) {
  Operation *bound = loop.getUpperBound().getDefiningOp();
  if (getConstantIntValue(loop.getLowerBound()) != 0 || !bound)
    return 0;
  int64_t chunk = 1;
  if (auto division = dyn_cast<arith::CeilDivUIOp>(bound)) {
    chunk = getConstantIntValue(division.getRhs()).value_or(0);
    bound = division.getLhs().getDefiningOp();
  }
  auto extent = dyn_cast_or_null<tile::ExtentOp>(bound);
  return extent && extent.getExtent() == tile::Extent::Rows ? chunk : 0;
}

// A loop over single rows whose body loads one row for each carried value and combines the two in one map.
std::optional<SmallVector<Combination>> match(scf::ForOp loop) {
  if (getConstantIntValue(loop.getStep()) != 1 || loop.getNumResults() == 0 || !chunkOf(loop))
    return std::nullopt;
  tile::MapOp map;
  SmallVector<tile::LoadOp> loads;
  for (Operation &op : loop.getBody()->without_terminator()) {
    if (auto load = dyn_cast<tile::LoadOp>(op)) {
      loads.push_back(load);
    } else if (isa<tile::MapOp>(op) && !map) {
      map = cast<tile::MapOp>(op);
    } else if (!isa<arith::ConstantOp>(op)) {
      return std::nullopt;
    }
  }
  if (!map || map.getNumResults() != loop.getNumResults() || loads.size() != loop.getNumResults() ||
      !llvm::equal(map.getResults(), loop.getBody()->getTerminator()->getOperands()))
    return std::nullopt;
  for (tile::LoadOp load : loads) {
    emit::Access access = emit::accessOf(load);
    if (access.rows != 1 || access.heads || load.getTransposed() || access.rowAxis() != 0 || !access.type().isDynamicDim(0) ||
        access.indices[0] != loop.getInductionVar() || !isa<FloatType>(load.getTile().getType().getElement()))
      return std::nullopt;
    for (Value index : access.indices.drop_front())
      if (!isInvariant(index, loop) && !getConstantIntValue(index))
        return std::nullopt;
  }
  Block &body = map.getBody().front();
  SmallVector<Combination> result;
  for (auto [n, yielded] : llvm::enumerate(body.getTerminator()->getOperands())) {
    Operation *op = yielded.getDefiningOp();
    auto how = op ? combineOf(op) : std::nullopt;
    if (!how)
      return std::nullopt;
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      auto argument = dyn_cast<BlockArgument>(operand);
      if (!argument || argument.getOwner() != &body)
        return std::nullopt;
      operands.push_back(map.getOperand(argument.getArgNumber()));
    }
    if (operands[1] == loop.getRegionIterArg(unsigned(n)))
      std::swap(operands[0], operands[1]);
    auto load = operands[1].getDefiningOp<tile::LoadOp>();
    if (operands[0] != loop.getRegionIterArg(unsigned(n)) || !load || load->getBlock() != loop.getBody())
      return std::nullopt;
    result.push_back({load, *how});
  }
  return result;
}

void widen(func::FuncOp kernel, scf::ForOp loop, ArrayRef<Combination> combinations) {
  Location loc = loop.getLoc();
  // What is loaded may now reach past the end of the buffer, which must be known for that.
  for (Combination combination : combinations)
    kernel.setArgAttr(cast<BlockArgument>(combination.load.getSource()).getArgNumber(), "caa.chunk",
                      IntegerAttr::get(IntegerType::get(kernel.getContext(), 64), chunkOf(loop)));
  OpBuilder builder(loop);
  int64_t columns = 1;
  for (Combination combination : combinations)
    columns = std::max(columns, combination.load.getTile().getType().getColumns());
  int64_t rows = std::clamp<int64_t>(elementsAtOnce / columns, 1, mostRowsAtOnce);
  loop.setStep(arith::ConstantIndexOp::create(builder, loc, rows));
  Type i64 = builder.getI64Type();
  Value end = arith::IndexCastOp::create(builder, loc, i64, loop.getUpperBound());
  auto old = cast<scf::YieldOp>(loop.getBody()->getTerminator());
  builder.setInsertionPoint(old);
  Value number = tile::IotaOp::create(builder, loc, tile::TileType::get(loop.getContext(), rows, 1, i64), loop.getInductionVar());
  SmallVector<Value> next;
  for (auto [carried, combination] : llvm::zip(loop.getRegionIterArgs(), combinations)) {
    auto [load, how] = combination;
    tile::TileType one = load.getTile().getType();
    auto type = tile::TileType::get(loop.getContext(), rows, one.getColumns(), one.getElement());
    Value many = tile::LoadOp::create(builder, loc, type, load.getSource(), load.getIndices(), false, false);
    double neutral = how == tile::Combine::Add ? 0 : how == tile::Combine::Max ? -HUGE_VAL : HUGE_VAL;
    many = makeMap(builder, loc, type, {many, number, end}, [&](OpBuilder &b, ValueRange v) -> Value {
      Value exists = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, v[1], v[2]);
      Value none = arith::ConstantOp::create(b, loc, b.getFloatAttr(one.getElement(), neutral));
      return arith::SelectOp::create(b, loc, exists, v[0], none);
    });
    Value part = tile::ReduceOp::create(builder, loc, one, how, many);
    next.push_back(makeMap(builder, loc, one, {carried, part}, [&](OpBuilder &b, ValueRange v) -> Value {
      if (how == tile::Combine::Add)
        return arith::AddFOp::create(b, loc, v[0], v[1]);
      return how == tile::Combine::Max ? Value(arith::MaximumFOp::create(b, loc, v[0], v[1]))
                                       : Value(arith::MinimumFOp::create(b, loc, v[0], v[1]));
    }));
  }
  old->setOperands(next);
  SmallVector<Operation *> unused;
  for (Operation &op : llvm::reverse(loop.getBody()->without_terminator()))
    if (op.use_empty() && isa<tile::LoadOp, tile::MapOp>(op))
      op.dropAllUses(), unused.push_back(&op);
  for (Operation *op : unused)
    op->erase();
}

struct ShapeRows : PassWrapper<ShapeRows, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ShapeRows)
  StringRef getArgument() const override { return "caa-shape-rows"; }
  StringRef getDescription() const override { return "Rewrites kernels without products so that they suit a GPU"; }
  void runOnOperation() override {
    for (auto kernel : getOperation().getOps<func::FuncOp>()) {
      if (!kernel->hasAttr("tile.kernel") || !takesRows(kernel, CAA_TARGET_SM80))
        continue;
      if (isTableKernel(kernel)) {
        setTableGrid(kernel);
        continue;
      }
      carrySums(kernel);
      SmallVector<scf::ForOp> loops;
      kernel.walk([&](scf::ForOp loop) { loops.push_back(loop); });
      for (scf::ForOp loop : loops)
        if (auto combinations = match(loop))
          widen(kernel, loop, *combinations);
    }
  }
};

} // namespace

std::unique_ptr<Pass> createShapeRows() { return std::make_unique<ShapeRows>(); }
void registerShapeRows() { PassRegistration<ShapeRows>(); }

} // namespace caa::nvptx
