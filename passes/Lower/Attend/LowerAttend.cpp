// The pass: finds attention kernels, makes the function of buffers, lets KernelBuilder fill it, tidies up.
#include "passes/Lower/Attend/LowerAttend.h"

#include "passes/Lower/Attend/CountVisits.h"
#include "passes/Lower/Attend/FitTiles.h"
#include "passes/Lower/Attend/KernelBuilder.h"
#include "passes/Lower/Attend/Remarks.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Dominance.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;

namespace caa::attend {

#define GEN_PASS_DEF_DESCRIBEATTENDS
#define GEN_PASS_DEF_LOWERATTEND
#define GEN_PASS_DEF_SPLITATTENDS
#include "passes/Lower/Attend/Passes.h.inc"

namespace {

/// The buffer of a tensor; truth values are bytes.
MemRefType bufferType(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  Type element = tensor.getElementType();
  return MemRefType::get(tensor.getShape(), element.isInteger(1) ? IntegerType::get(type.getContext(), 8) : element);
}

/// The attend of a kernel; null if it holds none.
AttendOp attendOf(func::FuncOp function) {
  if (!function->hasAttr("caa.kernel") || function.isExternal())
    return {};
  auto attends = function.getOps<AttendOp>();
  return attends.empty() ? AttendOp() : *attends.begin();
}

struct LowerAttend : impl::LowerAttendBase<LowerAttend> {
  using LowerAttendBase::LowerAttendBase;

  void runOnOperation() override {
    for (func::FuncOp function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>()))
      if (AttendOp attend = attendOf(function); attend && failed(lower(function, attend)))
        return signalPassFailure();
  }

  LogicalResult lower(func::FuncOp function, AttendOp attend);
  Options optionsFor(AttendOp attend);
};

/// With the tile sizes of its role: what a work item holds and what it sweeps over.
Options LowerAttend::optionsFor(AttendOp attend) {
  Options options{tileQueries, tileKeys, bodies, keysAsRows};
  auto reductions = attend.getReductionList();
  bool holdsKeys = llvm::any_of(reductions, [](ReductionAttr r) { return r.getAxis() == Axis::Queries; });
  bool ranks = llvm::any_of(reductions, [](ReductionAttr r) { return r.getKind() == ReductionKind::Kth; });
  auto first = [](std::initializer_list<int64_t> sizes) { return *llvm::find_if(sizes, [](int64_t size) { return size > 0; }); };
  int64_t &heldSize = holdsKeys ? options.keys : options.queries, &sweptSize = holdsKeys ? options.queries : options.keys;
  heldSize = first({holdsKeys ? heldKeys : ranks ? heldRanking : 0, held, heldSize});
  sweptSize = first({holdsKeys ? sweptQueries : ranks ? sweptRanking : 0, swept, sweptSize});
  std::optional<TileSizes> sizes;
  if (fitTiles)
    sizes = attend::fitTiles(attend);
  if (!sizes && blockBytes > 0)
    sizes = attend::fitBlock(attend, {heldSize, sweptSize}, blockBytes);
  if (sizes)
    heldSize = sizes->held, sweptSize = sizes->swept;
  options.splitsUnits = held > 0; // pair tiles lie in registers, which are few
  options.keys = tileOfKeys(attend, options);
  return options;
}

LogicalResult LowerAttend::lower(func::FuncOp function, AttendOp attend) {
  auto ret = cast<func::ReturnOp>(function.front().getTerminator());
  if (llvm::range_size(function.front()) != 2)
    return function.emitError("a kernel with an attend may hold nothing else yet");
  SmallVector<Type> types;
  for (Type type : llvm::concat<const Type>(function.getArgumentTypes(), function.getResultTypes()))
    types.push_back(bufferType(type));
  OpBuilder builder(function);
  auto kernel = func::FuncOp::create(builder, function.getLoc(), function.getName(), builder.getFunctionType(types, {}));
  kernel.setVisibility(function.getVisibility());
  Block *entry = kernel.addEntryBlock();
  builder.setInsertionPointToStart(entry);

  Buffers buffers;
  for (Value operand : attend->getOperands())
    buffers.operands.push_back(entry->getArgument(cast<BlockArgument>(operand).getArgNumber()));
  buffers.results.resize(attend->getNumResults());
  buffers.accumulates.resize(attend->getNumResults());
  for (auto [n, value] : llvm::enumerate(ret.getOperands())) {
    auto result = dyn_cast<OpResult>(value);
    if (!result || result.getOwner() != attend)
      return ret.emitError("returns what is not a result of its attend");
    if (buffers.results[result.getResultNumber()])
      return ret.emitError("returns a result of its attend twice");
    buffers.results[result.getResultNumber()] = entry->getArgument(function.getNumArguments() + n);
    buffers.accumulates[result.getResultNumber()] = bool(function.getResultAttr(n, "caa.accumulates"));
  }
  Options options = optionsFor(attend);
  remarkOn(attend, options);
  FailureOr<ArrayAttr> grid = buildKernel(attend, buffers, options, builder);
  if (failed(grid))
    return failure();
  func::ReturnOp::create(builder, function.getLoc());
  kernel->setAttr("tile.kernel", builder.getUnitAttr());
  kernel->setAttr("tile.grid", *grid);
  kernel->setAttr("tile.flops", builder.getF64FloatAttr(flopsPerItem(attend, options)));
  kernel->setAttr("tile.queries", builder.getI64IntegerAttr(options.queries));
  kernel->setAttr("tile.keys", builder.getI64IntegerAttr(options.keys));
  unsigned inputs = function.getNumArguments(); // what is said of tensors is said of their buffers
  for (unsigned n = 0; n < inputs; ++n)
    kernel.setArgAttrs(n, function.getArgAttrDict(n));
  for (unsigned n = 0; n < function.getNumResults(); ++n)
    kernel.setArgAttrs(inputs + n, function.getResultAttrDict(n));
  function.erase();

  IRRewriter rewriter(builder);
  (void)runRegionDCE(rewriter, kernel->getRegions());
  DominanceInfo dominance(kernel);
  eliminateCommonSubExpressions(rewriter, dominance, kernel);
  (void)runRegionDCE(rewriter, kernel->getRegions());
  kernel.walk([&](tile::SweepOp sweep) { bodiesWritten += sweep.getBodies().size(); });
  ++kernels;
  return success();
}

struct DescribeAttends : impl::DescribeAttendsBase<DescribeAttends> {
  using DescribeAttendsBase::DescribeAttendsBase;

  void runOnOperation() override {
    Options options;
    options.queries = tileQueries;
    options.keys = tileKeys;
    describeAttends(getOperation(), options, llvm::outs());
    llvm::outs() << "\n";
  }
};

/// Moves each group of reductions over one axis into an attend of its own.
struct SplitAttends : impl::SplitAttendsBase<SplitAttends> {
  void runOnOperation() override {
    SmallVector<AttendOp> attends;
    getOperation()->walk([&](AttendOp attend) { attends.push_back(attend); });
    for (AttendOp attend : attends)
      split(attend);
  }

  /// A copy of `attend` with the reductions over `axis` alone; takes over their results.
  static void keep(AttendOp attend, Axis axis) {
    OpBuilder builder(attend);
    SmallVector<Attribute> reductions;
    SmallVector<Type> types;
    SmallVector<Value> results, yields;
    for (auto [r, reduction] : llvm::enumerate(attend.getReductionList())) {
      if (reduction.getAxis() != axis)
        continue;
      reductions.push_back(reduction);
      for (unsigned n = 0; n < AttendOp::countResults(reduction); ++n) {
        results.push_back(attend.getResult(attend.getFirstResult(r) + n));
        types.push_back(results.back().getType());
      }
      llvm::append_range(yields, attend.getYields(r));
    }
    auto copy = AttendOp::create(builder, attend.getLoc(), types, attend.getQueries(), attend.getKeys(), attend.getHeads(),
                                 builder.getArrayAttr(reductions));
    IRMapping mapping;
    attend.getBody().cloneInto(&copy.getBody(), mapping);
    Operation *yield = copy.getBody().front().getTerminator();
    yield->setOperands(llvm::map_to_vector(yields, [&](Value value) { return mapping.lookup(value); }));
    for (auto [old, now] : llvm::zip(results, copy.getResults()))
      old.replaceAllUsesWith(now);
  }

  static void split(AttendOp attend) {
    auto over = [&](Axis axis) { return llvm::any_of(attend.getReductionList(), [&](ReductionAttr r) { return r.getAxis() == axis; }); };
    if (!over(Axis::Keys) || !over(Axis::Queries))
      return;
    keep(attend, Axis::Queries);
    keep(attend, Axis::Keys);
    attend.erase();
  }
};

} // namespace
} // namespace caa::attend
