// See TableKernel.h.
#include "codegen/Nvptx/Rows/TableKernel.h"

#include "codegen/Nvptx/Core/Frame.h"

using namespace mlir;
using LLVM::ICmpPredicate;

namespace caa::nvptx {

namespace {

constexpr int64_t slabRows = 128, threads = 512, warps = threads / 32;
constexpr int64_t perThread = 8;                    ///< indices that a thread reads at once
constexpr int64_t chunk = threads * perThread;      ///< and all of them
constexpr int64_t listed = 2 * chunk;               ///< room in the list
constexpr int64_t inFlight = 8;                     ///< rows that a warp loads at once
constexpr int64_t countBytes = warps * perThread * 4;
constexpr int64_t hot = 64;                         ///< a row with more entries is shared by all warps

struct TableKernel {
  tile::ScatterAddOp scatter;
  tile::LoadOp gradient, indices;
  MemRefType table;
};

// The load that a tile comes from, through maps of one tile.
tile::LoadOp loadOf(Value tile) {
  while (auto map = tile.getDefiningOp<tile::MapOp>()) {
    if (map.getNumOperands() != 1 || map.getNumResults() != 1)
      return {};
    tile = map.getOperand(0);
  }
  return tile.getDefiningOp<tile::LoadOp>();
}

std::optional<TableKernel> match(func::FuncOp kernel) {
  TableKernel found;
  int count = 0;
  kernel.walk([&](tile::ScatterAddOp op) { found.scatter = op, ++count; });
  if (count != 1)
    return std::nullopt;
  found.gradient = loadOf(found.scatter.getTile()), found.indices = loadOf(found.scatter.getRows());
  found.table = cast<MemRefType>(found.scatter.getTable().getType());
  bool known = found.gradient && found.indices && cast<MemRefType>(found.gradient.getSource().getType()).getRank() == 3 &&
               cast<MemRefType>(found.gradient.getSource().getType()).getDimSize(1) == 1 && found.table.getElementType().isF32() &&
               cast<MemRefType>(found.indices.getSource().getType()).getElementType().isInteger(32) &&
               cast<MemRefType>(found.gradient.getSource().getType()).getShape().back() == found.table.getDimSize(1);
  return known ? std::optional(found) : std::nullopt;
}

int64_t slabsOf(MemRefType table) { return (table.getDimSize(0) + slabRows - 1) / slabRows; }

class Emitter {
public:
  Emitter(Frame &frame, const TableKernel &kernel) : frame(frame), code(frame.code), kernel(kernel) {}

  void run() {
    width = kernel.table.getDimSize(1);
    tableRows = kernel.table.getDimSize(0);
    vector = width % 4 == 0 ? 4 : 1;
    rows = frame.extent32(tile::Extent::Rows);
    slabs = slabsOf(kernel.table);
    groups = (width + 32 * vector - 1) / (32 * vector);
    parts = std::max<int64_t>(1, warps / groups);
    Value list = code.shared(), total = code.word(0);
    numbers = code.offset(list, listed * 4);
    counts = code.offset(numbers, listed * 4);
    rowCounts = code.offset(counts, countBytes);
    partials = code.offset(rowCounts, slabRows * 4);
    forgetCounts();
    // Chunks of indices; whenever the list may not hold another chunk, what it has is added up.
    Value kept = code.loop(code.word(0), rows, chunk, {total}, [&](Value base, ValueRange carried) -> SmallVector<Value> {
      Value filled = append(base, carried[0], list);
      Value full = code.compare(ICmpPredicate::sgt, filled, code.word(listed - chunk));
      return code.choose(full, {code.i32},
                         [&]() -> SmallVector<Value> {
                           addUp(list, filled);
                           return {code.word(0)};
                         },
                         [&]() -> SmallVector<Value> { return {filled}; });
    })[0];
    addUp(list, kept);
    frame.launch.threads = threads;
    frame.launch.sharedBytes = uint32_t(listed * 8 + countBytes + slabRows * 4 + parts * groups * 32 * vector * 4);
  }

private:
  // Appends the positions of [base, base + chunk) whose index is in the slab, in order; gives the list's new length.
  Value append(Value base, Value filled, Value list) {
    SmallVector<Value> rowNumbers, hits, votes;
    for (int64_t n = 0; n < perThread; ++n) {
      Value position = code.add(base, code.add(code.thread(), code.word(n * threads)));
      Value inside = code.compare(ICmpPredicate::slt, position, rows);
      Value kept = code.minimum(position, code.sub(rows, code.word(1)));
      Value index = code.loadAs(code.i32, code.address(frame.buffer(kernel.indices.getSource()), code.i32, code.toLong(kept)), true);
      index = code.maximum(code.minimum(index, code.word(tableRows - 1)), code.word(0));
      // Frequent tokens have numbers close to each other: slabs take rows in turns.
      Value local = LLVM::UDivOp::create(code.builder, code.loc, index, code.word(slabs));
      Value slab = code.sub(index, code.mul(local, code.word(slabs)));
      hits.push_back(code.bitAnd(inside, code.compare(ICmpPredicate::eq, slab, code.block())));
      rowNumbers.push_back(local);
    }
    code.barrier(); // the counts and the list are free
    for (int64_t n = 0; n < perThread; ++n) {
      votes.push_back(code.intrinsic("llvm.nvvm.vote.ballot.sync", code.i32, {code.word(-1), hits[size_t(n)]}));
      Value count = LLVM::CtPopOp::create(code.builder, code.loc, votes.back());
      code.when(code.compare(ICmpPredicate::eq, code.lane(), code.word(0)), [&] {
        code.storeAs(count, code.address(code.offset(counts, n * warps * 4), code.i32, code.warp()));
      });
    }
    code.barrier();
    // Each lane sums the counts of four (turn, warp); a scan over lanes gives what lies before them.
    static_assert(perThread * warps == 128);
    Value four = code.loadAs(code.vector(code.i32, 4), code.address(counts, code.i32, code.mul(code.lane(), code.word(4))));
    SmallVector<Value> before{code.word(0)};
    for (int64_t n = 0; n < 4; ++n)
      before.push_back(code.add(before.back(), code.lane(four, n)));
    Value inclusive = before.back();
    for (int64_t distance = 1; distance < 32; distance *= 2) {
      Value other = code.intrinsic("llvm.nvvm.shfl.sync.up.i32", code.i32, {code.word(-1), inclusive, code.word(distance), code.word(0)});
      Value has = code.compare(ICmpPredicate::sge, code.lane(), code.word(distance));
      inclusive = code.add(inclusive, code.select(has, other, code.word(0)));
    }
    Value exclusive = code.sub(inclusive, before.back());
    Value sum = code.shuffleFrom(inclusive, code.word(31));
    Value lanesBelow = code.sub(LLVM::ShlOp::create(code.builder, code.loc, code.word(1), code.lane()), code.word(1));
    Value quarter = code.bitAnd(code.warp(), code.word(3));
    for (int64_t n = 0; n < perThread; ++n) {
      // (turn n, this warp) is one of the four of lane (n * warps + warp) / 4.
      Value source = code.add(code.word(n * warps / 4), code.shiftRightUnsigned(code.warp(), 2));
      Value start = code.shuffleFrom(exclusive, source);
      Value part = code.word(0);
      for (int64_t q = 1; q < 4; ++q) {
        Value at = code.shuffleFrom(before[size_t(q)], source);
        part = code.select(code.compare(ICmpPredicate::eq, quarter, code.word(q)), at, part);
      }
      Value rank = LLVM::CtPopOp::create(code.builder, code.loc, code.bitAnd(votes[size_t(n)], lanesBelow));
      Value slot = code.add(code.add(filled, start), code.add(part, rank));
      code.when(hits[size_t(n)], [&] {
        Value position = code.add(base, code.add(code.thread(), code.word(n * threads)));
        code.storeAs(position, code.address(list, code.i32, slot));
        code.storeAs(rowNumbers[size_t(n)], code.address(numbers, code.i32, slot));
        LLVM::AtomicRMWOp::create(code.builder, code.loc, LLVM::AtomicBinOp::add,
                                  code.address(rowCounts, code.i32, rowNumbers[size_t(n)]), code.word(1),
                                  LLVM::AtomicOrdering::monotonic);
      });
    }
    return code.add(filled, sum);
  }

  // All counts of rows become zero. Barriers stand between this and the next count.
  void forgetCounts() {
    static_assert(slabRows <= threads);
    code.when(code.compare(ICmpPredicate::ult, code.thread(), code.word(slabRows)), [&] {
      code.storeAs(code.word(0), code.address(rowCounts, code.i32, code.thread()));
    });
  }

  // Adds the listed rows to the table: a warp takes one row of the slab and one group of columns at a time. Where a row has
  // many entries, all warps add up parts of them, which are then added in order.
  void addUp(Value list, Value count) {
    code.barrier();
    auto countOf = [&](Value row) { return code.loadAs(code.i32, code.address(rowCounts, code.i32, row)); };
    code.loop(code.warp(), code.word(slabRows * groups), warps, [&](Value job) {
      Value row = LLVM::UDivOp::create(code.builder, code.loc, job, code.word(groups));
      Value group = code.sub(job, code.mul(row, code.word(groups))), entries = countOf(row);
      Value few = code.bitAnd(code.compare(ICmpPredicate::sgt, entries, code.word(0)),
                              code.compare(ICmpPredicate::sle, entries, code.word(hot)));
      code.when(few, [&] { addToTable(row, group, sumOf(list, row, group, code.word(0), count)); });
    });
    code.barrier();
    Value group = LLVM::URemOp::create(code.builder, code.loc, code.warp(), code.word(groups));
    Value part = LLVM::UDivOp::create(code.builder, code.loc, code.warp(), code.word(groups));
    // Entries of a part, a multiple of 32.
    Value length = code.shiftLeft(LLVM::UDivOp::create(code.builder, code.loc, code.add(count, code.word(32 * parts - 1)), code.word(32 * parts)), 5);
    code.loop(code.word(0), code.word(slabRows), 1, [&](Value row) {
      code.when(code.compare(ICmpPredicate::sgt, countOf(row), code.word(hot)), [&] { addHot(list, row, group, part, length, count); });
    });
    code.barrier();
    forgetCounts();
  }

  void addHot(Value list, Value row, Value group, Value part, Value length, Value count) {
    if (groups > warps) { // each warp has groups of its own
      code.loop(code.warp(), code.word(groups), warps, [&](Value own) { addToTable(row, own, sumOf(list, row, own, code.word(0), count)); });
      return;
    }
    auto place = [&](Value which) {
      Value number = code.add(code.mul(which, code.word(groups)), group);
      return code.address(partials, code.f32, code.mul(code.add(code.mul(number, code.word(32)), code.lane()), code.word(vector)));
    };
    code.when(code.compare(ICmpPredicate::ult, part, code.word(parts)), [&] {
      Value begin = code.mul(part, length);
      code.storeAs(packed(sumOf(list, row, group, begin, code.minimum(code.add(begin, length), count))), place(part));
    });
    code.barrier();
    code.when(code.compare(ICmpPredicate::eq, part, code.word(0)), [&] {
      SmallVector<Value> sums(size_t(vector), code.real(0.0, code.f32));
      for (int64_t n = 0; n < parts; ++n) {
        Value loaded = code.loadAs(code.vector(code.f32, vector), place(code.word(n)));
        for (int64_t v = 0; v < vector; ++v)
          sums[size_t(v)] = code.fadd(sums[size_t(v)], code.lane(loaded, v));
      }
      addToTable(row, group, sums);
    });
    code.barrier();
  }

  Value columnOf(Value group) {
    return code.add(code.mul(group, code.word(32 * vector)), code.mul(code.lane(), code.word(vector)));
  }

  Value packed(ArrayRef<Value> values) {
    if (vector == 1)
      return values[0];
    Value whole = code.undefined(code.vector(code.f32, vector));
    for (int64_t n = 0; n < vector; ++n)
      whole = code.withLane(whole, values[size_t(n)], n);
    return whole;
  }

  void addToTable(Value row, Value group, ArrayRef<Value> sums) {
    Value column = columnOf(group);
    code.when(code.compare(ICmpPredicate::slt, column, code.word(width)), [&] {
      Value number = code.toLong(code.add(code.mul(row, code.word(slabs)), code.block()));
      Value offset = code.add(code.mul(number, code.index(width)), code.toLong(column));
      Value address = code.address(frame.buffer(kernel.scatter.getTable()), code.f32, offset);
      Value old = code.loadAs(code.vector(code.f32, vector), address);
      code.storeAs(code.fadd(old, packed(sums)), address);
    });
  }

  // A lane's columns of what the entries [begin, end) add to a row.
  SmallVector<Value> sumOf(Value list, Value row, Value group, Value begin, Value end) {
    Value kept = code.minimum(columnOf(group), code.word(width - vector));
    SmallVector<Value> zeros(size_t(vector), code.real(0.0, code.f32));
    return code.loop(begin, end, 32, zeros, [&](Value base, ValueRange carried) -> SmallVector<Value> {
      Value at = code.add(base, code.lane());
      Value exists = code.compare(ICmpPredicate::slt, at, end);
      Value number = code.loadAs(code.i32, code.address(numbers, code.i32, code.minimum(at, code.sub(end, code.word(1)))));
      Value mine = code.bitAnd(exists, code.compare(ICmpPredicate::eq, number, row));
      Value votes = code.intrinsic("llvm.nvvm.vote.ballot.sync", code.i32, {code.word(-1), mine});
      SmallVector<Value> all{votes};
      llvm::append_range(all, carried);
      Value any = code.compare(ICmpPredicate::ne, votes, code.word(0));
      return code.choose(any, carried.getTypes(), [&] { return addHits(list, base, kept, all); },
                         [&] { return SmallVector<Value>(carried); });
    });
  }

  // `state`: the votes of 32 entries, then the sums.
  SmallVector<Value> addHits(Value list, Value base, Value column, ArrayRef<Value> state) {
    MemRefType type = cast<MemRefType>(kernel.gradient.getSource().getType());
    Type element = type.getElementType();
    SmallVector<Value> results = code.repeat(state, [&](ValueRange carried) -> std::pair<Value, SmallVector<Value>> {
      Value votes = carried[0];
      SmallVector<Value> next(carried), loaded, taken;
      for (int64_t n = 0; n < inFlight; ++n) {
        Value has = code.compare(ICmpPredicate::ne, votes, code.word(0));
        Value bit = LLVM::CountTrailingZerosOp::create(code.builder, code.loc, code.i32, votes, /*is_zero_poison=*/false);
        Value entry = code.add(base, code.select(has, bit, code.word(0)));
        Value position = code.loadAs(code.i32, code.address(list, code.i32, entry));
        Value offset = code.add(code.mul(code.toLong(position), code.index(width)), code.toLong(column));
        Value address = code.address(frame.buffer(kernel.gradient.getSource()), element, offset);
        loaded.push_back(code.loadAs(code.vector(element, vector), address, true));
        taken.push_back(has);
        votes = code.bitAnd(votes, code.sub(votes, code.word(1)));
      }
      next[0] = votes;
      for (int64_t n = 0; n < inFlight; ++n)
        for (int64_t v = 0; v < vector; ++v) {
          Value value = code.extend(code.lane(loaded[size_t(n)], v));
          next[size_t(1 + v)] = code.fadd(next[size_t(1 + v)], code.select(taken[size_t(n)], value, code.real(0.0, code.f32)));
        }
      return {code.compare(ICmpPredicate::ne, votes, code.word(0)), next};
    });
    return SmallVector<Value>(llvm::drop_begin(results));
  }

  Frame &frame;
  ThreadCode &code;
  TableKernel kernel;
  int64_t width = 0, tableRows = 0, vector = 1, slabs = 1;
  int64_t groups = 1, parts = 1; ///< of columns; of the entries of a hot row
  Value rows, numbers, counts, rowCounts, partials;
};

} // namespace

bool isTableKernel(func::FuncOp kernel) { return match(kernel).has_value(); }

void setTableGrid(func::FuncOp kernel) {
  int64_t slabs = slabsOf(match(kernel)->table);
  MLIRContext *context = kernel.getContext();
  kernel->setAttr("tile.grid", ArrayAttr::get(context, tile::TermAttr::get(context, slabs, 0, 0, 1, 0, 1)));
}

FailureOr<LaunchInfo> emitTableKernel(func::FuncOp kernel, ModuleOp module, caa_target target) {
  Frame frame(kernel, module, target, {});
  Emitter(frame, *match(kernel)).run();
  return frame.finish();
}

} // namespace caa::nvptx
