// See Plan.h.
#include "codegen/Nvptx/Hopper/Plan.h"

#include "codegen/Nvptx/Fragments/Ranking.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include <map>

using namespace mlir;

namespace caa::nvptx::hopper {

bool isGuard(scf::IfOp guard) {
  auto compare = guard.getCondition().getDefiningOp<arith::CmpFOp>();
  if (!compare || compare.getPredicate() != arith::CmpFPredicate::OGT || guard.getElseRegion().empty())
    return false;
  auto constant = compare.getRhs().getDefiningOp<arith::ConstantOp>();
  auto extract = compare.getLhs().getDefiningOp<tile::ExtractOp>();
  auto reduce = extract ? extract.getTile().getDefiningOp<tile::ReduceOp>() : tile::ReduceOp();
  auto map = reduce ? reduce.getTile().getDefiningOp<tile::MapOp>() : tile::MapOp();
  if (!constant || !cast<FloatAttr>(constant.getValue()).getValue().isZero() || !map || reduce.getCombine() != tile::Combine::Max)
    return false;
  return map.getNumResults() == 1 && map.getBody().front().getTerminator()->getOperand(0).getDefiningOp<arith::UIToFPOp>();
}

bool guardsByScores(scf::IfOp guard) {
  if (!isGuard(guard))
    return false;
  auto extract = guard.getCondition().getDefiningOp()->getOperand(0).getDefiningOp<tile::ExtractOp>();
  auto map = extract.getTile().getDefiningOp<tile::ReduceOp>().getTile().getDefiningOp<tile::MapOp>();
  return llvm::any_of(map.getOperands(), [&](Value operand) {
    auto dot = operand.getDefiningOp<tile::DotOp>();
    return dot && dot->getBlock() == guard->getBlock();
  });
}

namespace {

/// Bytes that a block may have where `blocks` share a multiprocessor.
constexpr int64_t sharedLimit(int64_t blocks) { return 233472 / blocks - 1024; }
constexpr int64_t mostStages = 4;

tile::TileType tileOf(Value value) { return dyn_cast<tile::TileType>(value.getType()); }
bool isWide(Value value) {
  auto type = tileOf(value);
  return type && type.getRows() > 1 && type.getColumns() > 1;
}

class Planner {
public:
  Planner(func::FuncOp kernel, std::string &reason) : reason(reason) { plan.kernel = kernel; }

  std::optional<Plan> run() {
    if (!findSweep() || !findTiles() || !findFolds() || !findBodies() || !findSlices() || !layOut())
      return std::nullopt;
    findVisits();
    findCompared();
    return std::move(plan);
  }

private:
  bool refuse(const Twine &why) {
    reason = why.str();
    return false;
  }

  bool findSweep();
  bool findTiles();
  bool addTile(tile::LoadOp load, SmallVectorImpl<SharedTile> &tiles, DenseMap<Operation *, unsigned> &numbers);
  bool findFolds();
  void findCompared();
  bool findBodies();
  bool findSums(Body &body);
  bool findSlices();
  void findVisits();
  void slice(Value value, DenseSet<Operation *> &ops);
  void slice(Operation *op, DenseSet<Operation *> &ops);
  unsigned tensorMap(Value buffer, int64_t rows);
  bool layOut();
  bool fitShared(int64_t blocks);
  bool dependsOnSweep(tile::LoadOp load) {
    return llvm::any_of(load.getIndices(), [&](Value index) { return index == position(load); });
  }
  /// The sweep's position as the body around `op` names it.
  Value position(Operation *op) {
    for (Region &body : plan.sweep.getBodies())
      if (body.isAncestor(op->getParentRegion()))
        return body.front().getArgument(0);
    return {};
  }

  Plan plan;
  std::string &reason;
};

bool Planner::findSweep() {
  SmallVector<tile::SweepOp> sweeps;
  plan.kernel.walk([&](tile::SweepOp sweep) { sweeps.push_back(sweep); });
  if (sweeps.size() != 1)
    return refuse("it has " + Twine(sweeps.size()) + " sweeps");
  plan.sweep = sweeps[0];
  plan.columns = plan.sweep.getStep();
  Operation *parent = plan.sweep->getParentOp();
  if ((plan.loop = dyn_cast<scf::ForOp>(parent))) {
    auto yield = cast<scf::YieldOp>(plan.loop.getBody()->getTerminator());
    if (!llvm::equal(yield.getResults(), plan.sweep.getResults()) || !llvm::equal(plan.sweep.getInits(), plan.loop.getRegionIterArgs()) ||
        getConstantIntValue(plan.loop.getStep()) != 1)
      return refuse("the loop around its sweep does more than sweep");
    parent = plan.loop->getParentOp();
  }
  if (parent != plan.kernel)
    return refuse("its sweep is nested");
  return true;
}

unsigned Planner::tensorMap(Value buffer, int64_t rows) {
  auto argument = cast<BlockArgument>(buffer);
  auto type = cast<MemRefType>(buffer.getType());
  TensorMap map{argument.getArgNumber(), CAA_BF16, type.getDimSize(2), type.getDimSize(3), 64, uint32_t(rows), 128};
  for (auto [n, other] : llvm::enumerate(plan.launch.tensorMaps))
    if (other.operand == map.operand && other.boxRows == map.boxRows)
      return unsigned(n);
  plan.launch.tensorMaps.push_back(map);
  return unsigned(plan.launch.tensorMaps.size()) - 1;
}

/// Two loads mean the same tile if they read the same place of the same buffer at the same position of the sweep.
bool Planner::addTile(tile::LoadOp load, SmallVectorImpl<SharedTile> &tiles, DenseMap<Operation *, unsigned> &numbers) {
  auto type = load.getTile().getType();
  auto memory = cast<MemRefType>(load.getSource().getType());
  if (!type.getElement().isBF16())
    return refuse("an operand of a product is not bf16");
  if (memory.getRank() != 4 || load.getHeads() || load.getTransposed() || !isa<BlockArgument>(load.getSource()) ||
      type.getColumns() != memory.getDimSize(3) || getConstantIntValue(load.getIndices()[3]) != 0)
    return refuse("an operand of a product is not a whole row of heads");
  if (type.getColumns() % 16 || type.getColumns() > 256)
    return refuse("a width is not a multiple of 16 up to 256");
  Value here = position(load);
  for (auto [n, tile] : llvm::enumerate(tiles)) {
    Value there = position(tile.load);
    bool same = tile.load.getSource() == load.getSource();
    for (auto [a, b] : llvm::zip(tile.load.getIndices(), load.getIndices()))
      same &= a == b || (here && a == there && b == here);
    if (same) {
      numbers[load] = unsigned(n);
      return true;
    }
  }
  numbers[load] = unsigned(tiles.size());
  tiles.push_back({load, type.getRows(), type.getColumns(), tensorMap(load.getSource(), type.getRows()), 0});
  return true;
}

bool Planner::findTiles() {
  // What dots read first: their left operands are held, or made of scores; their right operands are streamed.
  WalkResult result = plan.sweep.walk([&](tile::DotOp dot) {
    if (dot.getTransposeA())
      return refuse("a product takes its left operand transposed"), WalkResult::interrupt();
    auto right = dot.getB().getDefiningOp<tile::LoadOp>();
    if (!right || !dependsOnSweep(right))
      return refuse("the right operand of a product is not swept"), WalkResult::interrupt();
    if (!addTile(right, plan.streamed, plan.streamOf))
      return WalkResult::interrupt();
    auto left = dot.getA().getDefiningOp<tile::LoadOp>();
    if (dot.getTransposeB()) {
      if (!left || plan.sweep->isAncestor(left) || (plan.loop && plan.loop->isAncestor(left)))
        return refuse("the left operand of a score is not held"), WalkResult::interrupt();
      if (dot.getAccumulator())
        return refuse("a score has an accumulator"), WalkResult::interrupt();
      if (!addTile(left, plan.held, plan.heldOf))
        return WalkResult::interrupt();
      plan.rows = left.getTile().getType().getRows();
    } else if (!dot.getA().getDefiningOp<tile::MapOp>() || !tileOf(dot.getA()).getElement().isBF16()) {
      return refuse("the left operand of a weighted product is not a map to bf16"), WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    return false;
  if (plan.held.empty())
    return refuse("it has no scores");
  for (SharedTile &tile : plan.held)
    if (tile.rows != plan.rows)
      return refuse("held tiles differ in rows");
  for (SharedTile &tile : plan.streamed)
    if (tile.rows != plan.columns)
      return refuse("a swept tile is not as long as the step");
  plan.warpgroups = plan.rows / 64;
  if (plan.rows % 64 || plan.warpgroups < 1 || plan.warpgroups > 3)
    return refuse("it holds " + Twine(plan.rows) + " rows, not 64, 128 or 192");
  if (plan.columns % 32 || plan.columns > 256)
    return refuse("it sweeps " + Twine(plan.columns) + " columns, not a multiple of 32 up to 256");

  // All other loads of bodies are vectors of the swept tokens.
  for (Region &body : plan.sweep.getBodies()) {
    result = body.walk([&](tile::LoadOp load) {
      if (plan.streamOf.contains(load))
        return WalkResult::advance();
      auto type = load.getTile().getType();
      auto memory = cast<MemRefType>(load.getSource().getType());
      if (type.getRows() != 1 || type.getColumns() != plan.columns || memory.getRank() != 4 || load.getHeads() ||
          memory.getElementTypeBitWidth() != 32 || load.getIndices()[1] != position(load))
        return refuse("a load in its sweep is neither a product's operand nor a word per token"), WalkResult::interrupt();
      for (auto [n, vector] : llvm::enumerate(plan.vectors)) {
        bool same = vector.load.getSource() == load.getSource();
        for (unsigned i : {0, 2, 3})
          same &= vector.load.getIndices()[i] == load.getIndices()[i];
        if (same)
          return plan.vectorOf[load] = unsigned(n), WalkResult::advance();
      }
      plan.vectorOf[load] = unsigned(plan.vectors.size());
      plan.vectors.push_back({load, 0});
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return false;
  }
  return true;
}

//===-- Folds -------------------------------------------------------------------------------------------------------===//

/// What every use of a score subtracts from it: the load of a word per token and the factor before the subtraction.
struct Subtraction {
  tile::LoadOp load;
  double factor = 1;
  SmallVector<Operation *> ops;
};

std::optional<Subtraction> subtractionOf(tile::DotOp dot) {
  Subtraction found;
  bool first = true;
  // All users of `value`, a value of `map`'s region, must subtract one word from it.
  auto subtracted = [&](tile::MapOp map, Value value, double factor) {
    for (Operation *user : value.getUsers()) {
      auto difference = dyn_cast<arith::SubFOp>(user);
      auto word = difference ? dyn_cast<BlockArgument>(difference.getRhs()) : BlockArgument();
      if (!word || difference.getLhs() != value || word.getOwner() != &map.getBody().front())
        return false;
      auto load = map.getOperand(word.getArgNumber()).getDefiningOp<tile::LoadOp>();
      if (!load || load.getTile().getType().getRows() != 1 || !load.getTile().getType().getElement().isF32())
        return false;
      if (!first && (factor != found.factor || load != found.load))
        return false;
      found.load = load, found.factor = factor, first = false;
      found.ops.push_back(difference);
    }
    return true;
  };
  for (OpOperand &use : dot.getResult().getUses()) {
    auto map = dyn_cast<tile::MapOp>(use.getOwner());
    if (!map)
      return std::nullopt;
    Value argument = map.getBody().front().getArgument(use.getOperandNumber());
    for (Operation *user : argument.getUsers()) {
      auto product = dyn_cast<arith::MulFOp>(user);
      auto constant = product ? product.getRhs().getDefiningOp<arith::ConstantOp>() : arith::ConstantOp();
      if (!constant)
        continue;
      double factor = cast<FloatAttr>(constant.getValue()).getValueAsDouble();
      if (factor == 0 || !subtracted(map, product.getResult(), factor))
        return std::nullopt;
    }
    SmallVector<Operation *> rest;
    for (Operation *user : argument.getUsers())
      if (!isa<arith::MulFOp>(user))
        rest.push_back(user);
    if (!rest.empty() && (rest.size() != size_t(llvm::range_size(argument.getUsers())) || !subtracted(map, argument, 1)))
      return std::nullopt;
  }
  return first ? std::nullopt : std::optional(found);
}

bool Planner::findFolds() {
  // All scores of the same two tiles, in whichever body, fold the same word or none.
  std::map<std::pair<unsigned, unsigned>, SmallVector<tile::DotOp>> groups;
  plan.sweep.walk([&](tile::DotOp dot) {
    if (dot.getTransposeB())
      groups[{plan.heldOf[dot.getA().getDefiningOp()], plan.streamOf[dot.getB().getDefiningOp()]}].push_back(dot);
  });
  for (auto &[key, dots] : groups) {
    SmallVector<Subtraction> all;
    for (tile::DotOp dot : dots)
      if (auto one = subtractionOf(dot); one && plan.vectorOf.contains(one->load) &&
                                         (all.empty() || (plan.vectorOf[one->load] == plan.vectorOf[all[0].load] && one->factor == all[0].factor)))
        all.push_back(*one);
    if (all.size() != dots.size() || plan.folds.size() == 2)
      continue;
    for (auto [dot, one] : llvm::zip(dots, all)) {
      plan.foldOf[dot] = unsigned(plan.folds.size());
      plan.foldedSubtractions.insert(one.ops.begin(), one.ops.end());
    }
    plan.folds.push_back({all[0].load, all[0].factor});
  }
  // Vectors that nothing else reads are not copied.
  SmallVector<SharedVector> kept;
  DenseMap<unsigned, unsigned> renumbered;
  for (auto [n, vector] : llvm::enumerate(plan.vectors)) {
    bool needed = false;
    for (auto [op, number] : plan.vectorOf)
      if (number == n)
        for (OpOperand &use : op->getResult(0).getUses()) {
          auto map = dyn_cast<tile::MapOp>(use.getOwner());
          if (!map)
            needed = true;
          else
            for (Operation *user : map.getBody().front().getArgument(use.getOperandNumber()).getUsers())
              needed |= !plan.foldedSubtractions.contains(user);
        }
    if (needed) {
      renumbered[unsigned(n)] = unsigned(kept.size());
      kept.push_back(vector);
    }
  }
  DenseMap<Operation *, unsigned> numbers;
  for (auto [op, number] : plan.vectorOf)
    if (renumbered.contains(number))
      numbers[op] = renumbered[number];
  plan.vectors = kept, plan.vectorOf = numbers;
  return true;
}

//===-- Comparisons -------------------------------------------------------------------------------------------------===//

void Planner::findCompared() {
  SmallVector<Value> work;
  plan.kernel.walk([&](Operation *op) {
    if (isa<arith::CmpFOp>(op))
      llvm::append_range(work, op->getOperands());
    if (auto rank = dyn_cast<tile::RankOp>(op))
      work.push_back(rank.getScores());
  });
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (!plan.compared.insert(value).second)
      continue;
    Operation *op = value.getDefiningOp();
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      if (auto map = dyn_cast<tile::MapOp>(argument.getOwner()->getParentOp()))
        work.push_back(map.getOperand(argument.getArgNumber()));
    } else if (auto map = dyn_cast<tile::MapOp>(op)) {
      work.push_back(map.getBody().front().getTerminator()->getOperand(cast<OpResult>(value).getResultNumber()));
    } else {
      llvm::append_range(work, op->getOperands());
    }
  }
}

//===-- Bodies ------------------------------------------------------------------------------------------------------===//

/// The sums of a body, if its carried wide tiles are all sums whose present value nothing else reads.
bool Planner::findSums(Body &body) {
  Block &block = body.region->front();
  auto next = cast<tile::NextOp>(block.getTerminator());
  for (auto [n, value] : llvm::enumerate(next.getValues())) {
    if (!isWide(value))
      continue;
    BlockArgument carried = block.getArgument(unsigned(n) + 1);
    if (value == carried && carried.hasOneUse()) {
      body.sums.push_back({unsigned(n), {}, {}});
      continue;
    }
    auto dot = value.getDefiningOp<tile::DotOp>();
    if (!dot || dot->getBlock() != &block || dot.getTransposeB() || !dot.getResult().hasOneUse() || !carried.hasOneUse())
      return false;
    WeightedSum sum{unsigned(n), dot, {}};
    if (auto map = dot.getAccumulator().getDefiningOp<tile::MapOp>()) {
      Block &region = map.getBody().front();
      auto product = region.getTerminator()->getOperand(0).getDefiningOp<arith::MulFOp>();
      if (map.getOperands().size() != 2 || !product || map.getOperand(0) != carried || tileOf(map.getOperand(1)).getColumns() != 1 ||
          product.getLhs() != region.getArgument(0) || product.getRhs() != region.getArgument(1))
        return false;
      sum.factor = map.getOperand(1);
    } else if (dot.getAccumulator() != carried) {
      return false;
    }
    body.sums.push_back(sum);
  }
  return !body.sums.empty();
}

bool Planner::findBodies() {
  bool same = true;
  for (Region &region : plan.sweep.getBodies()) {
    Body body{&region, {}, {}};
    for (auto dot : region.front().getOps<tile::DotOp>())
      if (dot.getTransposeB())
        body.scores.push_back(dot);
    same &= findSums(body) && region.front().getOps<scf::IfOp>().empty();
    plan.bodies.push_back(body);
  }
  auto heldNumber = [&](tile::DotOp dot) { return plan.heldOf[dot.getA().getDefiningOp()]; };
  auto streamNumber = [&](tile::DotOp dot) { return plan.streamOf[dot.getB().getDefiningOp()]; };
  for (Body &body : plan.bodies) {
    Body &first = plan.bodies[0];
    same &= body.scores.size() == first.scores.size() && body.sums.size() == first.sums.size();
    for (size_t n = 0; same && n < first.scores.size(); ++n)
      same &= heldNumber(body.scores[n]) == heldNumber(first.scores[n]) && streamNumber(body.scores[n]) == streamNumber(first.scores[n]);
    for (size_t n = 0; same && n < first.sums.size(); ++n)
      if (WeightedSum &sum = body.sums[n], &its = first.sums[n]; sum.dot)
        same &= its.dot && !sum.factor == !its.factor && streamNumber(sum.dot) == streamNumber(its.dot);
  }
  same &= llvm::all_of(plan.bodies[0].sums, [](WeightedSum &sum) { return bool(sum.dot); });
  plan.pipelined = same;
  return true;
}

//===-- Who needs what ----------------------------------------------------------------------------------------------===//

void Planner::slice(Operation *op, DenseSet<Operation *> &ops) {
  if (!op || op == plan.sweep || op == plan.loop || !ops.insert(op).second)
    return;
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      slice(operand, ops);
  });
}

void Planner::slice(Value value, DenseSet<Operation *> &ops) { slice(value.getDefiningOp(), ops); }

bool Planner::findSlices() {
  Block &top = plan.kernel.getBody().front();
  DenseSet<Operation *> &producer = plan.producerOps, &consumer = plan.consumerOps;
  slice(plan.sweep.getLower(), producer);
  slice(plan.sweep.getUpper(), producer);
  if (plan.loop) {
    slice(plan.loop.getLowerBound(), producer);
    slice(plan.loop.getUpperBound(), producer);
  }
  for (Operation &op : plan.sweep.getVisit().front())
    slice(&op, producer);
  auto place = [&](tile::LoadOp load) {
    for (Value index : load.getIndices())
      slice(index, producer);
  };
  for (const SharedTile &tile : llvm::concat<SharedTile>(plan.held, plan.streamed))
    place(tile.load);
  for (const SharedVector &vector : plan.vectors)
    place(vector.load);
  for (const Fold &fold : plan.folds)
    place(fold.load);

  for (Value init : plan.loop ? plan.loop.getInitArgs() : plan.sweep.getInits())
    slice(init, consumer);
  for (Region &body : plan.sweep.getBodies())
    for (Operation &op : body.front())
      slice(&op, consumer);
  for (Operation &op : top)
    if (isa<tile::StoreOp>(op))
      slice(&op, consumer);
  // What spans the rows of an item is known to the producer alone, but for guards, which are decided in the sweep.
  for (Operation *op : consumer) {
    if (plan.sweep->isAncestor(op))
      continue;
    if (auto reduce = dyn_cast<tile::ReduceOp>(op); reduce && reduce.getResult().getType().getRows() == 1 && reduce.getTile().getType().getRows() > 1)
      return refuse("a body depends on a reduction over held rows");
    if (auto store = dyn_cast<tile::StoreOp>(op); store && (store.getAccumulate() || store.getHeads() || store.getTransposed()))
      return refuse("it adds to what is stored");
    if (auto threshold = dyn_cast<tile::ThresholdOp>(op)) {
      if (plan.threshold || plan.loop || threshold.getRanking().getDefiningOp() != plan.sweep || plan.sweep.getInits().size() != 1)
        return refuse("its ranking is not all that its sweep fills");
      plan.threshold = threshold;
      continue;
    }
    if (isa<tile::DotOp, tile::GatherOp, tile::ScatterAddOp, tile::SliceOp, tile::ConcatOp, scf::IfOp, scf::ForOp>(op))
      return refuse("it needs " + op->getName().getStringRef() + " outside of its sweep");
    if (auto load = dyn_cast<tile::LoadOp>(op); load && !plan.heldOf.contains(load) && isWide(load.getTile()))
      return refuse("it loads a wide tile that no score takes");
  }
  for (Type type : plan.sweep.getResultTypes())
    if (isa<tile::RankingType>(type) && !plan.threshold)
      return refuse("its ranking has no threshold");
  for (Operation *op : producer)
    if (op->getNumResults() && isWide(op->getResult(0)) && !isa<tile::LoadOp>(op))
      return refuse("its visits depend on scores");
  for (Region &body : plan.sweep.getBodies())
    for (auto guard : body.getOps<scf::IfOp>())
      if (!isGuard(guard))
        return refuse("a branch in its sweep is not guarded by a comparison of scores");
  WalkResult inSweep = plan.sweep.walk([&](Operation *op) {
    if (isa<tile::StoreOp, tile::GatherOp, tile::ScatterAddOp, tile::SliceOp, tile::ConcatOp>(op))
      return refuse("it needs " + op->getName().getStringRef() + " in its sweep"), WalkResult::interrupt();
    return WalkResult::advance();
  });
  return !inSweep.wasInterrupted();
}

//===-- Visits ------------------------------------------------------------------------------------------------------===//

/// Sets visitsAreScalar and visitsAreSplit. In a visit region, whose facts are about intervals of tokens, the first held token stands
/// for itself, the last one as first + rows - 1, and the end of the tile, for a test that is only made stricter by a later start, as
/// first + rows. Any other sum of the first token and a constant may mean anything: then nothing is split.
void Planner::findVisits() {
  llvm::SetVector<Operation *> ops;
  Block &region = plan.sweep.getVisit().front();
  auto isScalar = [](Type type) { return type.isIntOrIndexOrFloat(); };
  plan.visitsAreScalar = true;
  ops.insert(region.getTerminator());
  for (size_t n = 0; n < ops.size(); ++n)
    for (Value operand : ops[n]->getOperands()) {
      Operation *op = operand.getDefiningOp();
      if (auto extract = dyn_cast_or_null<tile::ExtractOp>(op)) {
        if (!llvm::is_contained(plan.visitFacts, extract))
          plan.visitFacts.push_back(extract);
        plan.visitsAreScalar &= op->getBlock() != &region;
      } else if (op && !ops.contains(op)) {
        if (op->getNumRegions() || !llvm::all_of(op->getOperandTypes(), isScalar)) {
          plan.visitsAreScalar = false;
          return;
        }
        ops.insert(op);
      }
    }
  if (plan.threshold || plan.warpgroups < 2)
    return;
  plan.heldStart = plan.held[0].load.getIndices()[1];
  DenseSet<Value> starts{plan.heldStart};
  for (Operation *user : plan.heldStart.getUsers())
    if (isa<arith::IndexCastOp>(user))
      starts.insert(user->getResult(0));
  bool depends = false;
  for (Operation *op : ops) {
    if (llvm::none_of(op->getOperands(), [&](Value operand) { return starts.contains(operand); }))
      continue;
    depends = true;
    if (auto sum = dyn_cast<arith::AddIOp>(op)) {
      auto constant = getConstantIntValue(starts.contains(sum.getLhs()) ? sum.getRhs() : sum.getLhs());
      if (constant == plan.rows - 1 && (!plan.heldLast || plan.heldLast == sum.getResult()))
        plan.heldLast = sum.getResult();
      else if (constant != plan.rows)
        return;
    }
  }
  plan.visitsAreSplit = depends;
}

//===-- Layout ------------------------------------------------------------------------------------------------------===//

/// Places everything in shared memory, with as many stages as fit.
bool Planner::fitShared(int64_t blocks) {
  constexpr int64_t small = 2048; // barriers and slots, and the alignment of the start
  int64_t ones = plan.folds.empty() ? 0 : 4096;
  int64_t free = sharedLimit(blocks) - small - ones - plan.stagingBytes * plan.warpgroups;
  int64_t wanted = plan.columns >= 128 || blocks > 1 ? 2 : 3;
  int64_t lists = 0;
  if (plan.threshold) { // room for its lists is worth more than tiles ahead
    RowLayout layout{4 * plan.warpgroups, 1, 16, 64};
    plan.listCapacity = ListRanker::capacityFor(layout, free - plan.heldBytes - wanted * plan.stageBytes);
    if (!plan.listCapacity)
      return false;
    lists = llvm::alignTo(ListRanker::bytes(layout, plan.listCapacity), 16);
    free -= lists;
  }
  for (plan.heldBuffers = 2; plan.heldBuffers; --plan.heldBuffers) {
    plan.stages = std::min((free - plan.heldBuffers * plan.heldBytes) / plan.stageBytes, mostStages);
    if (plan.stages >= wanted || (plan.heldBuffers == 1 && plan.stages >= 2))
      break;
  }
  if (!plan.heldBuffers)
    return false;
  plan.stageOffset = plan.heldBuffers * plan.heldBytes;
  plan.stagingOffset = plan.stageOffset + plan.stages * plan.stageBytes;
  plan.onesOffset = plan.stagingOffset + plan.stagingBytes * plan.warpgroups;
  plan.listOffset = plan.onesOffset + ones;
  plan.barrierOffset = plan.listOffset + lists;
  return true;
}

bool Planner::layOut() {
  int64_t pairRegisters = plan.columns / 2, sums = 0;
  for (Type type : plan.sweep.getResultTypes())
    if (auto tile = dyn_cast<tile::TileType>(type); tile && tile.getRows() > 1)
      sums += std::max<int64_t>(1, tile.getColumns() / 2);
  for (SharedTile &tile : plan.held) {
    tile.offset = plan.heldBytes;
    plan.heldBytes += tile.bytes();
  }
  for (SharedTile &tile : plan.streamed) {
    tile.offset = plan.stageBytes;
    plan.stageBytes += tile.bytes();
  }
  for (SharedVector &vector : plan.vectors) {
    vector.offset = plan.stageBytes;
    plan.stageBytes += 4 * plan.columns;
  }
  plan.foldOffset = plan.stageBytes;
  if (!plan.folds.empty())
    plan.stageBytes += 16 * plan.columns;
  plan.stageBytes = llvm::alignTo(plan.stageBytes, 1024);
  for (auto store : plan.kernel.getOps<tile::StoreOp>()) {
    auto type = store.getTile().getType();
    if (type.getColumns() == 1)
      continue;
    if (type.getElement().isBF16()) {
      if (type.getColumns() % 16 || getConstantIntValue(store.getIndices()[3]) != 0 || !isa<BlockArgument>(store.getTarget()))
        return refuse("a result is not a whole row of heads");
      tensorMap(store.getTarget(), 64);
      plan.stagingBytes = std::max<int64_t>(plan.stagingBytes, (type.getColumns() + 63) / 64 * 64 * 128);
    }
  }
  // One warpgroup of consumers alone would leave a multiprocessor idle whenever it waits: then two blocks, if they fit.
  int64_t blocks = plan.warpgroups == 1 ? 2 : 1;
  while (blocks && !fitShared(blocks))
    --blocks;
  if (!blocks)
    return refuse(plan.threshold && !plan.listCapacity ? "shared memory has no room for the lists of its ranking"
                                                       : "its tiles do not fit into shared memory");

  // The registers of a multiprocessor, by warpgroups; a producer that computes much needs more than one that counts.
  bool heavy = llvm::any_of(plan.producerOps, [](Operation *op) { return isa<tile::MapOp, tile::ReduceOp>(op); });
  bool copies = !plan.vectors.empty();
  plan.consumerRegisters = plan.warpgroups == 3 ? (heavy ? 152 : 160) : heavy ? 224 : 240;
  plan.producerRegisters = plan.warpgroups == 3 ? (heavy ? 56 : 32) : heavy ? 56 : 24;
  if (blocks == 2)
    plan.consumerRegisters = 256 - (plan.producerRegisters = heavy ? 56 : 40);
  if (plan.threshold)
    sums += 64; // what the ranking remembers
  if (sums + pairRegisters + 24 > plan.consumerRegisters)
    return refuse("its tiles do not fit into registers");
  // Two sums keep the tensor cores of three warpgroups busy while scores are waited for; two warpgroups have the registers.
  if (Body &body = plan.bodies[0]; plan.pipelined && body.sums.size() > 1) {
    int64_t inFlight = pairRegisters * int64_t(body.scores.size()) + pairRegisters / 2 * int64_t(body.sums.size());
    plan.pipelined = plan.warpgroups < 3 && sums + inFlight + 24 <= plan.consumerRegisters;
    if (plan.pipelined && plan.warpgroups == 2 && heavy != copies)
      plan.consumerRegisters = 232, plan.producerRegisters = 40;
  }
  plan.takesTurns = plan.pipelined && plan.warpgroups == 3;
  plan.launch.threads = uint32_t(128 * (plan.warpgroups + 1));
  plan.launch.sharedBytes = uint32_t(llvm::alignTo(plan.endOfSlots(), 16) + 1024);
  plan.launch.blocksPerSm = uint32_t(blocks);
  plan.launch.counters = 2;
  return true;
}

} // namespace

std::optional<Plan> makePlan(func::FuncOp kernel, std::string &reason) { return Planner(kernel, reason).run(); }

} // namespace caa::nvptx::hopper
