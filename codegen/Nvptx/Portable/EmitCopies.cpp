// Tiles from global to shared memory by cp.async, and the sweep that waits for them. See PortableEmitter.h.
#include "codegen/Nvptx/Portable/PortableEmitter.h"

using namespace mlir;
using LLVM::ICmpPredicate;

namespace caa::nvptx {

using emit::Access;
using emit::accessOf;

void PortableEmitter::commitCopies() { code.assembly("cp.async.commit_group;", "~{memory}", {}); }

void PortableEmitter::awaitCopies(int64_t pending) {
  code.assembly("cp.async.wait_group " + std::to_string(pending) + ";", "~{memory}", {});
  code.barrier();
  unread = true;
}

void PortableEmitter::beforeWrites() {
  if (!unread)
    code.barrier();
  unread = true;
}

void PortableEmitter::beforeReads() {
  if (arriving) {
    awaitCopies(0);
    arriving = false;
  }
  unread = false;
}

// What the iteration before still reads or copies must be done before this one copies into the same places.
void PortableEmitter::beginIteration() {
  awaitCopies(0);
  arriving = false;
}

void PortableEmitter::endLoop() {
  unread = false;
  arriving = true;
}

// Rows past the end are filled with zeros: nothing is read there.
void PortableEmitter::copyTile(const SharedTile &tile, tile::LoadOp load, ValueRange indices, Value target) {
  Access access = accessOf(load);
  int64_t size = bytesOf(tile.element), stride = access.rowStride() * size, rowBytes = tile.columns * size, chunk = 16;
  Value source = fragments.startOf(load.getSource(), indices),
        left = fragments.rowsLeft(load.getSource(), load.getHeads(), indices);
  while (chunk > 2 && (rowBytes % chunk || stride % chunk))
    chunk /= 2;
  if (chunk < 4)
    return copyElements(tile, source, access.rowStride(), left, target);
  int64_t perRow = rowBytes / chunk, threads = 32 * fragments.rows.warps, all = tile.rows * perRow;
  std::string text = std::string("cp.async.") + (chunk == 16 ? "cg" : "ca") + ".shared.global ";
  auto copy = [&](Value from, Value to, int64_t toOffset, Value row, Value inside) {
    Value bytes = code.word(chunk);
    if (left)
      bytes = code.select(code.compare(ICmpPredicate::slt, row, left), bytes, code.word(0));
    auto emit = [&] {
      code.assembly(text + "[$0 + " + std::to_string(toOffset) + "], [$1], " + std::to_string(chunk) + ", $2;",
                    "r,l,r,~{memory}", {to, LLVM::PtrToIntOp::create(code.builder, code.loc, code.i64, from), bytes});
    };
    inside ? code.when(inside, emit) : emit();
  };
  Value thread = code.thread();
  auto divide = [&](Value a, int64_t b) -> Value {
    return LLVM::UDivOp::create(code.builder, code.loc, a, code.word(b));
  };
  if (threads % perRow == 0) { // a thread stays in its column
    int64_t step = threads / perRow;
    Value row = divide(thread, perRow), column = code.sub(thread, code.mul(row, code.word(perRow)));
    Value place =
        code.add(code.mul(code.toLong(row), code.index(stride)), code.mul(code.toLong(column), code.index(chunk)));
    Value from = code.offset(source, place);
    Value to = code.add(target, code.add(code.mul(row, code.word(tile.pitch)), code.mul(column, code.word(chunk))));
    for (int64_t first = 0; first < tile.rows; first += step) {
      Value present = code.add(row, code.word(first));
      Value inside =
          first + step > tile.rows ? code.compare(ICmpPredicate::slt, present, code.word(tile.rows)) : Value();
      copy(code.offset(from, first * stride), to, first * tile.pitch, present, inside);
    }
    return;
  }
  for (int64_t first = 0; first < all; first += threads) {
    Value number = code.add(thread, code.word(first));
    Value inside = first + threads > all ? code.compare(ICmpPredicate::slt, number, code.word(all)) : Value();
    Value row = divide(number, perRow), column = code.sub(number, code.mul(row, code.word(perRow)));
    Value place =
        code.add(code.mul(code.toLong(row), code.index(stride)), code.mul(code.toLong(column), code.index(chunk)));
    Value to = code.add(target, code.add(code.mul(row, code.word(tile.pitch)), code.mul(column, code.word(chunk))));
    copy(code.offset(source, place), to, 0, row, inside);
  }
}

// Rows whose length is no multiple of 4 bytes, through registers.
void PortableEmitter::copyElements(const SharedTile &tile, Value source, int64_t stride, Value left, Value target) {
  Type element = registerType(tile.element);
  int64_t threads = 32 * fragments.rows.warps, all = tile.rows * tile.columns;
  Value shared = LLVM::IntToPtrOp::create(code.builder, code.loc, code.sharedPointer, target);
  code.loop(code.toLong(code.thread()), code.index(all), threads, [&](Value number) {
    Value row = LLVM::UDivOp::create(code.builder, code.loc, number, code.index(tile.columns));
    Value column = code.sub(number, code.mul(row, code.index(tile.columns)));
    Value to = code.offset(
        shared, code.add(code.mul(row, code.index(tile.pitch)), code.mul(column, code.index(bytesOf(element)))));
    Value zero = code.real(0, element);
    auto read = [&]() -> SmallVector<Value> {
      return {code.loadAs(element, code.address(source, element, code.add(code.mul(row, code.index(stride)), column)))};
    };
    Value value = left ? code.choose(code.compare(ICmpPredicate::slt, code.toWord(row), left), {element}, read,
                                     [&]() -> SmallVector<Value> { return {zero}; })[0]
                       : read()[0];
    code.storeAs(value, to);
  });
}

// One element a thread.
void PortableEmitter::copyRow(const SharedTile &tile, tile::LoadOp load, ValueRange indices, Value target) {
  Access access = accessOf(load);
  int64_t size = bytesOf(tile.element), threads = 32 * fragments.rows.warps;
  Value source = fragments.startOf(load.getSource(), indices),
        left = fragments.rowsLeft(load.getSource(), load.getHeads(), indices);
  std::string text = "cp.async.ca.shared.global [$0], [$1], " + std::to_string(size) + ", $2;";
  for (int64_t first = 0; first < tile.columns; first += threads) {
    Value number = code.add(code.thread(), code.word(first)), bytes = code.word(size);
    if (left)
      bytes = code.select(code.compare(ICmpPredicate::slt, number, left), bytes, code.word(0));
    Value from = code.offset(source, code.mul(code.toLong(number), code.index(access.rowStride() * size)));
    Value to = code.add(target, code.mul(number, code.word(size)));
    Value address = LLVM::PtrToIntOp::create(code.builder, code.loc, code.i64, from);
    if (first + threads <= tile.columns)
      code.assembly(text, "r,l,r,~{memory}", {to, address, bytes});
    else
      code.assembly("{ .reg .pred %inside; setp.lt.u32 %inside, $3, " + std::to_string(tile.columns) + "; @%inside " +
                        text + " }",
                    "r,l,r,r,~{memory}", {to, address, bytes, number});
  }
}

LogicalResult PortableEmitter::emitWideLoad(tile::LoadOp load) {
  for (Operation *user : load.getTile().getUsers())
    if (!isa<tile::DotOp>(user))
      return load.emitError("a GPU kernel with products uses wide tiles in products only");
  if (auto number = plan.staged(load)) {
    tile::SweepOp sweep = load->getParentOfType<tile::SweepOp>();
    const Ring &ring = plan.ring(sweep);
    const SharedTile &tile = ring.loads[*number].tile;
    Value base = code.add(code.add(sharedBase, stageStart), code.word(ring.offset + tile.offset));
    places[load.getTile()] = {base, &tile};
    return success();
  }
  const SharedTile *tile = plan.held(load);
  Value base = code.add(sharedBase, code.word(tile->offset));
  beforeWrites();
  copyTile(*tile, load, scalarsOf(load.getIndices()), base);
  commitCopies();
  arriving = true;
  places[load.getTile()] = {base, tile};
  return success();
}

LogicalResult PortableEmitter::emitNarrowLoad(tile::LoadOp load) {
  auto number = plan.staged(load);
  if (!number)
    return FragmentEmitter::emitNarrowLoad(load);
  const Ring &ring = plan.ring(load->getParentOfType<tile::SweepOp>());
  Value place = code.offset(code.shared(ring.offset + ring.loads[*number].tile.offset), stageStart);
  set(load.getTile(), fragments.loadRowFromShared(load.getTile().getType(), place));
  return success();
}

//===-- Sweeps-----------------------------------------------------------------------------------------------------===//

void PortableEmitter::copyStage(const Ring &ring, tile::SweepOp sweep, Value p, Value stage) {
  Value start = code.add(sharedBase, code.add(code.mul(stage, code.word(ring.stageBytes)), code.word(ring.offset)));
  code.when(code.compare(ICmpPredicate::slt, p, scalar(sweep.getUpper())), [&] {
    for (StagedLoad staged : ring.loads) {
      SmallVector<Value> indices;
      for (Value index : staged.load.getIndices()) {
        auto argument = dyn_cast<BlockArgument>(index);
        bool isStart = argument && isa<tile::SweepOp>(argument.getOwner()->getParentOp());
        indices.push_back(isStart ? p : scalar(index));
      }
      Value target = code.add(start, code.word(staged.tile.offset));
      if (staged.isRow)
        copyRow(staged.tile, staged.load, indices, target);
      else
        copyTile(staged.tile, staged.load, indices, target);
    }
  });
  commitCopies();
}

FailureOr<std::pair<Value, Value>> PortableEmitter::advance(tile::SweepOp sweep, Value p) {
  LogicalResult status = success();
  Value upper = scalar(sweep.getUpper());
  SmallVector<Value> found =
      code.repeat(ValueRange{p, code.word(0)}, [&](ValueRange carried) -> std::pair<Value, SmallVector<Value>> {
        FailureOr<Value> body = emitVisit(sweep, carried[0]);
        if (failed(body)) {
          status = failure();
          return {code.boolean(false), {carried[0], carried[1]}};
        }
        Value again = code.bitAnd(code.compare(ICmpPredicate::slt, *body, code.word(0)),
                                  code.compare(ICmpPredicate::slt, carried[0], upper));
        Value next = code.add(carried[0], code.word(int64_t(sweep.getStep())));
        return {again, {code.select(again, next, carried[0]), *body}};
      });
  if (failed(status))
    return failure();
  return std::make_pair(found[0], found[1]);
}

// A loop over the visited tiles. While one is worked on, the copies of the next stages - 1 are under way. Of a ring of
// one stage each tile is copied when the one before is done.
LogicalResult PortableEmitter::emitSweep(tile::SweepOp sweep) {
  const Ring &ring = plan.ring(sweep);
  bool isRing = ring.stages > 1;
  int64_t ahead = isRing ? ring.stages - 1 : 1;
  Value upper = scalar(sweep.getUpper()), step = code.word(int64_t(sweep.getStep()));
  SmallVector<Value> state; // start and body of `ahead` tiles, the present stage, then what is carried
  beforeWrites();
  for (int64_t n = 0; n < ahead; ++n) {
    auto found = advance(sweep, n ? code.add(state[2 * n - 2], step) : scalar(sweep.getLower()));
    if (failed(found))
      return failure();
    if (isRing)
      copyStage(ring, sweep, found->first, code.word(n));
    state.append({found->first, found->second});
  }
  state.push_back(code.word(0));
  llvm::append_range(state, flatten(sweep.getInits()));
  SmallVector<Type> types;
  for (Value value : state)
    types.push_back(value.getType());
  auto isBeforeEnd = [&](ValueRange state) { return code.compare(ICmpPredicate::slt, state[0], upper); };

  Block *exit = code.newBlock(types), *block = code.newBlock(types);
  LLVM::CondBrOp::create(code.builder, code.loc, isBeforeEnd(state), block, state, exit, state);
  code.enter(block);
  SmallVector<Value> now(block->args_begin(), block->args_end());
  Value stage = now[2 * ahead];
  auto last = advance(sweep, code.add(now[2 * ahead - 2], step));
  if (failed(last))
    return failure();
  if (!isRing) {
    code.barrier();
    copyStage(ring, sweep, now[0], code.word(0));
  }
  awaitCopies(ahead - 1);
  auto wrapped = [&](Value number) {
    return code.select(code.compare(ICmpPredicate::sge, number, code.word(ring.stages)),
                       code.sub(number, code.word(ring.stages)), number);
  };
  if (isRing)
    copyStage(ring, sweep, last->first, wrapped(code.add(stage, code.word(ahead))));
  arriving = unread = false;
  stageStart = code.mul(stage, code.word(ring.stageBytes));
  auto carried = emitBodies(sweep, now[1], now[0], ArrayRef(now).drop_front(2 * ahead + 1));
  if (failed(carried))
    return failure();
  SmallVector<Value> next(now.begin() + 2, now.begin() + 2 * ahead);
  next.append({last->first, last->second, wrapped(code.add(stage, code.word(1)))});
  llvm::append_range(next, *carried);
  LLVM::CondBrOp::create(code.builder, code.loc, isBeforeEnd(next), block, next, exit, next);
  exit->moveBefore(code.builder.getInsertionBlock()->getParent(),
                   std::next(code.builder.getInsertionBlock()->getIterator()));
  code.enter(exit);
  // An empty sweep has waited for nothing.
  arriving = true;
  unread = false;
  bindSweep(sweep, ValueRange(exit->getArguments()).drop_front(2 * ahead + 1));
  return success();
}

} // namespace caa::nvptx
