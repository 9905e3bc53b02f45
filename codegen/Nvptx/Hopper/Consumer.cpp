// Consumer warpgroups: items, the visits of a sweep, in order or pipelined. See KernelEmitter.h.
#include "codegen/Nvptx/Hopper/Inputs.h"
#include "codegen/Nvptx/Hopper/KernelEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using LLVM::ICmpPredicate;

namespace caa::nvptx::hopper {

namespace {

/// None of a ranking, whose state is kept apart.
int64_t registersOf(Type type) {
  auto tile = dyn_cast<tile::TileType>(type);
  return tile ? int64_t(Values::placesOf(tile).size()) : 0;
}

} // namespace

//===-- Stages ------------------------------------------------------------------------------------------------------===//

/// `word`: what the slot before said of the stage.
KernelEmitter::Stage KernelEmitter::presentStage(Value word) {
  flight = {};
  flight.waited.resize(plan.ringCount());
  Value mine = plan.visitsAreSplit ? LLVM::LShrOp::create(code.builder, code.loc, word, code.mul(warpgroup, code.word(8))) : word;
  return {ring->stage.get(), ring->parity.get(), code.bitAnd(mine, code.word(255)), {}, {}, {}};
}

Value KernelEmitter::stageAddress(const Stage &stage, int64_t offset) {
  return code.add(code.mul(stage.number, code.word(plan.stageBytes)), at(plan.stageOffset + offset));
}

Value KernelEmitter::sixteenths(int64_t offset) { return code.add(opaque(code, base16), code.word(offset / 16)); }

Value KernelEmitter::stageSixteenths(const Stage &stage, int64_t offset) {
  return code.add(code.mul(stage.number, code.word(plan.stageBytes / 16)), sixteenths(plan.stageOffset + offset));
}

void KernelEmitter::readSlot(Stage &stage) {
  Value slot = code.add(code.mul(stage.number, code.word(16)), at(plan.stageSlot()));
  // One lane reads, and later says that the stage is free.
  SmallVector<Value> words = code.assembly("{\n.reg .b32 unused;\nmov.u32 $0, 0;\nmov.u32 $1, 0;\nmov.u32 $2, 0;\n"
                                           "@$4 ld.shared.v4.b32 {$0, $1, $2, unused}, [$3];\n}",
                                           "=&r,=&r,=&r,r,b,~{memory}", SmallVector<Type>(3, code.i32), {slot, firstLane});
  stage.position = code.uniform(words[0]), stage.next = code.uniform(words[1]);
  stage.head = plan.loop ? code.uniform(words[2]) : Value();
}

Value KernelEmitter::skipStage() {
  Stage stage = presentStage(code.word(0));
  for (unsigned n = 0; n < plan.ringCount(); ++n)
    waitRing(n, stage);
  readSlot(stage);
  takeTurn();
  passTurn();
  code.warpBarrier();
  releaseRings(llvm::BitVector(plan.ringCount(), true), stage.number);
  ring->advance(code);
  return stage.next;
}

/// Warpgroups take turns at every stage, those that pass it by included.
void KernelEmitter::takeTurn() {
  if (plan.takesTurns)
    syncNamed(code, code.add(warpgroup, code.word(1)), 256);
}

void KernelEmitter::passTurn() {
  if (!plan.takesTurns)
    return;
  Value isLast = code.compare(ICmpPredicate::eq, warpgroup, code.word(plan.warpgroups - 1));
  arriveNamed(code, code.select(isLast, code.word(1), code.add(warpgroup, code.word(2))), 256);
}

/// What a slot says, and the vectors of a stage, as values of `scope`.
void KernelEmitter::bindStage(Scope &scope, const Stage &stage) {
  for (Region &body : plan.sweep.getBodies())
    scope.setScalar(body.front().getArgument(0), stage.position);
  if (plan.loop)
    scope.setScalar(plan.loop.getInductionVar(), stage.head);
  Stage copy = stage;
  for (auto [op, number] : plan.vectorOf) {
    auto load = cast<tile::LoadOp>(op);
    int64_t offset = plan.vectors[number].offset;
    scope.setLazy(load.getTile(), [this, load, offset, copy](Scope &here, int64_t place) mutable {
      waitRing(plan.vectorRing(), copy);
      Type element = load.getTile().getType().getElement();
      Value address = code.add(code.add(stageAddress(copy, offset), code.mul(values->place.column, code.word(4))),
                               code.word(8 * (place & ~int64_t(3))));
      SmallVector<Value> pair = code.assembly("ld.shared.v2.b32 {$0, $1}, [$2];", "=r,=r,r,~{memory}", {code.i32, code.i32}, {address});
      for (int64_t column : {0, 1})
        here.setElement(load.getTile(), (place & ~int64_t(3)) + column, code.bitcast(pair[column], element));
      return Value();
    });
  }
}

void KernelEmitter::waitRing(unsigned ring, const Stage &stage) {
  if (flight.waited.test(ring))
    return;
  flight.waited.set(ring);
  waitBarrier(code, barrierOf(plan.fullBarrier(ring), stage.number), stage.parity);
}

void KernelEmitter::releaseRings(const llvm::BitVector &rings, Value stageNumber) {
  if (rings.any())
    arriveBarriers(code, llvm::map_to_vector(rings.set_bits(), [&](unsigned ring) { return barrierOf(plan.emptyBarrier(ring), stageNumber); }), firstLane);
}

void KernelEmitter::bindCarried(Scope &scope) {
  for (auto [n, variables] : llvm::enumerate(carried)) {
    SmallVector<Value> present;
    if (variables.empty())
      continue;
    for (const Variable &variable : variables)
      present.push_back(variable.get());
    for (Region &body : plan.sweep.getBodies())
      scope.setTile(body.front().getArgument(unsigned(n) + 1), present);
  }
}

//===-- Products ----------------------------------------------------------------------------------------------------===//

void KernelEmitter::issueScores(Scope &scope, tile::DotOp dot, const Stage &stage) {
  const SharedTile &held = plan.held[plan.heldOf.lookup(dot.getA().getDefiningOp())];
  unsigned ringNumber = streamOf(dot);
  const SharedTile &streamed = plan.streamed[ringNumber];
  waitRing(ringNumber, stage);
  Matrix a = matrixAt(code, code.add(opaque(code, heldStart), code.word(held.offset / 16)), 0);
  Matrix b = matrixAt(code, stageSixteenths(stage, streamed.offset), 0);
  std::optional<ExtraStep> extra;
  if (auto fold = plan.foldOf.find(dot); fold != plan.foldOf.end()) {
    waitRing(plan.foldRing(), stage);
    Value ones = sixteenths(plan.onesOffset + 2048 * fold->second), words = stageSixteenths(stage, plan.foldOffset);
    extra = ExtraStep{plainMatrixAt(code, ones, 128, 256), plainMatrixAt(code, words, 0, 128)};
  }
  SmallVector<Value> results =
      multiplyHeld(code, a, b, plan.columns, held.width, plan.rows, plan.columns, extra ? &*extra : nullptr);
  flight.groups.emplace_back(dot.getResult(), results);
  scope.setLazy(dot.getResult(), [this, dot](Scope &here, int64_t) mutable {
    complete(here, dot.getResult());
    return Value();
  });
}

/// `key`: the tile that the sums become.
void KernelEmitter::issueSum(Scope &scope, tile::DotOp dot, ValueRange sums, ValueRange packed, Value key, const Stage &stage) {
  unsigned ringNumber = streamOf(dot);
  const SharedTile &streamed = plan.streamed[ringNumber];
  waitRing(ringNumber, stage);
  Matrix b = matrixAt(code, stageSixteenths(stage, streamed.offset), plan.columns * 128);
  flight.groups.emplace_back(key, multiplyPacked(code, sums, packed, b, streamed.width, plan.columns));
  scope.setLazy(key, [this, key](Scope &here, int64_t) {
    complete(here, key);
    return Value();
  });
}

void KernelEmitter::complete(Scope &scope, Value tile, SmallVectorImpl<Value> *alsoTied) {
  size_t last = 0;
  while (last < flight.groups.size() && flight.groups[last].first != tile)
    ++last;
  if (last == flight.groups.size())
    return;
  SmallVector<Value> tied;
  for (size_t n = 0; n <= last; ++n)
    llvm::append_range(tied, flight.groups[n].second);
  if (alsoTied)
    llvm::append_range(tied, *alsoTied);
  SmallVector<Value> done = waitProducts(code, int64_t(flight.groups.size() - 1 - last), tied);
  ArrayRef<Value> rest = done;
  for (size_t n = 0; n <= last; ++n) {
    size_t count = flight.groups[n].second.size();
    scope.setTile(flight.groups[n].first, rest.take_front(count));
    rest = rest.drop_front(count);
  }
  if (alsoTied)
    alsoTied->assign(rest.begin(), rest.end());
  flight.groups.erase(flight.groups.begin(), flight.groups.begin() + last + 1);
}

//===-- Bodies ------------------------------------------------------------------------------------------------------===//

void KernelEmitter::perBody(const Stage &stage, function_ref<void(unsigned)> emit) {
  Block *join = code.newBlock();
  Flight before = flight;
  llvm::BitVector waited(plan.ringCount(), true);
  for (unsigned n = unsigned(plan.bodies.size()); n-- > 0;) {
    Block *skip = nullptr;
    if (n) {
      Block *run = code.newBlock();
      skip = code.newBlock();
      branchTogether(code.compare(ICmpPredicate::eq, stage.body, code.word(n + 1)), run, skip);
      code.enter(run);
    }
    flight = before;
    emit(n);
    waited &= flight.waited;
    code.jump(join);
    if (skip)
      code.enter(skip);
  }
  code.enter(join);
  flight.waited = waited;
}

/// Loads the few vectors that a tile is made of before anything waits for products, so that they arrive meanwhile.
void KernelEmitter::loadVectorsOf(Scope &scope, Value tile) {
  SmallVector<Value> found;
  for (Value leaf : inputsOf(tile))
    if (Operation *op = leaf.getDefiningOp(); op && plan.vectorOf.contains(op))
      found.push_back(leaf);
  if (found.size() <= 2)
    for (Value vector : found)
      scope.elements(vector);
}

/// What a place of weights needs that can be made while a product that it needs too is still running; of more than one such value
/// for each score there may be no registers.
SmallVector<Value> KernelEmitter::earlyOf(Scope &scope, Value weights) {
  SmallVector<Value> found;
  for (size_t done = 1; done < flight.groups.size(); ++done) {
    auto isLate = [&](Value leaf) {
      Value score = scope.resolve(leaf);
      return llvm::any_of(ArrayRef(flight.groups).drop_front(done), [&](auto &group) { return group.first == score; });
    };
    SmallVector<Value> early = earlyValues(weights, isLate);
    if (early.size() == 1)
      found.push_back(early[0]);
  }
  return found;
}

/// `later`: the weights of sums that come after it, of which what can be made now is.
void KernelEmitter::emitSum(Scope &scope, tile::DotOp dot, ArrayRef<tile::DotOp> later, const Stage &stage) {
  loadVectorsOf(scope, dot.getA());
  SmallVector<std::pair<tile::MapOp, Value>> early;
  for (tile::DotOp other : later)
    for (Value value : earlyOf(scope, other.getA()))
      early.emplace_back(other.getA().getDefiningOp<tile::MapOp>(), value);
  SmallVector<Value> packed, sums;
  for (int64_t place = 0, end = Values::typeOf(dot.getA()).getColumns() / 2; place < end; place += 2) {
    Value low = scope.unrounded(dot.getA(), place), high = scope.unrounded(dot.getA(), place + 1);
    packed.push_back(packPair(code, low, high));
    for (auto &[map, value] : early)
      for (int64_t column : {0, 1})
        scope.regionValue(map, value, place + column);
  }
  if (dot.getAccumulator())
    sums = scope.elements(dot.getAccumulator());
  issueSum(scope, dot, sums, packed, dot.getResult(), stage);
}

/// All of a body's block, products in flight allowed before it, none after it.
void KernelEmitter::emitBlock(Scope &scope, Block &block, const Stage &stage, bool scoresIssued) {
  SmallVector<tile::DotOp> sums;
  DenseMap<Value, unsigned> scoreNumber;
  for (auto dot : block.getOps<tile::DotOp>()) {
    if (!dot.getTransposeB()) {
      sums.push_back(dot);
      continue;
    }
    scoreNumber[dot.getResult()] = unsigned(scoreNumber.size()) + 1;
    if (!scoresIssued)
      issueScores(scope, dot, stage);
  }
  // First the sums whose weights need the fewest scores: their products run while the rest is waited for.
  auto rank = [&](tile::DotOp dot) {
    unsigned most = 0;
    for (Value leaf : inputsOf(dot.getA()))
      most = std::max(most, scoreNumber.lookup(leaf));
    return most;
  };
  llvm::stable_sort(sums, [&](tile::DotOp a, tile::DotOp b) { return rank(a) < rank(b); });
  for (auto [n, dot] : llvm::enumerate(sums))
    emitSum(scope, dot, ArrayRef(sums).drop_front(n + 1), stage);
  for (auto guard : block.getOps<scf::IfOp>())
    emitGuard(scope, guard, stage);
  for (auto rank : block.getOps<tile::RankOp>())
    emitRank(scope, rank);
  for (Value value : block.getTerminator()->getOperands())
    if (!value.getDefiningOp<tile::DotOp>() && Values::typeOf(value))
      scope.elements(value);
  if (!flight.groups.empty())
    complete(scope, flight.groups.back().first);
}

/// A branch that a warpgroup takes if any of its own rows needs it: what it skips would add nothing to any.
void KernelEmitter::emitGuard(Scope &scope, scf::IfOp guard, const Stage &stage) {
  auto compare = guard.getCondition().getDefiningOp<arith::CmpFOp>();
  auto map = compare.getLhs().getDefiningOp<tile::ExtractOp>().getTile().getDefiningOp<tile::ReduceOp>().getTile().getDefiningOp<tile::MapOp>();
  Value any;
  for (int64_t place : Values::placesOf(Values::typeOf(map.getResult(0)))) {
    Value one = scope.condition(map, place);
    any = any ? code.bitOr(any, one) : one;
  }
  Value barrier = code.add(warpgroup, code.word(12));
  Value voted = code.assembly("{\n.reg .pred p, q;\nsetp.ne.u32 q, $1, 0;\nbar.red.or.pred p, $2, 128, q;\nselp.u32 $0, 1, 0, p;\n}",
                              "=r,r,r,~{memory}", code.i32, {code.select(any, code.word(1), code.word(0)), barrier});
  if (!flight.groups.empty())
    complete(scope, flight.groups.back().first);

  SmallVector<SmallVector<Variable>> &results = guardResults[guard];
  if (results.empty())
    for (Type type : guard.getResultTypes())
      results.emplace_back(llvm::map_range(llvm::seq(registersOf(type)), [&](int64_t) { return Variable(code, code.f32); }));
  Block *join = code.newBlock(), *otherwise = code.newBlock(), *then = code.newBlock();
  branch(code.compare(ICmpPredicate::ne, voted, code.word(0)), then, otherwise);
  Flight before = flight;
  llvm::BitVector waited;
  auto side = [&](Block *entry, Region &region) {
    code.enter(entry);
    flight = before;
    Scope inner(*values, &scope);
    emitBlock(inner, region.front(), stage, false);
    for (auto [n, value] : llvm::enumerate(region.front().getTerminator()->getOperands()))
      for (auto [variable, element] : llvm::zip_equal(results[n], inner.elements(value)))
        variable.set(element);
    code.jump(join);
  };
  side(then, guard.getThenRegion());
  waited = flight.waited;
  side(otherwise, guard.getElseRegion());
  waited &= flight.waited;
  code.enter(join);
  flight.waited = waited;
  for (auto [n, result] : llvm::enumerate(guard.getResults())) {
    SmallVector<Value> present;
    for (const Variable &variable : results[n])
      present.push_back(variable.get());
    scope.setTile(result, present);
  }
}

//===-- Visits ------------------------------------------------------------------------------------------------------===//

/// One visit after the other; other warpgroups fill the gaps.
void KernelEmitter::emitVisitsInOrder(Scope &item, Value firstWord) {
  Block *top = code.newBlock(), *end = code.newBlock();
  Variable word(code, firstWord);
  code.jump(top);
  code.enter(top);
  if (plan.visitsAreSplit) {
    Block *skip = code.newBlock(), *visit = code.newBlock();
    branchTogether(code.compare(ICmpPredicate::ne, presentStage(word.get()).body, code.word(0)), visit, skip);
    code.enter(skip);
    word.set(skipStage());
    branchTogether(code.compare(ICmpPredicate::ne, word.get(), code.word(0)), top, end);
    code.enter(visit);
  }
  Stage stage = presentStage(word.get());
  waitRing(0, stage);
  Scope scope(*values, &item);
  // The scores that all bodies begin with are issued before the slot is looked at.
  bool common = llvm::all_of(plan.bodies, [&](Body &body) {
    return body.scores.size() == plan.bodies[0].scores.size() &&
           llvm::all_of(llvm::zip(body.scores, plan.bodies[0].scores), [&](auto pair) {
             auto [a, b] = pair;
             return streamOf(a) == streamOf(b) && plan.heldOf.lookup(a.getA().getDefiningOp()) == plan.heldOf.lookup(b.getA().getDefiningOp());
           });
  });
  if (common)
    for (tile::DotOp dot : plan.bodies[0].scores)
      issueScores(scope, dot, stage);
  if (common)
    for (Body &body : llvm::drop_begin(plan.bodies))
      for (auto [a, b] : llvm::zip(body.scores, plan.bodies[0].scores))
        scope.setSame(a.getResult(), b.getResult());
  readSlot(stage);
  bindStage(scope, stage);
  bindCarried(scope);
  // A ranking reads no tile but for its scores: the next ones may come while it looks at these.
  llvm::BitVector released(plan.ringCount());
  if (plan.threshold && common && !flight.groups.empty()) {
    complete(scope, flight.groups.back().first);
    code.warpBarrier();
    for (tile::DotOp dot : plan.bodies[0].scores)
      released.set(streamOf(dot));
    releaseRings(released, stage.number);
  }
  perBody(stage, [&](unsigned n) {
    Scope inner(*values, &scope);
    Block &block = plan.bodies[n].region->front();
    emitBlock(inner, block, stage, common);
    SmallVector<SmallVector<Value>> next;
    for (Value value : block.getTerminator()->getOperands())
      next.push_back(Values::typeOf(value) ? inner.elements(value) : SmallVector<Value>());
    for (auto [variables, elements] : llvm::zip_equal(carried, next))
      for (auto [variable, element] : llvm::zip_equal(variables, elements))
        variable.set(element);
  });
  for (unsigned ringNumber = 0; ringNumber < plan.ringCount(); ++ringNumber)
    waitRing(ringNumber, stage);
  code.warpBarrier();
  llvm::BitVector rest(released);
  releaseRings(rest.flip(), stage.number);
  ring->advance(code);
  word.set(stage.next);
  branchTogether(code.compare(ICmpPredicate::ne, stage.next, code.word(0)), top, end);
  code.enter(end);
}

/// A body's part that needs no sums: the next carried rows, the factors, and the weights in `fresh`.
void KernelEmitter::emitWeights(Scope &scope, unsigned n, const Stage &stage) {
  Body &body = plan.bodies[n];
  for (WeightedSum &sum : body.sums)
    if (sum.dot)
      loadVectorsOf(scope, sum.dot.getA());
  if (body.sums.size() == 1)
    for (Value weights = body.sums[0].dot.getA(); Value value : earlyOf(scope, weights))
      for (int64_t place : Values::placesOf(Values::typeOf(weights)))
        scope.regionValue(weights.getDefiningOp<tile::MapOp>(), value, place);
  SmallVector<Value> reduced;
  body.region->walk([&](tile::ReduceOp reduce) {
    if (auto type = reduce.getTile().getType(); reduce.getCombine() == tile::Combine::Add && type.getRows() > 1 && type.getColumns() > 1)
      reduced.push_back(reduce.getTile());
  });
  // Place by place, so that what several weights and rows are made of need not be kept.
  for (int64_t place = 0; place < plan.columns / 2; ++place) {
    for (auto [k, sum] : llvm::enumerate(body.sums))
      fresh[k][size_t(place)].set(sum.dot ? scope.unrounded(sum.dot.getA(), place) : code.real(0, code.f32));
    for (Value tile : reduced)
      scope.element(tile, place);
  }
  for (auto [k, sum] : llvm::enumerate(body.sums))
    for (auto [place, variable] : llvm::enumerate(factors[k]))
      variable.set(sum.factor ? scope.element(sum.factor, 2 * int64_t(place)) : code.real(1, code.f32));
  Operation *next = body.region->front().getTerminator();
  SmallVector<std::pair<unsigned, SmallVector<Value>>> rows;
  for (auto [c, value] : llvm::enumerate(next->getOperands()))
    if (llvm::none_of(body.sums, [&](WeightedSum &sum) { return sum.carried == c; }))
      rows.emplace_back(unsigned(c), scope.elements(value));
  for (auto &[c, elements] : rows)
    for (auto [variable, element] : llvm::zip_equal(carried[c], elements))
      variable.set(element);
  // Every score has been waited for, whether it was of use or not.
  if (!body.scores.empty())
    complete(scope, plan.bodies[0].scores.back().getResult());
}

/// The scores of the next visit are issued before the sums of the present one, so that one of them always runs beside the maps.
void KernelEmitter::emitVisitsPipelined(Scope &item, Value firstWord) {
  Body &first = plan.bodies[0];
  llvm::BitVector ofScores(plan.ringCount()), ofSums(plan.ringCount());
  for (tile::DotOp dot : first.scores)
    ofScores.set(streamOf(dot));
  for (WeightedSum &sum : first.sums)
    ofSums.set(streamOf(sum.dot));
  auto waitScores = [&](const Stage &stage) {
    for (unsigned n : ofScores.set_bits())
      waitRing(n, stage);
  };
  auto releaseAhead = [&](const Stage &stage) { // what no sum reads
    code.warpBarrier();
    llvm::BitVector rings(ofSums);
    rings.flip();
    for (unsigned n : rings.set_bits())
      waitRing(n, stage);
    releaseRings(rings, stage.number);
  };
  auto issueAll = [&](Scope &scope, Stage &stage) {
    for (tile::DotOp dot : first.scores)
      issueScores(scope, dot, stage);
    for (Body &body : llvm::drop_begin(plan.bodies))
      for (auto [a, b] : llvm::zip(body.scores, first.scores))
        scope.setSame(a.getResult(), b.getResult());
  };
  auto makeWeights = [&](Scope &scope, const Stage &stage) {
    perBody(stage, [&](unsigned n) {
      Scope inner(*values, &scope);
      emitWeights(inner, n, stage);
    });
  };
  auto pack = [&](ArrayRef<Value> fresh, size_t k) {
    for (size_t n = 0; n < weights[k].size(); ++n)
      weights[k][n].set(packPair(code, fresh[2 * n], fresh[2 * n + 1]));
  };
  auto read = [](ArrayRef<Variable> variables) { return SmallVector<Value>(llvm::map_range(variables, [](const Variable &v) { return v.get(); })); };
  auto issueSums = [&](Scope &scope, const Stage &stage) {
    for (auto [k, sum] : llvm::enumerate(first.sums)) {
      SmallVector<Value> sums = read(carried[sum.carried]);
      auto scale = [&]() -> SmallVector<Value> {
        SmallVector<Value> scaled;
        for (auto [n, value] : llvm::enumerate(sums))
          scaled.push_back(code.fmul(value, factors[k][(n % 4) / 2].get()));
        return scaled;
      };
      if (sum.factor && plan.isPartial(unsigned(k))) { // often by 1
        Value one = code.real(1, code.f32), changes = code.boolean(false);
        for (const Variable &factor : factors[k])
          changes = code.bitOr(changes, code.compare(LLVM::FCmpPredicate::une, factor.get(), one));
        sums = code.choose(code.anyInWarp(changes), ValueRange(sums).getTypes(), scale, [&] { return sums; });
      } else if (sum.factor) {
        sums = scale();
      }
      issueSum(scope, sum.dot, sums, read(weights[k]), plan.sweep.getResult(sum.carried), stage);
    }
  };

  // Stages that this warpgroup skips lie before, between or after its runs of visits.
  Variable word(code, firstWord);
  Block *run = code.newBlock(), *finish = code.newBlock();
  code.jump(run);
  code.enter(run);
  if (plan.visitsAreSplit) {
    Block *skip = code.newBlock(), *visit = code.newBlock();
    branchTogether(code.compare(ICmpPredicate::ne, presentStage(word.get()).body, code.word(0)), visit, skip);
    code.enter(skip);
    word.set(skipStage());
    branchTogether(code.compare(ICmpPredicate::ne, word.get(), code.word(0)), run, finish);
    code.enter(visit);
  }
  // The first visit of a run has no sums before it.
  Stage start = presentStage(word.get());
  {
    waitScores(start);
    Scope scope(*values, &item);
    takeTurn();
    issueAll(scope, start);
    passTurn();
    readSlot(start);
    bindStage(scope, start);
    bindCarried(scope);
    makeWeights(scope, start);
    flight.groups.clear();
    for (size_t k = 0; k < first.sums.size(); ++k)
      pack(read(fresh[k]), k);
    releaseAhead(start);
  }
  Variable number(code, start.number), parity(code, start.parity);
  word.set(start.next);
  Block *top = code.newBlock(), *step = code.newBlock(), *end = code.newBlock();
  code.jump(top);
  code.enter(top);
  branchTogether(code.compare(ICmpPredicate::ne, presentStage(word.get()).body, code.word(0)), step, end);
  code.enter(step);
  {
    Stage present{number.get(), parity.get(), {}, {}, {}, {}};
    ring->advance(code);
    Stage next = presentStage(word.get());
    waitScores(next);
    Scope scope(*values, &item);
    takeTurn();
    issueAll(scope, next);
    // The present stage's rings that sums read: waited for apart from the next stage's.
    llvm::BitVector waited = flight.waited;
    flight.waited = ofScores;
    issueSums(scope, present);
    flight.waited = waited;
    passTurn();
    readSlot(next);
    bindStage(scope, next);
    bindCarried(scope);
    auto sumsInFlight = SmallVector<std::pair<Value, SmallVector<Value>>>(ArrayRef(flight.groups).take_back(first.sums.size()));
    makeWeights(scope, next);
    flight.groups.assign(sumsInFlight.begin(), sumsInFlight.end());
    SmallVector<Value> all;
    for (auto &variables : fresh)
      llvm::append_range(all, read(variables));
    complete(scope, flight.groups.back().first, &all);
    for (WeightedSum &sum : first.sums)
      for (auto [variable, element] : llvm::zip_equal(carried[sum.carried], scope.elements(plan.sweep.getResult(sum.carried))))
        variable.set(element);
    releaseRings(ofSums, present.number);
    releaseAhead(next);
    for (size_t k = 0, from = 0; k < first.sums.size(); from += fresh[k].size(), ++k)
      pack(ArrayRef(all).drop_front(from).take_front(fresh[k].size()), k);
    number.set(next.number), parity.set(next.parity), word.set(next.next);
  }
  code.jump(top);
  code.enter(end);
  Stage present{number.get(), parity.get(), {}, {}, {}, {}};
  Scope scope(*values, &item);
  flight = {};
  flight.waited = ofScores;
  issueSums(scope, present);
  complete(scope, flight.groups.back().first);
  for (WeightedSum &sum : first.sums)
    for (auto [variable, element] : llvm::zip_equal(carried[sum.carried], scope.elements(plan.sweep.getResult(sum.carried))))
      variable.set(element);
  releaseRings(ofSums, present.number);
  ring->advance(code);
  if (plan.visitsAreSplit)
    branchTogether(code.compare(ICmpPredicate::ne, word.get(), code.word(0)), run, finish);
  else
    code.jump(finish);
  code.enter(finish);
}

//===-- Items -------------------------------------------------------------------------------------------------------===//

void KernelEmitter::emitConsumer() {
  setRegisters(code, plan.consumerRegisters, true);
  Value warp = code.bitAnd(code.shiftRightUnsigned(code.thread(), 5), code.word(3));
  Value row = code.add(code.add(code.mul(warpgroup, code.word(64)), code.mul(warp, code.word(16))), code.shiftRightUnsigned(lane, 2));
  Value column = code.mul(code.bitAnd(code.thread(), code.word(3)), code.word(2));
  values = std::make_unique<Values>(frame, ThreadPlace{row, column});
  values->done = &plan.foldedSubtractions;
  values->compared = &plan.compared;
  ring = std::make_unique<RingState>(code, plan.stages, 0);
  heldRing = std::make_unique<RingState>(code, plan.heldBuffers, 0);
  for (Type type : plan.sweep.getResultTypes())
    carried.emplace_back(llvm::map_range(llvm::seq(registersOf(type)), [&](int64_t) { return Variable(code, code.f32); }));
  if (plan.pipelined)
    for (WeightedSum &sum : plan.bodies[0].sums) {
      auto variables = [&](int64_t count, Type type) {
        return SmallVector<Variable>(llvm::map_range(llvm::seq(count), [&](int64_t) { return Variable(code, type); }));
      };
      weights.push_back(variables(plan.columns / 4, code.i32));
      fresh.push_back(variables(plan.columns / 2, code.f32));
      factors.push_back(variables(sum.factor ? 2 : 0, code.f32));
    }

  if (plan.threshold)
    makeRanker();
  // The first turn is the first warpgroup's.
  if (plan.pipelined && plan.takesTurns)
    code.when(code.compare(ICmpPredicate::eq, warpgroup, code.word(0)), [&] { arriveNamed(code, code.word(1), 256); });

  Block *top = code.newBlock(), *work = code.newBlock(), *end = code.newBlock();
  code.jump(top);
  code.enter(top);
  // Tells ptxas that warps are whole here; without it, it takes them for diverged in a sweep that has no barrier, and computes every
  // descriptor in each lane.
  syncNamed(code, code.add(warpgroup, code.word(8)), 128);
  Value buffer = heldRing->stage.get();
  heldStart = code.add(code.mul(buffer, code.word(plan.heldBytes / 16)), code.add(base16, code.mul(warpgroup, code.word(64 * 128 / 16))));
  waitBarrier(code, barrierOf(plan.heldFull(), buffer), heldRing->parity.get());
  Value slot = code.add(code.mul(buffer, code.word(16)), at(plan.heldSlot()));
  SmallVector<Value> words =
      code.assembly("{\nmov.u32 $0, 0;\nmov.u32 $1, 0;\n@$3 ld.shared.v2.b32 {$0, $1}, [$2];\n}", "=&r,=&r,r,b,~{memory}",
                    {code.i32, code.i32}, {slot, firstLane});
  Value item = code.uniform(words[0]), firstWord = code.uniform(words[1]);
  branchTogether(code.compare(ICmpPredicate::slt, item, code.word(0)), end, work);
  code.enter(work);
  Scope scope(*values, nullptr);
  for (auto op : plan.kernel.getOps<tile::ItemOp>())
    scope.setScalar(op.getItem(), item);
  emitAhead(scope, plan.kernel.getBody().front(), plan.consumerOps, true);
  OperandRange inits = plan.loop ? OperandRange(plan.loop.getInitArgs()) : plan.sweep.getInits();
  for (auto [variables, init] : llvm::zip_equal(carried, inits))
    if (!variables.empty())
      for (auto [variable, element] : llvm::zip_equal(variables, scope.elements(init)))
        variable.set(element);
  SmallVector<Value> thresholds;
  if (plan.threshold)
    thresholds = emitThreshold(scope, firstWord);
  else
    code.when(code.compare(ICmpPredicate::ne, firstWord, code.word(0)), [&] {
      if (plan.pipelined)
        emitVisitsPipelined(scope, firstWord);
      else
        emitVisitsInOrder(scope, firstWord);
    });
  code.warpBarrier();
  arriveBarrier(code, barrierOf(plan.heldEmpty(), buffer), firstLane);
  heldRing->advance(code);
  Scope results(*values, &scope);
  if (plan.threshold)
    results.setTile(plan.threshold.getThreshold(), thresholds);
  for (auto [n, variables] : llvm::enumerate(carried)) {
    SmallVector<Value> present;
    if (variables.empty())
      continue;
    for (const Variable &variable : variables)
      present.push_back(variable.get());
    results.setTile(plan.loop ? plan.loop.getResult(unsigned(n)) : plan.sweep.getResult(unsigned(n)), present);
  }
  emitResults(results);
  code.jump(top);
  code.enter(end);
  waitStores(code, code.compare(ICmpPredicate::eq, warpgroupThread, code.word(0)), true);
}

} // namespace caa::nvptx::hopper
