// The pass: finds attention kernels, makes the function of buffers, lets KernelBuilder fill it, tidies up.
#include "passes/Lower/Attend/LowerAttend.h"

#include "passes/Lower/Attend/KernelBuilder.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Dominance.h"
#include "mlir/Transforms/CSE.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;

namespace caa::attend {

#define GEN_PASS_DEF_LOWERATTEND
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
};

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
  Options options{tileQueries, tileKeys, bodies, keysAsRows};
  FailureOr<ArrayAttr> grid = buildKernel(attend, buffers, options, builder);
  if (failed(grid))
    return failure();
  func::ReturnOp::create(builder, function.getLoc());
  kernel->setAttr("tile.kernel", builder.getUnitAttr());
  kernel->setAttr("tile.grid", *grid);
  kernel->setAttr("tile.flops", builder.getF64FloatAttr(flopsPerItem(attend, options)));
  kernel->setAttr("tile.tiles", builder.getI64ArrayAttr({tileQueries, tileKeys}));
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

} // namespace
} // namespace caa::attend
