// See FragmentEmitter.h.
#include "codegen/Nvptx/Fragments/FragmentEmitter.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using LLVM::ICmpPredicate;

namespace caa::nvptx {

//===-- Values-----------------------------------------------------------------------------------------------------===//

Value FragmentEmitter::scalar(Value value) {
  auto found = scalars.find(value);
  assert(found != scalars.end() && "a scalar is used before it is emitted");
  return found->second;
}

const Fragment &FragmentEmitter::fragment(Value value) {
  auto found = tiles.find(value);
  assert(found != tiles.end() && "a tile is used as a fragment that is none");
  return *found->second;
}

SmallVector<Value> FragmentEmitter::scalarsOf(ValueRange values) {
  SmallVector<Value> result;
  for (Value value : values)
    result.push_back(scalar(value));
  return result;
}

SmallVector<Value> FragmentEmitter::flatten(ValueRange values) {
  SmallVector<Value> flat;
  for (Value value : values) {
    if (isa<tile::TileType>(value.getType()))
      llvm::append_range(flat, fragment(value).values);
    else if (isa<tile::RankingType>(value.getType()))
      llvm::append_range(flat, rankings[value].state);
    else
      flat.push_back(scalar(value));
  }
  return flat;
}

void FragmentEmitter::bind(ValueRange values, ValueRange registers, ValueRange like) {
  for (auto [value, model] : llvm::zip(values, like)) {
    size_t count = 1;
    if (auto type = dyn_cast<tile::TileType>(value.getType())) {
      count = size_t(fragments.countOf(type));
      set(value, {type, SmallVector<Value>(registers.take_front(count))});
    } else if (isa<tile::RankingType>(value.getType())) {
      Ranking ranking = rankings[model];
      count = ranking.state.size();
      ranking.state.assign(registers.begin(), registers.begin() + count);
      rankings[value] = std::move(ranking);
    } else {
      scalars[value] = registers[0];
    }
    registers = registers.drop_front(count);
  }
}

//===-- Ops--------------------------------------------------------------------------------------------------------===//

LogicalResult FragmentEmitter::emitBlock(Block &block) {
  for (Operation &op : block.without_terminator()) {
    code.loc = op.getLoc();
    if (failed(emitOp(&op)))
      return failure();
  }
  return success();
}

LogicalResult FragmentEmitter::emitNarrowLoad(tile::LoadOp load) {
  set(load.getTile(), fragments.loadNarrow(load, scalarsOf(load.getIndices())));
  return success();
}

LogicalResult FragmentEmitter::emitStore(tile::StoreOp store) {
  fragments.store(store, fragment(store.getTile()), scalarsOf(store.getIndices()));
  return success();
}

LogicalResult FragmentEmitter::emitMap(tile::MapOp map) {
  auto results = fragments.map(map, {[&](Value value) -> const Fragment & { return fragment(value); },
                                     [&](Value value) { return scalar(value); }});
  if (failed(results))
    return failure();
  for (auto [value, result] : llvm::zip(map.getResults(), *results))
    set(value, std::move(result));
  return success();
}

LogicalResult FragmentEmitter::emitOp(Operation *op) {
  auto done = [&](Value value, std::optional<Fragment> result) -> LogicalResult {
    if (!result)
      return op->emitError("GPU kernels slice and join tiles at multiples of 16 columns only");
    set(value, std::move(*result));
    return success();
  };
  if (isa<tile::ItemOp>(op))
    return scalars[op->getResult(0)] = item, success();
  if (auto extent = dyn_cast<tile::ExtentOp>(op))
    return scalars[extent.getSize()] = frame.extent32(extent.getExtent()), success();
  if (auto load = dyn_cast<tile::LoadOp>(op))
    return Fragments::isNarrow(load) ? emitNarrowLoad(load) : emitWideLoad(load);
  if (auto store = dyn_cast<tile::StoreOp>(op))
    return emitStore(store);
  if (auto splat = dyn_cast<tile::SplatOp>(op))
    return done(splat.getTile(), fragments.splat(splat.getTile().getType(), scalar(splat.getValue())));
  if (auto iota = dyn_cast<tile::IotaOp>(op))
    return done(iota.getTile(), fragments.iota(iota.getTile().getType(), scalar(iota.getStart())));
  if (auto map = dyn_cast<tile::MapOp>(op))
    return emitMap(map);
  if (auto reduce = dyn_cast<tile::ReduceOp>(op))
    return done(reduce.getResult(), fragments.reduce(reduce, fragment(reduce.getTile())));
  if (auto slice = dyn_cast<tile::SliceOp>(op))
    return done(slice.getResult(),
                fragments.slice(slice.getResult().getType(), fragment(slice.getTile()), int64_t(slice.getStart())));
  if (auto concat = dyn_cast<tile::ConcatOp>(op)) {
    SmallVector<const Fragment *> parts;
    for (Value part : concat.getTiles())
      parts.push_back(&fragment(part));
    return done(concat.getResult(), fragments.concat(concat.getResult().getType(), parts));
  }
  if (auto extract = dyn_cast<tile::ExtractOp>(op))
    return scalars[extract.getValue()] = fragment(extract.getTile()).values[0], success();
  if (auto dot = dyn_cast<tile::DotOp>(op))
    return emitDot(dot);
  if (auto sweep = dyn_cast<tile::SweepOp>(op))
    return emitSweep(sweep);
  if (isa<scf::ForOp>(op))
    return emitFor(op);
  if (isa<scf::IfOp>(op))
    return emitIf(op);
  if (isa<tile::RankingOp, tile::RankOp, tile::ThresholdOp>(op)) {
    if (!ranker)
      return op->emitError("no ranking on this target");
    if (auto ranking = dyn_cast<tile::RankingOp>(op))
      return rankings[ranking.getRanking()] = {ranker->start(ranking), op, {}}, success();
    if (auto rank = dyn_cast<tile::RankOp>(op))
      return emitRank(rank);
    return emitThreshold(cast<tile::ThresholdOp>(op));
  }
  if (isa_and_nonnull<tile::TileDialect>(op->getDialect()))
    return op->emitError() << "`" << op->getName() << "` has no place in a GPU kernel with products";
  FailureOr<Value> result = emitScalarOp(code, op, scalarsOf(op->getOperands()), options);
  if (failed(result))
    return failure();
  scalars[op->getResult(0)] = *result;
  return success();
}

//===-- Rankings---------------------------------------------------------------------------------------------------===//

LogicalResult FragmentEmitter::emitRank(tile::RankOp rank) {
  Ranking ranking = rankings[rank.getRanking()];
  const Fragment &scores = fragment(rank.getScores());
  const Fragment *members = rank.getMembers() ? &fragment(rank.getMembers()) : nullptr;
  if (!showing)
    ranking.state = ranker->show(rank, ranking.state, scores, members);
  else if (ranking.origin == shown)
    ranking.state = showing(rank, ranking.state, scores, members);
  rankings[rank.getResult()] = std::move(ranking);
  return success();
}

LogicalResult FragmentEmitter::emitThreshold(tile::ThresholdOp threshold) {
  Ranking filled = rankings[threshold.getRanking()];
  auto again = [&](ValueRange state, Ranker::Show show) -> FailureOr<SmallVector<Value>> {
    if (!filled.sweep)
      return threshold.emitError("the ranking was not filled by one sweep"), failure();
    auto sweep = cast<tile::SweepOp>(filled.sweep);
    Value init;
    for (Value one : sweep.getInits())
      if (isa<tile::RankingType>(one.getType()) && rankings[one].origin == filled.origin)
        init = one;
    Ranking before = rankings[init];
    rankings[init].state = SmallVector<Value>(state);
    showing = show, shown = filled.origin;
    LogicalResult result = emitSweep(sweep);
    showing = nullptr, shown = nullptr;
    SmallVector<Value> last = rankings[threshold.getRanking()].state;
    rankings[init] = before, rankings[threshold.getRanking()] = filled;
    if (failed(result))
      return failure();
    return last;
  };
  auto result = ranker->threshold(threshold, filled.state, fragment(threshold.getCounts()), again);
  if (failed(result))
    return failure();
  set(threshold.getThreshold(), std::move(*result));
  return success();
}

//===-- Loops and branches-----------------------------------------------------------------------------------------===//

FailureOr<Value> FragmentEmitter::emitVisit(tile::SweepOp sweep, Value p) {
  Block &visit = sweep.getVisit().front();
  scalars[visit.getArgument(0)] = p;
  if (failed(emitBlock(visit)))
    return failure();
  return scalar(visit.getTerminator()->getOperand(0));
}

FailureOr<SmallVector<Value>> FragmentEmitter::emitBodies(tile::SweepOp sweep, Value number, Value p,
                                                          ValueRange registers) {
  auto body = [&](Region &region) -> FailureOr<SmallVector<Value>> {
    Block &block = region.front();
    scalars[block.getArgument(0)] = p;
    bind(block.getArguments().drop_front(), registers, sweep.getInits());
    if (failed(emitBlock(block)))
      return failure();
    return flatten(block.getTerminator()->getOperands());
  };
  SmallVector<Value> results;
  if (sweep.getBodies().size() == 1) { // the visited tiles are those of this body
    FailureOr<SmallVector<Value>> next = body(sweep.getBodies()[0]);
    if (failed(next))
      return failure();
    results = *next;
  } else {
    // Tests the bodies from the last on, which knows most as a rule; body 0 is what is left.
    Block *done = code.newBlock(TypeRange(registers));
    for (size_t n = sweep.getBodies().size(); n-- > 0;) {
      Block *skip = nullptr;
      if (n > 0) {
        Block *run = code.newBlock();
        skip = code.newBlock();
        Value taken = code.compare(ICmpPredicate::eq, number, code.integer(int64_t(n), number.getType()));
        LLVM::CondBrOp::create(code.builder, code.loc, taken, run, ValueRange{}, skip, ValueRange{});
        code.enter(run);
      }
      FailureOr<SmallVector<Value>> next = body(sweep.getBodies()[n]);
      if (failed(next))
        return failure();
      code.jump(done, *next);
      if (skip)
        code.enter(skip);
    }
    done->moveBefore(code.builder.getInsertionBlock()->getParent(),
                     std::next(code.builder.getInsertionBlock()->getIterator()));
    code.enter(done);
    results.assign(done->args_begin(), done->args_end());
  }
  return results;
}

void FragmentEmitter::bindSweep(tile::SweepOp sweep, ValueRange registers) {
  bind(sweep.getResults(), registers, sweep.getInits());
  for (Value result : sweep.getResults())
    if (isa<tile::RankingType>(result.getType()))
      rankings[result].sweep = sweep;
}

LogicalResult FragmentEmitter::emitFor(Operation *op) {
  auto loop = cast<scf::ForOp>(op);
  auto step = getConstantIntValue(loop.getStep());
  if (!step || *step < 1)
    return loop.emitError("a GPU kernel's loop has a positive constant as its step");
  LogicalResult status = success();
  SmallVector<Value> inits = flatten(loop.getInitArgs());
  SmallVector<Value> results = code.loop(scalar(loop.getLowerBound()), scalar(loop.getUpperBound()), *step, inits,
                                         [&](Value i, ValueRange registers) -> SmallVector<Value> {
                                           scalars[loop.getInductionVar()] = i;
                                           bind(loop.getRegionIterArgs(), registers, loop.getInitArgs());
                                           beginIteration();
                                           if (failed(emitBlock(*loop.getBody()))) {
                                             status = failure();
                                             return SmallVector<Value>(registers);
                                           }
                                           return flatten(loop.getBody()->getTerminator()->getOperands());
                                         });
  if (failed(status))
    return failure();
  endLoop();
  bind(loop.getResults(), results, loop.getInitArgs());
  return success();
}

LogicalResult FragmentEmitter::emitIf(Operation *op) {
  auto choice = cast<scf::IfOp>(op);
  LogicalResult status = success();
  SmallVector<Type> types;
  for (Type type : choice.getResultTypes()) {
    if (isa<tile::RankingType>(type))
      return op->emitError("a ranking that only some tiles fill");
    auto tile = dyn_cast<tile::TileType>(type);
    Type scalarType = registerType(type);
    types.append(tile ? size_t(fragments.countOf(tile)) : 1,
                 tile ? fragments.valueTypeOf(tile) : scalarType == code.i64 ? code.i32 : scalarType);
  }
  auto branch = [&](Region &region) -> SmallVector<Value> {
    if (region.empty())
      return {};
    if (failed(emitBlock(region.front()))) {
      status = failure();
      SmallVector<Value> nothing;
      for (Type type : types)
        nothing.push_back(code.undefined(type));
      return nothing;
    }
    return flatten(region.front().getTerminator()->getOperands());
  };
  SmallVector<Value> results = code.choose(
      scalar(choice.getCondition()), types, [&] { return branch(choice.getThenRegion()); },
      [&] { return branch(choice.getElseRegion()); });
  if (failed(status))
    return failure();
  bind(choice.getResults(), results, choice.getResults());
  return success();
}

} // namespace caa::nvptx
