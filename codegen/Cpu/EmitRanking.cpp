// Rankings: the exact k-th largest of each row's scores.
//
// A ranking is a panel with one row for each key shown and one column for each row of the tile, so that many rows are
// worked on at once, one in each lane. Scores are kept as integers of the same order (-0 as +0). `threshold`
// 1. takes the largest of every class of keys (every n-th key); the k-th largest of those is a bound that at least k scores reach;
// 2. moves the scores that reach it to the front of their column;
// 3. finds the k-th largest of them by bisection, which ends where exactly k reach the middle.
// Memory is O(T) per row; the result is exact for all finite scores, ties included.
#include "codegen/Cpu/KernelEmitter.h"

using namespace mlir;
using LLVM::ICmpPredicate;

namespace caa::cpu {

static constexpr int64_t lowestKey = int32_t(0x807fffff); // of -inf

// Integers that compare like the scores.
Value KernelEmitter::orderedBits(Value scores) {
  Value bits = code.bitcast(code.fadd(scores, code.real(0, scores.getType())), code.i32);
  Value flip = code.bitAnd(code.shiftRight(bits, 31), code.integer(0x7fffffff, bits.getType()));
  return code.bitXor(bits, flip);
}

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

// The wanted[l]-th largest of panel[0 .. counts[l]) in each lane, wanted >= 1; lanes with fewer get the lowest.
void KernelEmitter::selectLanes(Value panel, int64_t stride, Value rows, Value counts, Value wanted, Value result,
                                int64_t lanes) {
  Type type = code.vector(code.i32, lanes), bools = code.vector(code.i1, lanes);
  Value zero = code.integer(0, type), one = code.integer(1, type);
  auto any = [&](Value mask) { return code.reduceLanes(mask, [&](Value a, Value b) { return code.bitOr(a, b); }); };
  auto rowAt = [&](Value n) {
    return code.load(code.address(panel, code.i32, code.mul(n, code.index(stride))), code.i32, lanes);
  };
  auto present = [&](Value n) {
    Value number = LLVM::TruncOp::create(code.builder, code.loc, code.i32, n);
    return code.compare(ICmpPredicate::slt, code.splat(number, lanes), counts);
  };
  // The least and the most of what is there.
  SmallVector<Value> range =
      code.loop(code.index(0), rows, 1, ValueRange{code.integer(INT32_MAX, type), code.integer(INT32_MIN, type)},
                [&](Value n, ValueRange carried) -> SmallVector<Value> {
                  Value key = rowAt(n), there = present(n);
                  return {code.select(there, code.minimum(carried[0], key), carried[0]),
                          code.select(there, code.maximum(carried[1], key), carried[1])};
                });
  // low is reached by at least `wanted`, high by fewer. A lane is done when they are neighbours, or when exactly `wanted`
  // reach the middle: then the answer is the least that does.
  Value enough = code.compare(ICmpPredicate::sle, wanted, counts);
  Value high = code.select(enough, code.add(range[1], one), code.add(range[0], one));
  SmallVector<Value> found = code.repeat(
      ValueRange{range[0], high, code.integer(0, bools)}, [&](ValueRange carried) -> std::pair<Value, SmallVector<Value>> {
        Value low = carried[0], high = carried[1], exact = carried[2];
        // The middle of low and high, rounded up, without overflow: (low | high) - ((low ^ high) >> 1).
        Value middle = code.sub(code.bitOr(low, high), code.shiftRight(code.bitXor(low, high), 1));
        Value reached =
            code.loop(code.index(0), rows, 1, ValueRange{zero}, [&](Value n, ValueRange sum) -> SmallVector<Value> {
              Value counted = code.bitAnd(code.compare(ICmpPredicate::sge, rowAt(n), middle), present(n));
              return {code.select(counted, code.add(sum[0], one), sum[0])};
            })[0];
        Value open = code.compare(ICmpPredicate::slt, code.add(low, one), high);
        open = code.bitAnd(open, code.bitXor(exact, code.integer(-1, bools)));
        Value up = code.bitAnd(open, code.compare(ICmpPredicate::sge, reached, wanted));
        Value down = code.bitAnd(open, code.compare(ICmpPredicate::slt, reached, wanted));
        Value newLow = code.select(up, middle, low), newHigh = code.select(down, middle, high);
        Value newExact = code.bitOr(exact, code.bitAnd(up, code.compare(ICmpPredicate::eq, reached, wanted)));
        Value again = code.compare(ICmpPredicate::slt, code.add(newLow, one), newHigh);
        again = code.bitAnd(again, code.bitXor(newExact, code.integer(-1, bools)));
        return {any(again), {newLow, newHigh, newExact}};
      });
  Value answer = code.loop(code.index(0), rows, 1, ValueRange{code.integer(INT32_MAX, type)},
                           [&](Value n, ValueRange least) -> SmallVector<Value> {
                             Value key = rowAt(n);
                             Value counted = code.bitAnd(code.compare(ICmpPredicate::sge, key, found[0]), present(n));
                             return {code.select(counted, code.minimum(least[0], key), least[0])};
                           })[0];
  code.store(code.select(enough, answer, code.integer(lowestKey, type)), result);
}

void KernelEmitter::emitThreshold(tile::ThresholdOp op) {
  Ranking ranking = rankings[op.getRanking()];
  Place counts = placeOf(op.getCounts()), result = placeOf(op.getThreshold());
  int64_t stride = ranking.rows, most = code.target.lanes();
  Value shown = LLVM::TruncOp::create(code.builder, code.loc, code.i32, ranking.count);

  auto lanesAt = [&](Value first, int64_t lanes) {
    Type type = code.vector(code.i32, lanes);
    Value wanted = code.load(code.address(counts.base, counts.element, first), counts.element, lanes);
    if (isa<FloatType>(counts.element)) {
      wanted = LLVM::FPToSIOp::create(code.builder, code.loc, type, wanted);
    } else if (counts.element.isInteger(64)) {
      Type wide = wanted.getType();
      wanted = code.maximum(code.minimum(wanted, code.integer(INT32_MAX, wide)), code.integer(INT32_MIN, wide));
      wanted = LLVM::TruncOp::create(code.builder, code.loc, type, wanted);
    }
    Value one = code.integer(1, type), rank = code.maximum(wanted, one);
    Value panel = code.address(ranking.panel, code.i32, first), list = code.address(ranking.list, code.i32, first);
    auto allocate = [&](int64_t rows) {
      OpBuilder entry = OpBuilder::atBlockBegin(&code.function.front());
      Value size = LLVM::ConstantOp::create(entry, code.loc, code.i64, entry.getI64IntegerAttr(rows * lanes));
      return LLVM::AllocaOp::create(entry, code.loc, code.pointer, code.i32, size, 64);
    };
    Value bound = allocate(1), cursor = allocate(1), answer = allocate(1);
    Value all = code.splat(shown, lanes);

    constexpr int64_t classes = 128;
    Value maxima = allocate(classes);
    auto direct = [&]() -> SmallVector<Value> {
      selectLanes(panel, stride, ranking.count, all, rank, answer, lanes);
      return {};
    };
    auto filtered = [&]() -> SmallVector<Value> {
      code.loop(0, classes, 1, [&](Value n) {
        Value best = code.loop(n, ranking.count, classes, ValueRange{code.integer(INT32_MIN, type)},
                               [&](Value m, ValueRange carried) -> SmallVector<Value> {
                                 Value key = code.load(code.address(panel, code.i32, code.mul(m, code.index(stride))), code.i32, lanes);
                                 return {code.maximum(carried[0], key)};
                               })[0];
        code.store(best, code.address(maxima, code.i32, code.mul(n, code.index(lanes))));
      });
      Value every = code.integer(classes, type);
      selectLanes(maxima, lanes, code.index(classes), every, rank, bound, lanes);
      // Scores that reach the bound go to the front. A lane's cursor never overtakes the row that is read.
      Value least = code.load(bound, code.i32, lanes);
      code.store(code.integer(0, type), cursor);
      code.loop(code.index(0), ranking.count, 1, [&](Value n) {
        Value row = code.address(panel, code.i32, code.mul(n, code.index(stride)));
        Value kept = code.compare(ICmpPredicate::sge, code.load(row, code.i32, lanes), least);
        Value mask = lanes == 1 ? LLVM::ZExtOp::create(code.builder, code.loc, code.i32, kept)
                                : LLVM::ZExtOp::create(code.builder, code.loc, code.i32,
                                                       LLVM::BitcastOp::create(code.builder, code.loc,
                                                                               IntegerType::get(kernel.getContext(), lanes), kept));
        code.when(code.compare(ICmpPredicate::ne, mask, code.integer(0, code.i32)), [&] {
          code.repeat(ValueRange{mask}, [&](ValueRange carried) -> std::pair<Value, SmallVector<Value>> {
            Value bit = LLVM::CountTrailingZerosOp::create(code.builder, code.loc, code.i32, carried[0], true);
            Value l = LLVM::ZExtOp::create(code.builder, code.loc, code.i64, bit);
            Value slot = code.address(cursor, code.i32, l), at = code.load(slot, code.i32, 1);
            Value key = code.load(code.address(row, code.i32, l), code.i32, 1);
            Value offset = code.add(code.mul(LLVM::ZExtOp::create(code.builder, code.loc, code.i64, at), code.index(stride)), l);
            code.store(key, code.address(list, code.i32, offset));
            code.store(code.add(at, code.integer(1, code.i32)), slot);
            Value left = code.bitAnd(carried[0], code.sub(carried[0], code.integer(1, code.i32)));
            return {code.compare(ICmpPredicate::ne, left, code.integer(0, code.i32)), {left}};
          });
        });
      });
      Value kept = code.load(cursor, code.i32, lanes);
      Value longest = code.reduceLanes(kept, [&](Value a, Value b) { return code.maximum(a, b); });
      longest = LLVM::SExtOp::create(code.builder, code.loc, code.i64, longest);
      selectLanes(list, stride, longest, kept, rank, answer, lanes);
      return {};
    };
    code.choose(code.compare(ICmpPredicate::slt, ranking.count, code.index(2 * classes)), {}, direct, filtered);

    Value key = code.load(answer, code.i32, lanes);
    Value flip = code.bitAnd(code.shiftRight(key, 31), code.integer(0x7fffffff, type));
    Value score = code.bitcast(code.bitXor(key, flip), code.f32);
    Value none = code.compare(ICmpPredicate::slt, wanted, one);
    score = code.select(none, code.real(HUGE_VAL, score.getType()), score);
    code.store(score, code.address(result.base, result.element, first));
  };
  int64_t whole = ranking.rows / most * most;
  code.loop(0, whole, most, [&](Value first) { lanesAt(first, most); });
  if (ranking.rows > whole)
    lanesAt(code.index(whole), ranking.rows - whole);
}

} // namespace caa::cpu
