// Rankings: the exact k-th largest of each row's scores.
//
// A ranking is a panel with one row for each key shown and one column for each row of the tile, so that many rows are
// worked on at once, one in each lane. What is no member counts as -inf. `threshold`
// 1. takes the largest of every few keys; the k-th largest of those is a bound that at least k scores reach;
// 2. moves the scores that reach it to the front of their column;
// 3. finds the k-th largest of them by bisection, which ends where exactly k reach the middle.
// Memory is O(T) per row; the result is exact for all finite scores, ties included.
#include "codegen/Cpu/KernelEmitter.h"

using namespace mlir;
using LLVM::FCmpPredicate;
using LLVM::ICmpPredicate;

namespace caa::cpu {

namespace {

constexpr int64_t shortPanel = 128; // so few scores are bisected as they are
constexpr int64_t mostClasses = 256, leastClass = 8;
constexpr int64_t blockRows = 64, blockColumns = 64; // of a step that moves scores to the front

// The k-th largest of columns of a panel, in the lanes of a vector.
class Selection {
public:
  Selection(Code &code, int64_t lanes)
      : code(code), lanes(lanes), floats(code.vector(code.f32, lanes)), ints(code.vector(code.i32, lanes)),
        bools(code.vector(code.i1, lanes)) {}

  /// The wanted[l]-th largest of panel[0 .. counts[l]) in each lane, wanted >= 1; -inf where there are fewer.
  Value run(Value panel, Value stride, Value rows, Value counts, Value wanted);

private:
  Value both(Value a, Value b) { return code.bitAnd(a, b); }
  Value notOf(Value a) { return code.bitXor(a, code.integer(1, bools)); }
  // Integers that compare like the numbers, and back.
  Value flip(Value bits) {
    return code.bitXor(bits, code.bitAnd(code.shiftRight(bits, 31), code.integer(0x7fffffff, ints)));
  }
  Value ordered(Value number) { return flip(code.bitcast(number, code.i32)); }
  Value number(Value ordered) { return code.bitcast(flip(ordered), code.f32); }
  Value middleOf(Value low, Value high, Value round);

  Code &code;
  int64_t lanes;
  Type floats, ints, bools;
};

// Between low and high, above low: half way by value at first, where random scores part soonest; half way by bits where that
// does not fall between them, and from round 24 on, so that 32 rounds more are the most there can be.
Value Selection::middleOf(Value low, Value high, Value round) {
  Value half = code.real(0.5, floats);
  Value byValue = code.fadd(code.fmul(low, half), code.fmul(high, half));
  Value between = both(code.compare(FCmpPredicate::ogt, byValue, low), code.compare(FCmpPredicate::olt, byValue, high));
  Value early = code.compare(ICmpPredicate::slt, round, code.integer(24, code.i32));
  Value a = ordered(low), b = ordered(high);
  // Rounded up, without overflow.
  Value byBits = number(code.sub(code.bitOr(a, b), code.shiftRight(code.bitXor(a, b), 1)));
  return code.select(both(between, code.splat(early, lanes)), byValue, byBits);
}

Value Selection::run(Value panel, Value stride, Value rows, Value counts, Value wanted) {
  Value zero = code.integer(0, ints), one = code.integer(1, ints);
  Value infinity = code.real(HUGE_VAL, floats), lowest = code.real(-HUGE_VAL, floats);
  auto rowAt = [&](Value n) { return code.load(code.address(panel, code.f32, code.mul(n, stride)), code.f32, lanes); };
  auto present = [&](Value n) {
    Value number = LLVM::TruncOp::create(code.builder, code.loc, code.i32, n);
    return code.compare(ICmpPredicate::slt, code.splat(number, lanes), counts);
  };
  SmallVector<Value> range =
      code.loop(code.index(0), rows, 1, ValueRange{infinity, lowest}, [&](Value n, ValueRange carried) -> SmallVector<Value> {
        Value score = rowAt(n), there = present(n);
        return {code.select(there, code.fminFast(score, carried[0]), carried[0]),
                code.select(there, code.fmaxFast(score, carried[1]), carried[1])};
      });
  // low is reached by at least `wanted`, high by fewer. A lane is done when they are neighbours, or when exactly `wanted`
  // reach low: then the answer is the least that does.
  Value enough = code.compare(ICmpPredicate::sle, wanted, counts);
  Value above = number(code.add(ordered(range[1]), one));
  Value high = code.select(enough, above, range[0]);
  SmallVector<Value> found = code.repeat(
      ValueRange{range[0], high, notOf(enough), code.integer(0, code.i32)},
      [&](ValueRange carried) -> std::pair<Value, SmallVector<Value>> {
        Value low = carried[0], high = carried[1], done = carried[2], round = carried[3];
        Value middle = middleOf(low, high, round);
        Value reached =
            code.loop(code.index(0), rows, 1, ValueRange{zero}, [&](Value n, ValueRange sum) -> SmallVector<Value> {
              Value counted = both(code.compare(FCmpPredicate::oge, rowAt(n), middle), present(n));
              return {code.select(counted, code.add(sum[0], one), sum[0])};
            })[0];
        Value open = notOf(done), up = both(open, code.compare(ICmpPredicate::sge, reached, wanted));
        Value down = both(open, code.compare(ICmpPredicate::slt, reached, wanted));
        low = code.select(up, middle, low), high = code.select(down, middle, high);
        Value exact = both(up, code.compare(ICmpPredicate::eq, reached, wanted));
        Value neighbours = code.compare(ICmpPredicate::sge, code.add(ordered(low), one), ordered(high));
        done = code.bitOr(done, code.bitOr(exact, neighbours));
        return {code.anyLane(notOf(done)), {low, high, done, code.add(round, code.integer(1, code.i32))}};
      });
  Value answer =
      code.loop(code.index(0), rows, 1, ValueRange{infinity}, [&](Value n, ValueRange least) -> SmallVector<Value> {
        Value score = rowAt(n);
        Value counted = both(code.compare(FCmpPredicate::oge, score, found[0]), present(n));
        return {code.select(counted, code.fminFast(score, least[0]), least[0])};
      })[0];
  return code.select(enough, answer, lowest);
}

} // namespace

void KernelEmitter::emitRanking(tile::RankingOp op) {
  int64_t rows = op.getRanking().getType().getRows(), columns = 1, thresholds = 0;
  kernel.walk([&](tile::RankOp rank) { columns = std::max<int64_t>(columns, rank.getScores().getType().getColumns()); });
  kernel.walk([&](tile::ThresholdOp) { ++thresholds; });
  // Every key is shown once; two tiles more, since a range may begin and end inside one.
  Value tiles = code.add(code.ceilDiv(sizes[int(tile::Extent::Length)], columns), code.index(2));
  int64_t perTile = llvm::alignTo(rows * columns * 4, 64);
  Value bytes = code.mul(tiles, code.index(perTile));
  auto take = [&] {
    Value start = code.address(scratch, code.i8, panelEnd);
    panelEnd = code.add(panelEnd, bytes);
    panelConstant += 2 * perTile;
    panelPerTile += perTile;
    return start;
  };
  panelTile = columns;
  Value panel = take();
  rankings[op.getRanking()] = {panel, thresholds > 1 ? take() : panel, code.index(0), rows};
}

//===-- Thresholds --------------------------------------------------------------------------------------------------===//

// The largest of every `size` rows: at most mostClasses of them, in `maxima`. Returns how many.
Value KernelEmitter::emitClassMaxima(Value panel, int64_t stride, Value rows, Value maxima, int64_t lanes) {
  Value size = code.maximum(code.index(leastClass), code.ceilDiv(rows, mostClasses));
  Value classes = LLVM::UDivOp::create(code.builder, code.loc, code.add(rows, code.sub(size, code.index(1))), size);
  code.loop(code.index(0), classes, 1, [&](Value n) {
    Value first = code.mul(n, size), last = code.minimum(code.add(first, size), rows);
    Value most = code.loop(first, last, 1, ValueRange{code.real(-HUGE_VAL, code.vector(code.f32, lanes))},
                           [&](Value m, ValueRange carried) -> SmallVector<Value> {
                             Value row = code.address(panel, code.f32, code.mul(m, code.index(stride)));
                             return {code.fmaxFast(code.load(row, code.f32, lanes), carried[0])};
                           })[0];
    code.store(most, code.address(maxima, code.f32, code.mul(n, code.index(lanes))));
  });
  return classes;
}

// Moves what reaches its column's bound to the front of the column; `cursors` count. A block of rows at a time, its scores
// are named in a list first, four of a row without a branch; there are about two in a row of 64.
void KernelEmitter::emitCompaction(const Ranking &ranking, Value firstColumn, int64_t columns, Value bounds, Value cursors,
                                   Value names) {
  int64_t lanes = code.target.lanes();
  Value panel = code.address(ranking.panel, code.f32, firstColumn), list = code.address(ranking.list, code.f32, firstColumn);
  Value stride = code.index(ranking.rows), zero = code.index(0), one = code.index(1);
  SmallVector<std::pair<int64_t, int64_t>> vectors; // first column and width of each
  for (int64_t column = 0; column < columns; column += lanes)
    vectors.emplace_back(column, std::min(lanes, columns - column));
  SmallVector<Value> least;
  for (auto [column, width] : vectors) {
    least.push_back(code.load(code.address(bounds, code.f32, column), code.f32, width));
    code.store(code.integer(0, code.vector(code.i32, width)), code.address(cursors, code.i32, column));
  }
  auto nameOf = [&](Value row, Value column) {
    return LLVM::TruncOp::create(code.builder, code.loc, code.i32, code.add(code.mul(row, code.index(blockColumns)), column));
  };
  auto firstBit = [&](Value mask) -> Value {
    return LLVM::CountTrailingZerosOp::create(code.builder, code.loc, code.i64, mask, false);
  };
  auto withoutFirst = [&](Value mask) { return code.bitAnd(mask, code.sub(mask, one)); };
  code.loop(zero, ranking.count, blockRows, [&](Value block) {
    Value rows = code.minimum(code.sub(ranking.count, block), code.index(blockRows));
    Value start = code.address(panel, code.f32, code.mul(block, stride));
    Value named = code.loop(zero, rows, 1, ValueRange{zero}, [&](Value r, ValueRange carried) -> SmallVector<Value> {
      Value row = code.address(start, code.f32, code.mul(r, stride)), mask = zero;
      for (auto [n, vector] : llvm::enumerate(vectors)) {
        auto [column, width] = vector;
        Value scores = code.load(code.address(row, code.f32, column), code.f32, width);
        Value bits = code.compare(FCmpPredicate::oge, scores, least[n]);
        if (width > 1)
          bits = LLVM::BitcastOp::create(code.builder, code.loc, IntegerType::get(kernel.getContext(), unsigned(width)), bits);
        if (width < 64)
          bits = LLVM::ZExtOp::create(code.builder, code.loc, code.i64, bits);
        mask = code.bitOr(mask, code.shiftLeft(bits, column));
      }
      Value to = code.address(names, code.i32, carried[0]), left = mask;
      for (int64_t n = 0; n < 4; ++n) {
        code.store(nameOf(r, firstBit(left)), code.address(to, code.i32, n));
        left = withoutFirst(left);
      }
      code.when(code.compare(ICmpPredicate::ne, left, zero), [&] {
        code.repeat(ValueRange{left, code.index(4)}, [&](ValueRange carried) -> std::pair<Value, SmallVector<Value>> {
          code.store(nameOf(r, firstBit(carried[0])), code.address(to, code.i32, carried[1]));
          Value next = withoutFirst(carried[0]);
          return {code.compare(ICmpPredicate::ne, next, zero), {next, code.add(carried[1], one)}};
        });
      });
      return {code.add(carried[0], LLVM::CtPopOp::create(code.builder, code.loc, mask))};
    })[0];
    // A column's cursor never overtakes the row that is read.
    code.loop(zero, named, 1, [&](Value n) {
      Value name = LLVM::ZExtOp::create(code.builder, code.loc, code.i64, code.load(code.address(names, code.i32, n), code.i32, 1));
      Value column = code.bitAnd(name, code.index(blockColumns - 1));
      Value row = LLVM::LShrOp::create(code.builder, code.loc, name, code.index(llvm::Log2_64(blockColumns)));
      Value score = code.load(code.address(start, code.f32, code.add(code.mul(row, stride), column)), code.f32, 1);
      Value cursor = code.address(cursors, code.i32, column), at = code.load(cursor, code.i32, 1);
      Value place = code.mul(LLVM::ZExtOp::create(code.builder, code.loc, code.i64, at), stride);
      code.store(score, code.address(list, code.f32, code.add(place, column)));
      code.store(code.add(at, code.integer(1, code.i32)), cursor);
    });
  });
}

void KernelEmitter::emitThreshold(tile::ThresholdOp op) {
  Ranking ranking = rankings[op.getRanking()];
  Place counts = placeOf(op.getCounts()), result = placeOf(op.getThreshold());
  Value shown = LLVM::TruncOp::create(code.builder, code.loc, code.i32, ranking.count);
  auto allocate = [&](int64_t count) -> Value {
    OpBuilder entry = OpBuilder::atBlockBegin(&code.function.front());
    Value size = LLVM::ConstantOp::create(entry, code.loc, code.i64, entry.getI64IntegerAttr(count));
    return LLVM::AllocaOp::create(entry, code.loc, code.pointer, code.i32, size, 64);
  };
  Value bounds = allocate(blockColumns), cursors = allocate(blockColumns), names = allocate(blockRows * blockColumns + 4);
  Value maxima = allocate(mostClasses * code.target.lanes());

  // Calls `visit` for the vectors of columns [first, first + columns): place in the block, and lanes.
  auto forVectors = [&](int64_t columns, function_ref<void(Value, int64_t)> visit) {
    int64_t lanes = code.target.lanes(), whole = columns / lanes * lanes;
    code.loop(0, whole, lanes, [&](Value column) { visit(column, lanes); });
    if (columns > whole)
      visit(code.index(whole), columns - whole);
  };
  auto wantedAt = [&](Value column, int64_t lanes) {
    Type type = code.vector(code.i32, lanes);
    Value wanted = code.load(code.address(counts.base, counts.element, column), counts.element, lanes);
    if (isa<FloatType>(counts.element))
      return Value(LLVM::FPToSIOp::create(code.builder, code.loc, type, wanted));
    if (!counts.element.isInteger(64))
      return wanted;
    Type wide = wanted.getType();
    wanted = code.maximum(code.minimum(wanted, code.integer(INT32_MAX, wide)), code.integer(INT32_MIN, wide));
    return Value(LLVM::TruncOp::create(code.builder, code.loc, type, wanted));
  };
  auto emitColumns = [&](Value first, int64_t columns) {
    auto select = [&](Value panel, Value rows, bool counted) {
      forVectors(columns, [&](Value column, int64_t lanes) {
        Value wanted = wantedAt(code.add(first, column), lanes), one = code.integer(1, wanted.getType());
        Value present = counted ? code.load(code.address(cursors, code.i32, column), code.i32, lanes) : code.splat(shown, lanes);
        Value longest = rows;
        if (counted) {
          longest = code.reduceLanes(present, [&](Value a, Value b) { return code.maximum(a, b); });
          longest = LLVM::SExtOp::create(code.builder, code.loc, code.i64, longest);
        }
        Value start = code.address(panel, code.f32, code.add(first, column));
        Value tau = Selection(code, lanes).run(start, code.index(ranking.rows), longest, present, code.maximum(wanted, one));
        Value none = code.compare(ICmpPredicate::slt, wanted, one);
        tau = code.select(none, code.real(HUGE_VAL, tau.getType()), tau);
        code.store(tau, code.address(result.base, result.element, code.add(first, column)));
      });
    };
    auto direct = [&]() -> SmallVector<Value> {
      select(ranking.panel, ranking.count, false);
      return {};
    };
    auto filtered = [&]() -> SmallVector<Value> {
      forVectors(columns, [&](Value column, int64_t lanes) {
        Value start = code.address(ranking.panel, code.f32, code.add(first, column));
        Value classes = emitClassMaxima(start, ranking.rows, ranking.count, maxima, lanes);
        Value wanted = wantedAt(code.add(first, column), lanes);
        Value every = code.splat(LLVM::TruncOp::create(code.builder, code.loc, code.i32, classes), lanes);
        Value bound = Selection(code, lanes).run(maxima, code.index(lanes), classes, every,
                                                 code.maximum(wanted, code.integer(1, wanted.getType())));
        code.store(bound, code.address(bounds, code.f32, column));
      });
      emitCompaction(ranking, first, columns, bounds, cursors, names);
      select(ranking.list, Value(), true);
      return {};
    };
    code.choose(code.compare(ICmpPredicate::slt, ranking.count, code.index(shortPanel)), {}, direct, filtered);
  };
  int64_t whole = ranking.rows / blockColumns * blockColumns;
  code.loop(0, whole, blockColumns, [&](Value first) { emitColumns(first, blockColumns); });
  if (ranking.rows > whole)
    emitColumns(code.index(whole), ranking.rows - whole);
}

} // namespace caa::cpu
