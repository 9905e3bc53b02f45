// The frame of a kernel and its producer. See KernelEmitter.h.
#include "codegen/Nvptx/Hopper/KernelEmitter.h"

using namespace mlir;
using LLVM::ICmpPredicate;

namespace caa::nvptx::hopper {

//===-- Common ------------------------------------------------------------------------------------------------------===//

Variable::Variable(ThreadCode &code, Type type) : code(&code), type(type) {
  OpBuilder entry(code.function.getContext());
  entry.setInsertionPointToStart(&code.function.front());
  Value one = LLVM::ConstantOp::create(entry, code.loc, entry.getI32IntegerAttr(1));
  pointer = LLVM::AllocaOp::create(entry, code.loc, code.pointer, type, one);
}

Value Variable::get() const { return LLVM::LoadOp::create(code->builder, code->loc, type, pointer); }

void Variable::set(Value value) const { LLVM::StoreOp::create(code->builder, code->loc, value, pointer); }

RingState::RingState(ThreadCode &code, int64_t stages, int64_t firstParity)
    : stage(code, code.word(0)), parity(code, code.word(firstParity)), stages(stages) {}

void RingState::advance(ThreadCode &code) const {
  Value next = code.add(stage.get(), code.word(1));
  Value wraps = code.compare(ICmpPredicate::eq, next, code.word(stages));
  stage.set(code.select(wraps, code.word(0), next));
  parity.set(code.bitXor(parity.get(), code.select(wraps, code.word(1), code.word(0))));
}

KernelEmitter::KernelEmitter(Plan &plan, ModuleOp module, caa_target target)
    : plan(plan), frame(plan.kernel, module, target, plan.launch), code(frame.code) {}

void KernelEmitter::branch(Value condition, Block *yes, Block *no) {
  LLVM::CondBrOp::create(code.builder, code.loc, condition, yes, ValueRange{}, no, ValueRange{});
}

FailureOr<LaunchInfo> KernelEmitter::run() {
  Value start = code.sharedAddress(code.shared());
  base = code.bitAnd(code.add(start, code.word(1023)), code.word(-1024));
  base16 = code.shiftRightUnsigned(base, 4);
  initBarriers();
  lane = code.bitAnd(code.thread(), code.word(31));
  firstLane = code.compare(ICmpPredicate::eq, lane, code.word(0));
  Value group = code.uniform(code.shiftRightUnsigned(code.thread(), 7));
  warpgroup = code.sub(group, code.word(1));
  warpgroupThread = code.bitAnd(code.thread(), code.word(127));
  Block *end = code.newBlock(), *consumer = code.newBlock(), *producer = code.newBlock();
  branch(code.compare(ICmpPredicate::eq, group, code.word(0)), producer, consumer);
  code.enter(producer);
  emitProducer();
  code.jump(end);
  bool ok = !values->failed;
  code.enter(consumer);
  emitConsumer();
  code.jump(end);
  code.enter(end);
  if (!ok || values->failed)
    return failure();
  return frame.finish(plan.launch.blocksPerSm);
}

void KernelEmitter::initBarriers() {
  code.when(code.compare(ICmpPredicate::eq, code.thread(), code.word(0)), [&] {
    int64_t consumerWarps = 4 * plan.warpgroups;
    for (unsigned ring = 0; ring < plan.ringCount(); ++ring)
      for (int64_t stage = 0; stage < plan.stages; ++stage) {
        initBarrier(code, at(plan.fullBarrier(ring) + 8 * stage), ring < plan.streamed.size() ? 1 : 32);
        initBarrier(code, at(plan.emptyBarrier(ring) + 8 * stage), consumerWarps);
      }
    for (int64_t buffer = 0; buffer < plan.heldBuffers; ++buffer) {
      initBarrier(code, at(plan.heldFull() + 8 * buffer), 1);
      initBarrier(code, at(plan.heldEmpty() + 8 * buffer), consumerWarps);
    }
    if (plan.threshold)
      initBarrier(code, at(plan.commandBarrier()), consumerWarps);
    fenceBarriers(code);
  });
  // Matrices of ones in three columns, 0 to 2 or 4 to 6: 64 rows of 16 columns in blocks of 8x8.
  if (!plan.folds.empty())
    code.when(code.compare(ICmpPredicate::ult, code.thread(), code.word(128)), [&] {
      Value unit = code.thread();
      Value first = code.compare(ICmpPredicate::eq, code.bitAnd(unit, code.word(8)), code.word(0));
      Value zero = code.word(0), two = code.select(first, code.word(0x3f803f80), zero), one = code.select(first, code.word(0x3f80), zero);
      Value address = code.add(code.mul(unit, code.word(16)), at(plan.onesOffset));
      code.assembly("st.shared.v4.b32 [$0], {$1, $2, $3, $3};\nst.shared.v4.b32 [$0+2048], {$3, $3, $1, $2};", "r,r,r,r,~{memory}",
                    {address, two, one, zero});
      fenceShared(code);
    });
  code.barrier();
}

void KernelEmitter::emitAhead(Scope &scope, Block &block, const DenseSet<Operation *> &ops, bool tiles) {
  for (Operation &op : block) {
    if (!ops.contains(&op) || op.getNumRegions() > 1 || isa<tile::StoreOp>(op))
      continue;
    Operation *sweep = plan.loop && plan.loop->getBlock() == &block ? plan.loop.getOperation() : plan.sweep.getOperation();
    if (op.isBeforeInBlock(sweep))
      for (Value result : op.getResults()) {
        auto type = Values::typeOf(result);
        if (!type && !isa<tile::ItemOp, tile::RankingOp>(op))
          scope.scalar(result);
        else if (type && tiles && type.getColumns() == 1)
          scope.elements(result);
      }
  }
}

//===-- Items -------------------------------------------------------------------------------------------------------===//

Value KernelEmitter::drawTicket(Value counter) {
  Value drawn = code.assembly("{\nmov.u32 $0, 0;\n@$2 atom.global.add.u32 $0, [$1], 1;\n}", "=r,l,b,~{memory}", code.i32,
                              {counter, firstLane});
  return code.uniform(drawn);
}

/// Which item a ticket means: within groups of heads whose swept tiles fit into the L2 cache, the longest sweeps first.
Value KernelEmitter::itemOf(Value ticket) {
  auto grid = plan.kernel->getAttrOfType<ArrayAttr>("tile.grid");
  auto term = grid && grid.size() == 1 ? dyn_cast<tile::TermAttr>(grid[0]) : tile::TermAttr();
  if (!term || term.getBatch() != 1 || term.getLength() != 1 || term.getDivisor() != 1 || term.getLengthDivisor() != plan.rows)
    return ticket;
  auto divide = [&](Value a, Value b) -> Value { return LLVM::UDivOp::create(code.builder, code.loc, a, b); };
  Value length = frame.extent32(tile::Extent::Length);
  Value tiles = divide(code.add(length, code.word(plan.rows - 1)), code.word(plan.rows));
  Value heads = divide(code.toWord(frame.items()), tiles);
  int64_t bytesPerToken = 0;
  for (const SharedTile &tile : plan.streamed)
    bytesPerToken += 2 * tile.width;
  constexpr int64_t cache = 32 << 20;
  Value together = divide(code.word(cache / bytesPerToken), length);
  together = code.maximum(code.minimum(together, heads), code.word(1));
  Value section = divide(ticket, code.mul(together, tiles));
  Value first = code.mul(section, together);
  Value within = code.sub(ticket, code.mul(first, tiles));
  Value count = code.minimum(together, code.sub(heads, first));
  Value rank = divide(within, count);
  Value head = code.add(first, code.sub(within, code.mul(rank, count)));
  // A sweep that ends with the held rows grows with them; one that begins with them shrinks.
  bool grows = !plan.sweep.getUpper().getDefiningOp<tile::ExtentOp>();
  Value tile = grows ? code.sub(code.sub(tiles, code.word(1)), rank) : rank;
  return code.add(code.mul(head, tiles), tile);
}

//===-- The producer ------------------------------------------------------------------------------------------------===//

/// Reductions of narrow tiles to one value: each lane takes every 32nd row, then the lanes of the warp meet.
void KernelEmitter::defineReductions(Scope &scope) {
  for (Operation *op : plan.producerOps) {
    auto reduce = dyn_cast<tile::ReduceOp>(op);
    if (!reduce || Values::typeOf(reduce.getResult()).getRows() * Values::typeOf(reduce.getResult()).getColumns() != 1)
      continue;
    scope.setLazy(reduce.getResult(), [this, reduce](Scope &here, int64_t) mutable {
      auto type = reduce.getTile().getType();
      int64_t count = std::max(type.getRows(), type.getColumns());
      SmallVector<Value> own;
      for (int64_t n = 0; n < count; n += 32) {
        Value place = code.add(lane, code.word(n));
        Values chunk(frame, {place, place});
        Scope inner(chunk, &here);
        own.push_back(inner.element(reduce.getTile(), 0));
        values->failed |= chunk.failed;
      }
      Value result = values->sum(own, reduce.getCombine());
      for (int64_t mask : {16, 8, 4, 2, 1})
        result = values->combine(reduce.getCombine(), result, code.shuffleXor(result, mask));
      return result;
    });
  }
}

void KernelEmitter::emitProducer() {
  setRegisters(code, plan.producerRegisters, false);
  Block *end = code.newBlock(), *start = code.newBlock();
  branch(code.compare(ICmpPredicate::ult, code.thread(), code.word(32)), start, end);
  code.enter(start);
  values = std::make_unique<Values>(frame, ThreadPlace{code.word(0), code.word(0)});
  ring = std::make_unique<RingState>(code, plan.stages, 1);
  heldRing = std::make_unique<RingState>(code, plan.heldBuffers, 1);
  pendingPosition = Variable(code, code.i32), pendingHead = Variable(code, code.word(0));
  Value tickets = frame.counters();
  Variable ticket(code, drawTicket(tickets));
  Variable have(code, code.word(0)), held(code, code.word(0)), swept(code, code.word(0)), commandParity(code, code.word(0));
  Value count = code.toWord(frame.items());

  Block *draw = code.newBlock();
  code.jump(draw);
  code.enter(draw);
  waitBarrier(code, barrierOf(plan.heldEmpty(), heldRing->stage.get()), heldRing->parity.get());
  Value present = ticket.get();
  Block *finish = code.newBlock(), *work = code.newBlock();
  branch(code.compare(ICmpPredicate::slt, present, count), work, finish);

  code.enter(work);
  Value next = drawTicket(tickets);
  Value item = itemOf(present);
  Scope scope(*values, nullptr);
  defineReductions(scope);
  for (auto op : plan.kernel.getOps<tile::ItemOp>())
    scope.setScalar(op.getItem(), item);
  emitAhead(scope, plan.kernel.getBody().front(), plan.producerOps, false);
  held.set(code.word(0)), swept.set(code.word(0));
  Block *sweepStart = code.newBlock(); // a kernel that ranks comes here again
  code.jump(sweepStart);
  code.enter(sweepStart);
  have.set(code.word(0));

  // For every head of the group, every tile of the sweep that is visited. One is kept pending until the next is found.
  Block *headTop = nullptr, *headEnd = nullptr;
  Scope outer(*values, &scope);
  Variable head(code, code.i32);
  if (plan.loop) {
    head.set(scope.scalar(plan.loop.getLowerBound()));
    headEnd = code.newBlock();
    Block *body = code.newBlock();
    headTop = code.newBlock();
    code.jump(headTop);
    code.enter(headTop);
    branch(code.compare(ICmpPredicate::slt, head.get(), scope.scalar(plan.loop.getUpperBound())), body, headEnd);
    code.enter(body);
    outer.setScalar(plan.loop.getInductionVar(), head.get());
    emitAhead(outer, *plan.loop.getBody(), plan.producerOps, false);
  }
  Variable position(code, outer.scalar(plan.sweep.getLower()));
  Value upper = outer.scalar(plan.sweep.getUpper());
  Block *sweepEnd = code.newBlock(), *look = code.newBlock(), *sweepTop = code.newBlock();
  code.jump(sweepTop);
  code.enter(sweepTop);
  branch(code.compare(ICmpPredicate::slt, position.get(), upper), look, sweepEnd);
  code.enter(look);
  // Where each lane can look at a tile of its own, 32 at a time.
  int64_t looks = plan.visitsAreScalar ? 32 : 1;
  Value chunk = position.get(), here = looks > 1 ? code.add(chunk, code.mul(lane, code.word(plan.columns))) : chunk;
  Value word = wordOf(outer, item, here);
  Value visited = code.compare(ICmpPredicate::ne, word, code.word(0));
  if (looks > 1)
    visited = code.bitAnd(visited, code.compare(ICmpPredicate::slt, here, upper));
  Variable found(code, looks > 1 ? code.intrinsic("llvm.nvvm.vote.ballot.sync", code.i32, {code.word(-1), visited})
                                 : code.select(visited, code.word(1), code.word(0)));
  position.set(code.add(chunk, code.word(looks * plan.columns)));
  Block *pick = code.newBlock(), *take = code.newBlock();
  code.jump(pick);
  code.enter(pick);
  branch(code.compare(ICmpPredicate::ne, found.get(), code.word(0)), take, sweepTop);
  code.enter(take);
  {
    Value rest = found.get();
    found.set(code.bitAnd(rest, code.sub(rest, code.word(1))));
    Value n = looks > 1 ? Value(LLVM::CountTrailingZerosOp::create(code.builder, code.loc, code.i32, rest, /*is_zero_poison=*/true)) : code.word(0);
    Value next = looks > 1 ? code.shuffleFrom(word, n) : word;
    Block *first = code.newBlock(), *later = code.newBlock(), *join = code.newBlock();
    branch(code.compare(ICmpPredicate::ne, have.get(), code.word(0)), later, first);
    code.enter(later);
    issueStage(scope, next);
    code.jump(join);
    code.enter(first);
    code.when(code.compare(ICmpPredicate::eq, held.get(), code.word(0)), [&] { issueHeld(scope, item, next); });
    held.set(code.word(1));
    code.jump(join);
    code.enter(join);
    have.set(code.word(1));
    pendingPosition.set(code.add(chunk, code.mul(n, code.word(plan.columns))));
    if (plan.loop)
      pendingHead.set(head.get());
  }
  code.jump(pick);
  code.enter(sweepEnd);
  if (plan.loop) {
    head.set(code.add(head.get(), code.word(1)));
    code.jump(headTop);
    code.enter(headEnd);
  }
  Block *some = code.newBlock(), *none = code.newBlock(), *after = code.newBlock();
  branch(code.compare(ICmpPredicate::ne, have.get(), code.word(0)), some, none);
  code.enter(some);
  issueStage(scope, code.word(0));
  if (plan.threshold) {
    // No threshold is known after one sweep: the second one needs no word.
    Block *ask = code.newBlock();
    Value isFirst = code.compare(ICmpPredicate::eq, swept.get(), code.word(0));
    swept.set(code.word(1));
    branch(isFirst, sweepStart, ask);
    code.enter(ask);
    waitBarrier(code, at(plan.commandBarrier()), commandParity.get());
    commandParity.set(code.bitXor(commandParity.get(), code.word(1)));
    Value again = code.assembly("ld.shared.b32 $0, [$1];", "=r,r,~{memory}", code.i32, {at(plan.commandSlot())});
    branch(code.compare(ICmpPredicate::ne, code.uniform(again), code.word(0)), sweepStart, after);
  } else {
    code.jump(after);
  }
  code.enter(none);
  issueHeld(scope, item, code.word(0));
  code.jump(after);
  code.enter(after);
  ticket.set(next);
  heldRing->advance(code);
  code.jump(draw);

  // No more items: tell the consumers; the last block to get here resets the counters.
  code.enter(finish);
  code.when(firstLane, [&] {
    Value slot = code.add(code.mul(heldRing->stage.get(), code.word(16)), at(plan.heldSlot()));
    code.assembly("st.shared.v2.b32 [$0], {$1, $2};", "r,r,r,~{memory}", {slot, code.word(-1), code.word(0)});
    arriveBarrier(code, barrierOf(plan.heldFull(), heldRing->stage.get()), code.boolean(true));
    Value finished = code.offset(tickets, 4);
    Value before = code.assembly("atom.global.add.u32 $0, [$1], 1;", "=r,l,~{memory}", code.i32, {finished});
    code.when(code.compare(ICmpPredicate::eq, before, code.sub(code.blockCount(), code.word(1))), [&] {
      for (Value counter : {tickets, finished})
        code.assembly("st.global.u32 [$0], 0;", "l,~{memory}", {counter});
    });
  });
  code.jump(end);
  code.enter(end);
}

Value KernelEmitter::wordOf(Scope &scope, Value item, Value here) {
  Block &region = plan.sweep.getVisit().front();
  Value chosen = region.getTerminator()->getOperand(0);
  Scope whole(*values, &scope);
  whole.setScalar(region.getArgument(0), here);
  if (!plan.visitsAreSplit)
    return code.mul(code.add(whole.scalar(chosen), code.word(1)), code.word(0x010101));
  Value start = scope.scalar(plan.heldStart), word;
  for (int64_t n = 0; n < plan.warpgroups; ++n) {
    Scope visit(*values, nullptr); // nothing known of the whole item but its number, and what is known of tiles
    for (tile::ExtractOp fact : plan.visitFacts)
      visit.setScalar(fact.getResult(), whole.scalar(fact.getResult()));
    for (auto op : plan.kernel.getOps<tile::ItemOp>())
      visit.setScalar(op.getItem(), item);
    if (plan.loop)
      visit.setScalar(plan.loop.getInductionVar(), scope.scalar(plan.loop.getInductionVar()));
    visit.setScalar(region.getArgument(0), here);
    visit.setScalar(plan.heldStart, code.add(start, code.word(64 * n)));
    if (plan.heldLast)
      visit.setScalar(plan.heldLast, code.add(start, code.word(64 * n + 63)));
    Value part = code.mul(code.add(visit.scalar(chosen), code.word(1)), code.word(int64_t(1) << (8 * n)));
    word = word ? code.bitOr(word, part) : part;
  }
  return word;
}

void KernelEmitter::loadTile(Scope &scope, const SharedTile &tile, Value address, Value barrier) {
  SmallVector<Value> indices;
  tile::LoadOp load = tile.load;
  for (Value index : load.getIndices())
    indices.push_back(scope.scalar(index));
  for (int64_t block = 0; block < tile.blocks(); ++block)
    loadBox(code, code.add(address, code.word(block * tile.rows * 128)), frame.tensorMap(tile.map),
            {code.word(64 * block), indices[2], indices[1], indices[0]}, barrier, firstLane);
}

void KernelEmitter::issueHeld(Scope &item, Value number, Value firstWord) {
  Scope scope(*values, &item);
  Value buffer = heldRing->stage.get(), barrier = barrierOf(plan.heldFull(), buffer);
  Value slot = code.add(code.mul(buffer, code.word(16)), at(plan.heldSlot()));
  code.assembly("@$3 st.shared.v2.b32 [$0], {$1, $2};", "r,r,r,b,~{memory}", {slot, number, firstWord, firstLane});
  arriveExpecting(code, barrier, code.word(plan.heldBytes), firstLane);
  for (const SharedTile &tile : plan.held)
    loadTile(scope, tile, code.add(code.mul(buffer, code.word(plan.heldBytes)), at(tile.offset)), barrier);
}

void KernelEmitter::issueStage(Scope &item, Value nextWord) {
  Scope scope(*values, &item);
  Value here = pendingPosition.get(), head = pendingHead.get();
  for (Region &body : plan.sweep.getBodies())
    scope.setScalar(body.front().getArgument(0), here);
  if (plan.loop)
    scope.setScalar(plan.loop.getInductionVar(), head);
  Value stage = ring->stage.get(), parity = ring->parity.get();
  Value start = code.add(code.mul(stage, code.word(plan.stageBytes)), at(plan.stageOffset));
  SmallVector<Value> words = loadFolds(scope, here); // early, for their latency
  for (auto [n, tile] : llvm::enumerate(plan.streamed)) {
    waitBarrier(code, barrierOf(plan.emptyBarrier(unsigned(n)), stage), parity);
    if (n == 0) {
      Value slot = code.add(code.mul(stage, code.word(16)), at(plan.stageSlot()));
      code.assembly("@$4 st.shared.v4.b32 [$0], {$1, $2, $3, $3};", "r,r,r,r,b,~{memory}", {slot, here, nextWord, head, firstLane});
    }
    Value barrier = barrierOf(plan.fullBarrier(unsigned(n)), stage);
    arriveExpecting(code, barrier, code.word(tile.bytes()), firstLane);
    loadTile(scope, tile, code.add(start, code.word(tile.offset)), barrier);
  }
  if (!plan.vectors.empty()) {
    unsigned n = plan.vectorRing();
    waitBarrier(code, barrierOf(plan.emptyBarrier(n), stage), parity);
    for (const SharedVector &vector : plan.vectors)
      for (int64_t first = 0; first < plan.columns; first += 32) {
        Value within = code.add(lane, code.word(first));
        auto [address, exists] = wordAddress(scope, vector.load, code.add(here, within));
        copyWord(code, code.add(start, code.add(code.mul(within, code.word(4)), code.word(vector.offset))), address, exists);
      }
    arriveAfterCopies(code, barrierOf(plan.fullBarrier(n), stage));
  }
  if (!plan.folds.empty()) {
    waitBarrier(code, barrierOf(plan.emptyBarrier(plan.foldRing()), stage), parity);
    storeFolds(words, code.add(start, code.word(plan.foldOffset)));
    fenceShared(code);
    arriveBarrier(code, barrierOf(plan.fullBarrier(plan.foldRing()), stage), code.boolean(true));
  }
  ring->advance(code);
}

/// Where the word of a token lies, and whether the token exists; the address is that of some token anyway.
std::pair<Value, Value> KernelEmitter::wordAddress(Scope &scope, tile::LoadOp load, Value token) {
  auto memory = cast<MemRefType>(load.getSource().getType());
  int64_t heads = memory.getDimSize(2), width = memory.getDimSize(3);
  Value length = frame.extent32(tile::Extent::Length);
  Value column = code.add(code.mul(scope.scalar(load.getIndices()[2]), code.word(width)), scope.scalar(load.getIndices()[3]));
  Value row = code.add(code.mul(code.toLong(scope.scalar(load.getIndices()[0])), frame.extent(tile::Extent::Length)),
                       code.toLong(code.minimum(token, code.sub(length, code.word(1)))));
  Value offset = code.add(code.mul(row, code.index(heads * width)), code.toLong(column));
  return {code.address(frame.buffer(load.getSource()), memory.getElementType(), offset),
          code.compare(ICmpPredicate::slt, token, length)};
}

/// -word / factor of this lane's tokens: of each 32 tokens, one value per fold.
SmallVector<Value> KernelEmitter::loadFolds(Scope &scope, Value position) {
  SmallVector<Value> words;
  for (int64_t first = 0; first < (plan.folds.empty() ? 0 : plan.columns); first += 32)
    for (const Fold &fold : plan.folds) {
      auto [address, exists] = wordAddress(scope, fold.load, code.add(position, code.add(lane, code.word(first))));
      Value word = code.fmul(code.loadAs(code.f32, address, /*readOnly=*/true), code.real(-1 / fold.factor, code.f32));
      // Finite: infinities stand for rows without members, whose weights are masked.
      word = values->combine(tile::Combine::Min, values->combine(tile::Combine::Max, word, code.real(-1e30, code.f32)), code.real(1e30, code.f32));
      words.push_back(code.select(exists, word, code.real(0, code.f32)));
    }
  return words;
}

/// Each token's 16 bytes: three bf16 parts of the first fold's word in columns 0 to 2, of the second's in 4 to 6.
void KernelEmitter::storeFolds(ArrayRef<Value> words, Value start) {
  for (int64_t first = 0; first < plan.columns; first += 32) {
    SmallVector<Value> operands{code.add(start, code.mul(code.add(lane, code.word(first)), code.word(16)))};
    for (size_t n = 0; n < 2; ++n) {
      if (n >= plan.folds.size()) {
        operands.append(2, code.word(0));
        continue;
      }
      Value x = words[size_t(first / 32) * plan.folds.size() + n];
      Value second = code.fsub(x, code.extend(code.truncate(x)));
      Value third = code.fsub(second, code.extend(code.truncate(second)));
      operands.push_back(packPair(code, x, second));
      operands.push_back(packPair(code, third, code.real(0, code.f32)));
    }
    code.assembly("st.shared.v4.b32 [$0], {$1, $2, $3, $4};", "r,r,r,r,r,~{memory}", operands);
  }
}

} // namespace caa::nvptx::hopper
