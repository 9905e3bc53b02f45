// The frame of a kernel, its loops and branches, maps and scalar code. See RowsEmitter.h.
#include "codegen/Nvptx/Rows/RowsEmitter.h"

using namespace mlir;
using LLVM::ICmpPredicate;

namespace caa::nvptx {

static tile::TileType tileOf(Value value) { return dyn_cast<tile::TileType>(value.getType()); }

LogicalResult RowsEmitter::run() {
  findHazards();
  int64_t team = plan.team();
  Value inTeam = code.bitAnd(code.thread(), code.word(team - 1));
  columnThread = code.bitAnd(inTeam, code.word(plan.columnThreads - 1));
  rowThread = code.shiftRightUnsigned(inTeam, llvm::Log2_64(uint64_t(plan.columnThreads)));
  teamNumber = code.shiftRightUnsigned(code.thread(), llvm::Log2_64(uint64_t(team)));
  if (team < 32) {
    Value first = code.bitAnd(code.lane(), code.word(-team));
    members = LLVM::ShlOp::create(code.builder, code.loc, code.word((int64_t(1) << team) - 1), first);
  }
  LogicalResult result = success();
  Block &body = frame.kernel.getBody().front();
  if (plan.teams == 1) {
    item = LLVM::ZExtOp::create(code.builder, code.loc, code.i64, code.block());
    result = emitBlock(body);
  } else {
    // Each team of each block takes every so many-th item.
    Value teams = code.word(plan.teams);
    Value first = code.add(code.mul(code.block(), teams), teamNumber);
    Value stride = code.toLong(code.mul(code.blockCount(), teams));
    Block *exit = code.newBlock(), *loop = code.newBlock({code.i64});
    Value start = code.toLong(first);
    LLVM::CondBrOp::create(code.builder, code.loc, code.compare(ICmpPredicate::slt, start, frame.items()), loop, ValueRange{start},
                           exit, ValueRange{});
    code.enter(loop);
    item = loop->getArgument(0);
    result = emitBlock(body);
    if (exchanges)
      teamBarrier();
    Value next = code.add(item, stride);
    LLVM::CondBrOp::create(code.builder, code.loc, code.compare(ICmpPredicate::slt, next, frame.items()), loop, ValueRange{next}, exit,
                           ValueRange{});
    exit->moveBefore(loop->getParent(), std::next(code.builder.getInsertionBlock()->getIterator()));
    code.enter(exit);
  }
  // The second area lies behind the first, whose size is known only now.
  for (auto [constant, part] : areas)
    constant->setAttr("value", code.builder.getI32IntegerAttr(int32_t(part * exchangeBytes)));
  frame.launch.threads = uint32_t(plan.threads());
  frame.launch.sharedBytes = uint32_t(2 * exchangeBytes * plan.teams);
  frame.launch.blocksPerSm = plan.teams == 1 ? 0 : uint32_t(2048 / plan.threads());
  return result;
}

Value RowsEmitter::scalar(Value value) {
  auto found = scalars.find(value);
  assert(found != scalars.end() && "a scalar is used before it is computed");
  return found->second;
}

Held RowsEmitter::shape(Value tile) {
  Held held;
  held.rows = tileOf(tile).getRows() == 1 ? 1 : plan.rowsPerThread(tileOf(tile).getRows());
  held.slots = plan.slotsOf(tile);
  held.values.resize(size_t(held.rows * held.slots));
  return held;
}

LogicalResult RowsEmitter::emitBlock(Block &block) {
  for (Operation &op : block.without_terminator())
    if (failed(emitOp(&op)))
      return failure();
  return success();
}

LogicalResult RowsEmitter::emitOp(Operation *op) {
  code.loc = op->getLoc();
  if (isa<tile::ItemOp>(op))
    return scalars[op->getResult(0)] = item, success();
  if (auto extent = dyn_cast<tile::ExtentOp>(op))
    return scalars[extent.getSize()] = frame.extent(extent.getExtent()), success();
  if (auto load = dyn_cast<tile::LoadOp>(op))
    return emitLoad(load), success();
  if (auto store = dyn_cast<tile::StoreOp>(op))
    return emitStore(store), success();
  if (auto gather = dyn_cast<tile::GatherOp>(op))
    return emitGather(gather), success();
  if (auto scatter = dyn_cast<tile::ScatterAddOp>(op))
    return emitScatter(scatter);
  if (auto map = dyn_cast<tile::MapOp>(op))
    return emitMap(map);
  if (auto reduce = dyn_cast<tile::ReduceOp>(op))
    return emitReduce(reduce), success();
  if (auto slice = dyn_cast<tile::SliceOp>(op))
    return emitSlice(slice), success();
  if (auto concat = dyn_cast<tile::ConcatOp>(op))
    return emitConcat(concat), success();
  if (auto iota = dyn_cast<tile::IotaOp>(op))
    return emitIota(iota), success();
  if (auto splat = dyn_cast<tile::SplatOp>(op)) {
    Held held = shape(splat.getTile());
    llvm::fill(held.values, scalar(splat.getValue()));
    return tiles[splat.getTile()] = held, success();
  }
  if (auto extract = dyn_cast<tile::ExtractOp>(op))
    return scalars[extract.getValue()] = tiles[extract.getTile()].values[0], success();
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return emitFor(loop);
  if (auto choice = dyn_cast<scf::IfOp>(op))
    return emitIf(choice);
  if (auto sweep = dyn_cast<tile::SweepOp>(op))
    return emitSweep(sweep);
  SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    operands.push_back(scalar(operand));
  FailureOr<Value> result = emitScalarOp(code, op, operands, options);
  if (failed(result))
    return failure();
  scalars[op->getResult(0)] = *result;
  return success();
}

//===-- Tiles -------------------------------------------------------------------------------------------------------===//

LogicalResult RowsEmitter::emitMap(tile::MapOp map) {
  SmallVector<Held> results;
  for (Value result : map.getResults())
    results.push_back(shape(result));
  for (int64_t row = 0; row < results[0].rows; ++row)
    for (int64_t slot = 0; slot < results[0].slots; ++slot) {
      SmallVector<Value> arguments;
      for (Value operand : map.getOperands())
        arguments.push_back(tileOf(operand) ? tiles[operand].at(row, slot) : scalar(operand));
      auto values = emitScalarRegion(code, map.getBody(), arguments, [&](Value value) { return scalar(value); }, options);
      if (failed(values))
        return failure();
      for (auto [held, value] : llvm::zip(results, *values))
        held.at(row, slot) = value;
    }
  for (auto [result, held] : llvm::zip(map.getResults(), results))
    tiles[result] = std::move(held);
  return success();
}

// Threads past the end of a segment hold its last columns once more, so that a slice of one column is in all threads.
void RowsEmitter::emitSlice(tile::SliceOp slice) {
  Held from = tiles[slice.getTile()], to = shape(slice.getResult());
  int64_t first = 0, start = int64_t(slice.getStart());
  for (const Segment &segment : plan.segmentsOf(slice.getTile())) {
    if (segment.start == start)
      break;
    first += segment.vector * segment.turns;
  }
  for (int64_t row = 0; row < to.rows; ++row)
    for (int64_t slot = 0; slot < to.slots; ++slot)
      to.at(row, slot) = from.at(row, first + slot);
  tiles[slice.getResult()] = to;
}

void RowsEmitter::emitConcat(tile::ConcatOp concat) {
  Held to = shape(concat.getResult());
  int64_t first = 0;
  for (Value part : concat.getTiles()) {
    Held from = tiles[part];
    for (int64_t row = 0; row < to.rows; ++row)
      for (int64_t slot = 0; slot < from.slots; ++slot)
        to.at(row, first + slot) = from.at(row, slot);
    first += from.slots;
  }
  tiles[concat.getResult()] = to;
}

void RowsEmitter::emitIota(tile::IotaOp iota) {
  Held held = shape(iota.getTile());
  tile::TileType type = iota.getTile().getType();
  Type element = type.getElement();
  Value start = scalar(iota.getStart());
  auto number = [&](Value offset) {
    Value sum = code.add(start, code.toLong(offset));
    return element.isInteger(32) ? code.toWord(sum) : sum;
  };
  if (type.getColumns() == 1) {
    for (int64_t row = 0; row < held.rows; ++row)
      held.values[size_t(row)] = number(type.getRows() == 1 ? code.word(0) : rowOf(row));
  } else {
    int64_t slot = 0;
    for (const Segment &segment : plan.segmentsOf(iota.getTile()))
      for (int64_t turn = 0; turn < segment.turns; ++turn) {
        Value inside, column = columnOf(segment, turn, inside);
        for (int64_t v = 0; v < segment.vector; ++v)
          held.values[size_t(slot++)] = number(code.add(column, code.word(v)));
      }
  }
  tiles[iota.getTile()] = held;
}

//===-- Loops and branches ------------------------------------------------------------------------------------------===//

SmallVector<Value> RowsEmitter::flatten(ValueRange values) {
  SmallVector<Value> registers;
  for (Value value : values) {
    if (tileOf(value))
      llvm::append_range(registers, tiles[value].values);
    else
      registers.push_back(scalar(value));
  }
  return registers;
}

void RowsEmitter::bind(ValueRange names, ValueRange registers) {
  size_t next = 0;
  for (Value name : names) {
    if (!tileOf(name)) {
      scalars[name] = registers[next++];
      continue;
    }
    Held held = shape(name);
    for (Value &value : held.values)
      value = registers[next++];
    tiles[name] = held;
  }
}

LogicalResult RowsEmitter::emitFor(scf::ForOp loop) {
  auto step = getConstantIntValue(loop.getStep());
  if (!step || *step < 1)
    return loop.emitError("the GPU backend needs a loop's step to be a positive constant");
  LogicalResult status = success();
  SmallVector<Value> results = code.loop(
      scalar(loop.getLowerBound()), scalar(loop.getUpperBound()), *step, flatten(loop.getInitArgs()),
      [&](Value i, ValueRange registers) -> SmallVector<Value> {
        scalars[loop.getInductionVar()] = i;
        bind(loop.getRegionIterArgs(), registers);
        int before = exchanges;
        if (failed(emitBlock(*loop.getBody()))) {
          status = failure();
          return SmallVector<Value>(registers);
        }
        if (exchanges != before)
          teamBarrier(); // the next round may use the same area
        return flatten(loop.getBody()->getTerminator()->getOperands());
      });
  bind(loop.getResults(), results);
  return status;
}

LogicalResult RowsEmitter::emitIf(scf::IfOp choice) {
  LogicalResult status = success();
  SmallVector<Type> types;
  for (Value result : choice.getResults()) {
    if (tileOf(result))
      types.append(shape(result).values.size(), registerType(tileOf(result).getElement()));
    else
      types.push_back(registerType(result.getType()));
  }
  int before = exchanges;
  auto branch = [&](Region &region) -> SmallVector<Value> {
    SmallVector<Value> values;
    if (region.empty())
      return values;
    if (failed(emitBlock(region.front()))) {
      status = failure();
      for (Type type : types)
        values.push_back(code.undefined(type));
      return values;
    }
    return flatten(region.front().getTerminator()->getOperands());
  };
  SmallVector<Value> results = code.choose(scalar(choice.getCondition()), types, [&] { return branch(choice.getThenRegion()); },
                                           [&] { return branch(choice.getElseRegion()); });
  if (exchanges != before)
    teamBarrier();
  bind(choice.getResults(), results);
  return status;
}

LogicalResult RowsEmitter::emitSweep(tile::SweepOp sweep) {
  LogicalResult status = success();
  SmallVector<Value> results = code.loop(
      scalar(sweep.getLower()), scalar(sweep.getUpper()), int64_t(sweep.getStep()), flatten(sweep.getInits()),
      [&](Value p, ValueRange registers) -> SmallVector<Value> {
        SmallVector<Value> carried(registers);
        Block &visit = sweep.getVisit().front();
        scalars[visit.getArgument(0)] = p;
        if (failed(emitBlock(visit))) {
          status = failure();
          return carried;
        }
        Value number = scalar(visit.getTerminator()->getOperand(0));
        int before = exchanges;
        for (auto [n, region] : llvm::enumerate(sweep.getBodies())) {
          Block &block = region.front();
          Value taken = code.compare(ICmpPredicate::eq, number, code.integer(int64_t(n), number.getType()));
          SmallVector<Value> start = carried;
          carried = code.choose(taken, TypeRange(ValueRange(start)),
                                [&]() -> SmallVector<Value> {
                                  scalars[block.getArgument(0)] = p;
                                  bind(block.getArguments().drop_front(), start);
                                  if (failed(emitBlock(block))) {
                                    status = failure();
                                    return start;
                                  }
                                  return flatten(block.getTerminator()->getOperands());
                                },
                                [&] { return start; });
        }
        if (exchanges != before)
          teamBarrier();
        return carried;
      });
  bind(sweep.getResults(), results);
  return status;
}

} // namespace caa::nvptx
