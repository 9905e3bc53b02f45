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

class Emitter {
public:
  Emitter(Frame &frame, const TableKernel &kernel) : frame(frame), code(frame.code), kernel(kernel) {}

  void run() {
    width = kernel.table.getDimSize(1);
    tableRows = kernel.table.getDimSize(0);
    vector = width % 4 == 0 ? 4 : 1;
    rows = frame.extent32(tile::Extent::Rows);
    first = code.mul(code.block(), code.word(slabRows));
    Value list = code.shared(), total = code.word(0);
    numbers = code.offset(list, listed * 4);
    counts = code.offset(numbers, listed * 4);
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
    frame.launch.sharedBytes = uint32_t(listed * 8 + countBytes);
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
      Value local = code.sub(index, first);
      hits.push_back(code.bitAnd(inside, code.compare(ICmpPredicate::ult, local, code.word(slabRows))));
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
      });
    }
    return code.add(filled, sum);
  }

  // Adds the listed rows to the table: a warp takes one row of the slab and one group of columns at a time.
  void addUp(Value list, Value count) {
    code.barrier();
    int64_t groupColumns = 32 * vector, groups = (width + groupColumns - 1) / groupColumns;
    code.loop(code.warp(), code.word(slabRows * groups), warps, [&](Value job) {
      Value row = LLVM::UDivOp::create(code.builder, code.loc, job, code.word(groups));
      Value group = code.sub(job, code.mul(row, code.word(groups)));
      Value column = code.add(code.mul(group, code.word(groupColumns)), code.mul(code.lane(), code.word(vector)));
      Value inside = code.compare(ICmpPredicate::slt, column, code.word(width));
      Value kept = code.minimum(column, code.word(width - vector));
      SmallVector<Value> state(size_t(vector), code.real(0.0, code.f32));
      state.push_back(code.boolean(false));
      SmallVector<Value> sums = code.loop(code.word(0), count, 32, state, [&](Value base, ValueRange carried) -> SmallVector<Value> {
        Value at = code.add(base, code.lane());
        Value exists = code.compare(ICmpPredicate::slt, at, count);
        Value safe = code.minimum(at, code.sub(count, code.word(1)));
        Value number = code.loadAs(code.i32, code.address(numbers, code.i32, safe));
        Value mine = code.bitAnd(exists, code.compare(ICmpPredicate::eq, number, row));
        Value votes = code.intrinsic("llvm.nvvm.vote.ballot.sync", code.i32, {code.word(-1), mine});
        SmallVector<Value> all{votes};
        llvm::append_range(all, carried);
        Value any = code.compare(ICmpPredicate::ne, votes, code.word(0));
        return code.choose(any, carried.getTypes(), [&] { return addHits(list, base, kept, all); },
                           [&] { return SmallVector<Value>(carried); });
      });
      code.when(code.bitAnd(inside, sums.back()), [&] {
        Value number = code.toLong(code.add(first, row));
        Value offset = code.add(code.mul(number, code.index(width)), code.toLong(column));
        Value address = code.address(frame.buffer(kernel.scatter.getTable()), code.f32, offset);
        Type type = code.vector(code.f32, vector);
        Value old = code.loadAs(type, address);
        Value sum = vector == 1 ? sums[0] : code.undefined(type);
        for (int64_t n = 0; vector > 1 && n < vector; ++n)
          sum = code.withLane(sum, sums[size_t(n)], n);
        code.storeAs(code.fadd(old, sum), address);
      });
    });
    code.barrier();
  }

  // `state`: the votes of 32 entries, then the sums and whether there are any.
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
      next.back() = code.boolean(true);
      return {code.compare(ICmpPredicate::ne, votes, code.word(0)), next};
    });
    return SmallVector<Value>(llvm::drop_begin(results));
  }

  Frame &frame;
  ThreadCode &code;
  TableKernel kernel;
  int64_t width = 0, tableRows = 0, vector = 1;
  Value rows, first, numbers, counts;
};

} // namespace

bool isTableKernel(func::FuncOp kernel) { return match(kernel).has_value(); }

void setTableGrid(func::FuncOp kernel) {
  int64_t slabs = (match(kernel)->table.getDimSize(0) + slabRows - 1) / slabRows;
  MLIRContext *context = kernel.getContext();
  kernel->setAttr("tile.grid", ArrayAttr::get(context, tile::TermAttr::get(context, slabs, 0, 0, 1, 0, 1)));
}

FailureOr<LaunchInfo> emitTableKernel(func::FuncOp kernel, ModuleOp module, caa_target target) {
  Frame frame(kernel, module, target, {});
  Emitter(frame, *match(kernel)).run();
  return frame.finish();
}

} // namespace caa::nvptx
