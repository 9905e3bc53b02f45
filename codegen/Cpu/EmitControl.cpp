// The frame of a kernel, its loops and branches, and scalar code. See KernelEmitter.h.
#include "codegen/Cpu/KernelEmitter.h"
#include "codegen/Cpu/ScalarOps.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using LLVM::ICmpPredicate;

namespace caa::cpu {

LogicalResult KernelEmitter::run() {
  Block &entry = code.function.front();
  Value bufferList = entry.getArgument(0), sizeList = entry.getArgument(1);
  scratch = entry.getArgument(4);
  for (int n = 0; n < 4; ++n)
    sizes[n] = code.load(code.address(sizeList, code.i64, n), code.i64, 1);
  for (unsigned n = 0; n < kernel.getNumArguments(); ++n)
    buffers.push_back(LLVM::LoadOp::create(code.builder, code.loc, code.pointer,
                                           LLVM::GEPOp::create(code.builder, code.loc, code.pointer, code.pointer, bufferList,
                                                               ArrayRef<LLVM::GEPArg>{int32_t(n)}),
                                           8));
  LogicalResult result = success();
  code.loop(entry.getArgument(2), entry.getArgument(3), 1, [&](Value i) {
    item = i;
    panelEnd = code.index(plan.scratchBytes());
    result = emitBlock(kernel.getBody().front());
  });
  LLVM::ReturnOp::create(code.builder, code.loc, ValueRange{});
  return result;
}

ArrayAttr KernelEmitter::scratchTerms() {
  MLIRContext *context = kernel.getContext();
  SmallVector<Attribute> terms{tile::TermAttr::get(context, plan.scratchBytes() + panelConstant, 0, 0, 1, 0, 1)};
  if (panelPerTile)
    terms.push_back(tile::TermAttr::get(context, panelPerTile, 0, 1, panelTile, 0, 1));
  return ArrayAttr::get(context, terms);
}

Value KernelEmitter::scalar(Value value) {
  auto found = scalars.find(value);
  assert(found != scalars.end() && "a scalar is used before its level");
  return found->second;
}

LogicalResult KernelEmitter::emitBlock(Block &block) {
  for (const Node &node : plan.nodesOf(&block)) {
    if (node.group) {
      if (failed(emitGroup(node)))
        return failure();
    } else if (failed(emitOp(node.ops.front()))) {
      return failure();
    }
    for (Operation *op : node.ops)
      for (Value result : op->getResults())
        emitCopies(result);
  }
  return success();
}

LogicalResult KernelEmitter::emitOp(Operation *op) {
  code.loc = op->getLoc();
  if (isa<tile::SplatOp, tile::IotaOp, tile::SliceOp>(op))
    return success(); // named where they are used
  if (isa<tile::ItemOp>(op))
    return scalars[op->getResult(0)] = item, success();
  if (auto extent = dyn_cast<tile::ExtentOp>(op))
    return scalars[extent.getSize()] = sizes[int(extent.getExtent())], success();
  if (auto load = dyn_cast<tile::LoadOp>(op))
    return emitLoad(load), success();
  if (auto store = dyn_cast<tile::StoreOp>(op))
    return emitColumnStore(store), success();
  if (auto gather = dyn_cast<tile::GatherOp>(op))
    return emitGather(gather), success();
  if (auto scatter = dyn_cast<tile::ScatterAddOp>(op))
    return emitScatterAdd(scatter), success();
  if (auto concat = dyn_cast<tile::ConcatOp>(op))
    return emitConcat(concat), success();
  if (auto dot = dyn_cast<tile::DotOp>(op))
    return emitDot(dot), success();
  if (auto ranking = dyn_cast<tile::RankingOp>(op))
    return emitRanking(ranking), success();
  if (auto threshold = dyn_cast<tile::ThresholdOp>(op))
    return emitThreshold(threshold), success();
  if (auto extract = dyn_cast<tile::ExtractOp>(op)) {
    Place place = placeOf(extract.getTile());
    return scalars[extract.getValue()] = code.load(place.base, place.element, 1), success();
  }
  if (auto sweep = dyn_cast<tile::SweepOp>(op))
    return emitSweep(sweep);
  if (isa<scf::ForOp>(op))
    return emitFor(op);
  if (isa<scf::IfOp>(op))
    return emitIf(op);
  SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    operands.push_back(scalar(operand));
  FailureOr<SmallVector<Value>> results = emitScalarOp(code, op, operands, 1);
  if (failed(results))
    return failure();
  for (auto [from, to] : llvm::zip(op->getResults(), *results))
    scalars[from] = to;
  return success();
}

//===-- Loop-carried values -----------------------------------------------------------------------------------------===//

// What of `values` lives in registers: scalars, and the counts of rankings. Tiles live in their slots.
SmallVector<Value> KernelEmitter::scalarsOf(ValueRange values) {
  SmallVector<Value> result;
  for (Value value : values) {
    if (isa<tile::RankingType>(value.getType()))
      result.push_back(rankings[value].count);
    else if (!tileOf(value))
      result.push_back(scalar(value));
  }
  return result;
}

// Names the carried value `argument` (or a loop's result), which continues `like`.
void KernelEmitter::bindCarried(Value argument, Value like, Value value) {
  if (isa<tile::RankingType>(argument.getType())) {
    Ranking ranking = rankings[like];
    ranking.count = value;
    rankings[argument] = ranking;
  } else {
    scalars[argument] = value;
  }
}

static void forRegisters(ValueRange values, ValueRange likes, ValueRange registers,
                         function_ref<void(Value, Value, Value)> visit) {
  unsigned next = 0;
  for (auto [value, like] : llvm::zip(values, likes))
    if (!tileOf(value))
      visit(value, like, registers[next++]);
}

// Moves a tile to the slot of the carried value or result that it becomes, if it is not there already.
void KernelEmitter::copyCarried(OpOperand &operand, Value target) {
  tile::TileType type = tileOf(target);
  if (!type)
    return;
  Layout layout = plan.layouts.of(target);
  if (layout == plan.layouts.of(operand.get()) && plan.slotOf(operand.get()) == plan.slotOf(target))
    return;
  copyTile(placeOf(operand.get(), layout), placeOf(target), outerOf(type, layout), innerOf(type, layout));
}

// One body of a loop: leaves the registers of the next values in `carried`.
LogicalResult KernelEmitter::emitBody(Block &block, ValueRange arguments, SmallVector<Value> &carried) {
  for (Value argument : block.getArguments())
    emitCopies(argument);
  if (failed(emitBlock(block)))
    return failure();
  Operation *end = block.getTerminator(), *parent = block.getParentOp();
  for (OpOperand &operand : end->getOpOperands()) {
    Value target = parent->getResult(operand.getOperandNumber());
    if (tileOf(target) && llvm::is_contained(arguments, operand.get()) && plan.slotOf(operand.get()) != plan.slotOf(target))
      return end->emitError("the CPU backend cannot let carried tiles exchange places");
    copyCarried(operand, target);
  }
  carried = scalarsOf(end->getOperands());
  return success();
}

//===-- Loops and branches ------------------------------------------------------------------------------------------===//

LogicalResult KernelEmitter::emitSweep(tile::SweepOp sweep) {
  for (unsigned n = 0; n < sweep.getInits().size(); ++n)
    copyCarried(sweep->getOpOperand(2 + n), sweep.getResult(n));
  LogicalResult status = success();
  auto body = [&](Region &region, Value p, ValueRange registers) {
    Block &block = region.front();
    scalars[block.getArgument(0)] = p;
    ValueRange carried = block.getArguments().drop_front();
    forRegisters(carried, sweep.getInits(), registers, [&](Value a, Value b, Value c) { bindCarried(a, b, c); });
    SmallVector<Value> next;
    if (failed(emitBody(block, carried, next)))
      status = failure();
    next.resize(registers.size(), code.index(0));
    return next;
  };
  SmallVector<Value> results = code.loop(
      scalar(sweep.getLower()), scalar(sweep.getUpper()), sweep.getStep(), scalarsOf(sweep.getInits()),
      [&](Value p, ValueRange registers) -> SmallVector<Value> {
        Block &visit = sweep.getVisit().front();
        scalars[visit.getArgument(0)] = p;
        if (failed(emitBlock(visit))) {
          status = failure();
          return SmallVector<Value>(registers);
        }
        Value number = scalar(visit.getTerminator()->getOperand(0));
        if (auto known = Code::known(number))
          return *known < 0 ? SmallVector<Value>(registers) : body(sweep.getBodies()[*known], p, registers);
        // Tests the bodies one after the other; -1 leaves everything as it is.
        Block *done = code.newBlock(TypeRange(registers));
        for (auto [n, region] : llvm::enumerate(sweep.getBodies())) {
          Block *run = code.newBlock(), *skip = code.newBlock();
          Value taken = code.compare(ICmpPredicate::eq, number, code.integer(int64_t(n), number.getType()));
          LLVM::CondBrOp::create(code.builder, code.loc, taken, run, ValueRange{}, skip, ValueRange{});
          code.enter(run);
          SmallVector<Value> next = body(region, p, registers);
          code.jump(done, next);
          code.enter(skip);
        }
        code.jump(done, registers);
        code.enter(done);
        return SmallVector<Value>(done->getArguments());
      });
  forRegisters(sweep.getResults(), sweep.getInits(), results, [&](Value a, Value b, Value c) { bindCarried(a, b, c); });
  return status;
}

LogicalResult KernelEmitter::emitFor(Operation *op) {
  auto loop = cast<scf::ForOp>(op);
  auto step = getConstantIntValue(loop.getStep());
  if (!step || *step < 1)
    return loop.emitError("the CPU backend needs a loop's step to be a positive constant");
  for (unsigned n = 0; n < loop.getInitArgs().size(); ++n)
    copyCarried(loop->getOpOperand(3 + n), loop.getResult(n));
  LogicalResult status = success();
  SmallVector<Value> results = code.loop(
      scalar(loop.getLowerBound()), scalar(loop.getUpperBound()), *step, scalarsOf(loop.getInitArgs()),
      [&](Value i, ValueRange registers) -> SmallVector<Value> {
        scalars[loop.getInductionVar()] = i;
        forRegisters(loop.getRegionIterArgs(), loop.getInitArgs(), registers,
                     [&](Value a, Value b, Value c) { bindCarried(a, b, c); });
        SmallVector<Value> next;
        if (failed(emitBody(*loop.getBody(), loop.getRegionIterArgs(), next)))
          status = failure();
        next.resize(registers.size(), code.index(0));
        return next;
      });
  forRegisters(loop.getResults(), loop.getInitArgs(), results, [&](Value a, Value b, Value c) { bindCarried(a, b, c); });
  return status;
}

LogicalResult KernelEmitter::emitIf(Operation *op) {
  auto choice = cast<scf::IfOp>(op);
  LogicalResult status = success();
  SmallVector<Type> types;
  for (Value result : choice.getResults())
    if (!tileOf(result))
      types.push_back(isa<tile::RankingType>(result.getType()) ? code.i64 : registerType(result.getType()));
  auto branch = [&](Region &region) -> SmallVector<Value> {
    SmallVector<Value> values;
    if (region.empty())
      return values;
    if (failed(emitBody(region.front(), {}, values)))
      status = failure();
    return values;
  };
  SmallVector<Value> results =
      code.choose(scalar(choice.getCondition()), types, [&] { return branch(choice.getThenRegion()); },
                  [&] { return branch(choice.getElseRegion()); });
  if (failed(status))
    return failure();
  if (choice.getNumResults())
    forRegisters(choice.getResults(), choice.getThenRegion().front().getTerminator()->getOperands(), results,
                 [&](Value a, Value b, Value c) { bindCarried(a, b, c); });
  return success();
}

} // namespace caa::cpu
