// See Ranking.h.
#include "codegen/Nvptx/Fragments/Ranking.h"

using namespace mlir;
using LLVM::FCmpPredicate;
using LLVM::ICmpPredicate;

namespace caa::nvptx {

static constexpr int64_t wordsOfMaxima = ListRanker::stateRegisters - 1; // of class maxima, two classes each
static constexpr int64_t mostCapacity = 80, leastCapacity = 16;
static constexpr int64_t group = 8;          // scores between two looks at how full a list is
static constexpr int64_t boundRounds = 8, listRounds = 3;
static constexpr int64_t valueRounds = 24;   // then bisection goes by bits, which ends
static constexpr uint32_t lowestPair = 0xff80ff80; // -inf, -inf

// Lists of the lanes of a warp begin in different banks.
static int64_t strideOf(int64_t capacity) { return capacity + 1; }

int64_t ListRanker::bytes(RowLayout rows, int64_t capacity) { return 16 * rows.rows() * strideOf(capacity) + 4 * rows.warps; }

int64_t ListRanker::capacityFor(RowLayout rows, int64_t available) {
  int64_t capacity = mostCapacity;
  while (capacity >= leastCapacity && bytes(rows, capacity) > available)
    capacity -= group;
  return capacity < leastCapacity ? 0 : capacity;
}

ListRanker::ListRanker(ThreadCode &code, Fragments &fragments, Value memory, int64_t capacity)
    : code(code), fragments(fragments), memory(memory), capacity(capacity) {
  Value lane = code.bitAnd(code.lane(), code.word(3));
  for (int64_t strip = 0; strip < fragments.rows.strips; ++strip)
    for (int64_t half = 0; half < 2; ++half) {
      Value list = code.add(code.mul(fragments.rowOf(strip, half), code.word(4)), lane);
      lists.push_back(code.offset(memory, code.mul(list, code.word(4 * strideOf(capacity)))));
    }
}

//===-- Small things ------------------------------------------------------------------------------------------------===//

// As many as fill the registers, and a whole number of tiles.
int64_t ListRanker::classesOf(int64_t columns) const {
  int64_t classes = 8 * wordsOfMaxima / int64_t(rowCount());
  return std::max(columns, classes / columns * columns);
}

static bool isColumn(const Fragment &scores) { return Fragments::shapeOf(scores.type) == Fragments::Shape::Column; }

// Blocks of 8 columns that a thread has two scores each of.
static int64_t blocksOf(const Fragment &scores) { return (scores.type.getColumns() + 7) / 8; }

Value ListRanker::score(const Fragment &scores, const Fragment *members, size_t row, int64_t n, Value owner) {
  int64_t block = n / 2, column = n % 2, columns = scores.type.getColumns();
  auto at = [&](const Fragment &tile) {
    return tile.values[isColumn(tile) ? row : size_t(Fragments::pairIndex(tile.type, int64_t(row) / 2, block, int64_t(row) % 2, column))];
  };
  Value value = at(scores), nothing = code.real(-HUGE_VAL, code.f32);
  if (members)
    value = code.select(at(*members), value, nothing);
  if (isColumn(scores))
    return code.select(code.compare(ICmpPredicate::eq, fragments.pair, code.add(owner, owner)), value, nothing);
  if (8 * (block + 1) > columns)
    value = code.select(code.compare(ICmpPredicate::slt, fragments.columnOf(block, column), code.word(columns)), value, nothing);
  return value;
}

static Value flip(ThreadCode &code, Value bits) {
  return code.bitXor(bits, code.bitAnd(code.shiftRight(bits, 31), code.word(0x7fffffff)));
}
Value ListRanker::ordered(Value number) { return flip(code, code.bitcast(number, code.i32)); }
Value ListRanker::number(Value ordered) { return code.bitcast(flip(code, ordered), code.f32); }

Value ListRanker::countIf(FCmpPredicate predicate, Value count, Value a, Value b) {
  StringRef name = predicate == FCmpPredicate::oge ? "ge" : "gt";
  return code.assembly(("{\n\t.reg .pred %counts;\n\tsetp." + name + ".f32 %counts, $1, $2;\n\t@%counts add.s32 $0, $0, 1;\n\t}").str(),
                       "=r,f,f,0", code.i32, {a, b, count}, /*isVolatile=*/false);
}

// Where between `from` and `to` the wanted number of scores is reached, if they lie evenly there: `more` reach `from`, `fewer` reach
// `to`. Half way in every third round, so that it ends.
Value ListRanker::guess(Value round, Value from, Value to, Value more, Value fewer, Value wanted) {
  auto toFloat = [&](Value integer) -> Value { return LLVM::SIToFPOp::create(code.builder, code.loc, code.f32, integer); };
  Value above = code.fadd(toFloat(code.sub(more, wanted)), code.real(0.5, code.f32)), all = toFloat(code.sub(more, fewer));
  Value part = code.intrinsic("llvm.nvvm.div.approx.ftz.f", code.f32, {above, all});
  Value third = LLVM::URemOp::create(code.builder, code.loc, round, code.word(3));
  part = code.select(code.compare(ICmpPredicate::eq, third, code.word(2)), code.real(0.5, code.f32), part);
  Value rest = code.fsub(code.real(1, code.f32), part); // no difference of ends: it may overflow
  return code.fadd(code.fmul(from, rest), code.fmul(to, part));
}

Value ListRanker::overQuad(Value value, function_ref<Value(Value, Value)> combine) {
  for (int64_t mask : {1, 2})
    value = combine(value, code.shuffleXor(value, mask));
  return value;
}

Value ListRanker::isAnyOpen(Value condition) {
  Value flags = code.offset(memory, 16 * fragments.rows.rows() * strideOf(capacity));
  Value mine = code.select(code.anyInWarp(condition), code.word(1), code.word(0));
  code.when(code.compare(ICmpPredicate::eq, code.lane(), code.word(0)),
            [&] { code.storeAs(mine, code.offset(flags, code.mul(fragments.warp, code.word(4)))); });
  fragments.barrier();
  Value any = code.loadAs(code.i32, flags);
  for (int64_t warp = 1; warp < fragments.rows.warps; ++warp)
    any = code.bitOr(any, code.loadAs(code.i32, code.offset(flags, 4 * warp)));
  fragments.barrier();
  Value isAny = code.compare(ICmpPredicate::ne, any, code.word(0));
  if (willSweepAgain)
    willSweepAgain(isAny);
  return isAny;
}

//===-- The first sweep: maxima of classes --------------------------------------------------------------------------===//

// State: the maxima, all of one row's first; then how often something was shown since the classes last began anew.
SmallVector<Value> ListRanker::start(tile::RankingOp) {
  SmallVector<Value> state(size_t(wordsOfMaxima), code.integer(int32_t(lowestPair), code.i32));
  state.push_back(code.word(0));
  return state;
}

// Rounded towards zero; boundOf knows.
SmallVector<Value> ListRanker::show(tile::RankOp, ValueRange state, const Fragment &scores, const Fragment *members) {
  // Single scores of rows become classes in turn: lanes, then the halves of a word, then words.
  int64_t blocks = blocksOf(scores), tiles = classesOf(8 * blocks) / (8 * blocks), shows = isColumn(scores) ? 8 : 1;
  int64_t wordsOfRow = wordsOfMaxima / int64_t(rowCount());
  Value count = state.back(), tile = shows == 1 ? count : code.shiftRightUnsigned(count, 3);
  Value owner = code.bitAnd(count, code.word(3)), isOdd = code.compare(ICmpPredicate::ne, code.bitAnd(count, code.word(4)), code.word(0));
  SmallVector<Value> shown, next(state);
  for (size_t row = 0; row < rowCount(); ++row)
    for (int64_t block = 0; block < blocks; ++block) {
      Value even, odd, nothing = code.real(-HUGE_VAL, code.f32);
      if (isColumn(scores)) {
        Value one = score(scores, members, row, 0, owner);
        even = code.select(isOdd, nothing, one), odd = code.select(isOdd, one, nothing);
      } else {
        even = score(scores, members, row, 2 * block), odd = score(scores, members, row, 2 * block + 1);
      }
      shown.push_back(code.assembly("cvt.rz.bf16x2.f32 $0, $1, $2;", "=r,f,f", code.i32, {odd, even}, /*isVolatile=*/false));
    }
  for (int64_t n = 0; n < tiles; ++n) {
    SmallVector<size_t> places;
    SmallVector<Value> before;
    for (size_t row = 0; row < rowCount(); ++row)
      for (int64_t block = 0; block < blocks; ++block) {
        places.push_back(row * size_t(wordsOfRow) + size_t(n * blocks + block));
        before.push_back(next[places.back()]);
      }
    auto raise = [&] {
      SmallVector<Value> after;
      for (auto [old, fresh] : llvm::zip(before, shown))
        after.push_back(code.assembly("max.bf16x2 $0, $1, $2;", "=r,r,r", code.i32, {old, fresh}, /*isVolatile=*/false));
      return after;
    };
    SmallVector<Value> after = tiles == 1 ? raise()
                                          : code.choose(code.compare(ICmpPredicate::eq, tile, code.word(n)), ValueRange(before).getTypes(),
                                                        raise, [&] { return before; });
    for (auto [place, value] : llvm::zip(places, after))
      next[place] = value;
  }
  Value following = code.add(count, code.word(1));
  next.back() = code.select(code.compare(ICmpPredicate::eq, following, code.word(tiles * shows)), code.word(0), following);
  return next;
}

// A value that at least `wanted` scores reach; -inf if there are too few classes. By bisection over the maxima, not to the end: a lower
// bound is a bound as well.
ListRanker::PerRow ListRanker::boundOf(ValueRange maxima, const PerRow &wanted) {
  const size_t rows = rowCount(), words = size_t(wordsOfMaxima) / rows;
  Value lowest = code.real(-HUGE_VAL, code.f32), infinity = code.real(HUGE_VAL, code.f32);
  // Pairs of bf16 as f32: the high one with some bits behind it, which do not change how it compares with a bf16 if it is positive
  // and at most make it count as less if it is negative.
  auto high = [&](Value word) { return code.bitcast(word, code.f32); };
  auto low = [&](Value word) { return code.bitcast(code.shiftLeft(word, 16), code.f32); };
  auto rounded = [&](Value value) {
    return code.bitcast(code.bitAnd(code.bitcast(value, code.i32), code.integer(int32_t(0xffff0000), code.i32)), code.f32);
  };
  PerRow least, most;
  for (size_t row = 0; row < rows; ++row) {
    Value smallest = infinity, largest = lowest;
    for (size_t n = 0; n < words; ++n)
      for (Value value : {rounded(high(maxima[row * words + n])), low(maxima[row * words + n])}) {
        largest = code.fmaxFast(value, largest);
        smallest = code.select(code.compare(FCmpPredicate::ogt, value, lowest), code.fminFast(value, smallest), smallest);
      }
    least.push_back(overQuad(smallest, [&](Value a, Value b) { return code.fminFast(a, b); }));
    most.push_back(overQuad(largest, [&](Value a, Value b) { return code.fmaxFast(a, b); }));
  }
  // Carried: the round; of each row lower and upper end, how many reach them, and whether the lower end is near enough.
  constexpr size_t parts = 5;
  const int64_t classes = 8 * int64_t(words);
  SmallVector<Value> inits{code.word(0)};
  for (size_t row = 0; row < rows; ++row)
    inits.append({lowest, most[row], code.word(classes), code.word(0), code.boolean(false)});
  SmallVector<Value> found = code.repeat(inits, [&](ValueRange carried) -> std::pair<Value, SmallVector<Value>> {
    Value round = carried[0], isFirst = code.compare(ICmpPredicate::eq, round, code.word(0)), yes = code.boolean(true);
    SmallVector<Value> next{code.add(round, code.word(1))};
    Value open = code.boolean(false);
    for (size_t row = 0; row < rows; ++row) {
      ValueRange mine = carried.slice(1 + parts * row, parts);
      Value from = mine[0], to = mine[1], more = mine[2], fewer = mine[3], near = mine[4];
      // The least is tried first: if too few classes have any score, nothing more is to be found.
      Value middle = code.select(isFirst, least[row], rounded(guess(round, from, to, more, fewer, wanted[row])));
      Value highs = code.word(0), lows = code.word(0);
      for (size_t n = 0; n < words; ++n) {
        highs = countIf(FCmpPredicate::oge, highs, high(maxima[row * words + n]), middle);
        lows = countIf(FCmpPredicate::oge, lows, low(maxima[row * words + n]), middle);
      }
      Value count = overQuad(code.add(highs, lows), [&](Value a, Value b) { return code.add(a, b); });
      Value enough = code.compare(ICmpPredicate::sge, count, wanted[row]);
      Value up = code.bitAnd(enough, code.bitXor(near, yes)), down = code.bitXor(code.bitOr(enough, near), yes);
      Value close = code.compare(ICmpPredicate::sle, code.sub(count, wanted[row]), code.shiftRight(wanted[row], 3));
      near = code.bitOr(near, code.bitOr(code.bitAnd(up, close), code.bitAnd(down, isFirst)));
      next.append({code.select(up, middle, from), code.select(down, middle, to), code.select(up, count, more),
                   code.select(down, count, fewer), near});
      open = code.bitOr(open, code.bitXor(near, yes));
    }
    Value goesOn = code.bitAnd(code.anyInWarp(open), code.compare(ICmpPredicate::slt, next[0], code.word(boundRounds)));
    return {goesOn, next};
  });
  // Scores were rounded towards zero: one that appears as a negative number is at most one step of bf16 below it.
  PerRow bounds;
  for (size_t row = 0; row < rows; ++row) {
    Value bound = found[1 + parts * row], bits = code.bitcast(bound, code.i32);
    Value below = code.bitcast(code.add(bits, code.word(0x10000)), code.f32);
    Value isZero = code.compare(FCmpPredicate::oeq, bound, code.real(0, code.f32));
    below = code.select(isZero, code.bitcast(code.integer(int32_t(0x80010000), code.i32), code.f32), below);
    Value exact = code.bitOr(code.compare(FCmpPredicate::ogt, bound, code.real(0, code.f32)),
                             code.compare(FCmpPredicate::oeq, bound, lowest));
    bounds.push_back(code.select(exact, bound, below));
  }
  return bounds;
}

//===-- The second sweep: lists -------------------------------------------------------------------------------------===//

// State: where each row's list ends, as shared addresses. A list that has no room for another group takes nothing more.
SmallVector<Value> ListRanker::showToLists(ValueRange ends, const PerRow &bounds, const Fragment &scores, const Fragment *members) {
  SmallVector<Value> next;
  int64_t ownScores = isColumn(scores) ? 1 : 2 * blocksOf(scores);
  for (size_t row = 0; row < rowCount(); ++row) {
    Value end = ends[row], last = code.add(code.sharedAddress(lists[row]), code.word(4 * (capacity - group)));
    Value bound;
    for (int64_t n = 0; n < ownScores; ++n) {
      if (n % group == 0) {
        Value hasRoom = code.compare(ICmpPredicate::ule, end, last);
        bound = code.select(hasRoom, bounds[row], code.real(HUGE_VAL, code.f32));
      }
      end = code.assembly("{\n\t.reg .pred %exceeds;\n\tsetp.gt.f32 %exceeds, $1, $2;\n\t@%exceeds st.shared.f32 [$0], $1;\n\t"
                          "@%exceeds add.u32 $0, $0, 4;\n\t}",
                          "=r,f,f,0,~{memory}", code.i32, {score(scores, members, row, n, code.word(0)), bound, end});
    }
    next.push_back(end);
  }
  return next;
}

// The wanted-th largest of what the four lists of a row hold; `otherwise`, which all exceed, where they hold fewer. Ends where exactly
// as many as wanted reach the middle, or where no number lies between, as on the CPU (codegen/Cpu/EmitRanking.cpp).
ListRanker::PerRow ListRanker::selectFromLists(const PerRow &counts, const PerRow &wanted, const PerRow &otherwise) {
  const size_t rows = rowCount();
  Value lowest = code.real(-HUGE_VAL, code.f32), infinity = code.real(HUGE_VAL, code.f32);
  auto add = [&](Value a, Value b) { return code.add(a, b); };
  // All lists of the warp are read to the end of the longest, in fours; -inf fills them up.
  Value longest = counts[0];
  for (Value count : counts)
    longest = code.maximum(longest, count);
  for (int64_t mask = 1; mask < 32; mask *= 2)
    longest = code.maximum(longest, code.shuffleXor(longest, mask));
  longest = code.bitAnd(code.add(longest, code.word(3)), code.word(-4));
  Value length = code.toLong(longest);
  for (size_t row = 0; row < rows; ++row)
    code.loop(code.toLong(counts[row]), length, 1, [&](Value n) { code.storeAs(lowest, code.address(lists[row], code.f32, n)); });
  auto overLists = [&](ValueRange inits, function_ref<Value(size_t, Value, Value)> take) {
    return code.loop(code.index(0), length, 4, inits, [&](Value n, ValueRange carried) {
      SmallVector<Value> next(carried);
      for (int64_t m = 0; m < 4; ++m)
        for (size_t row = 0; row < rows; ++row)
          next[row] = take(row, code.loadAs(code.f32, code.address(code.address(lists[row], code.f32, n), code.f32, m)), next[row]);
      return next;
    });
  };
  auto least = [&](const PerRow &from) {
    PerRow values = overLists(SmallVector<Value>(rows, infinity), [&](size_t row, Value score, Value carried) {
      return code.select(code.compare(FCmpPredicate::oge, score, from[row]), code.fminFast(score, carried), carried);
    });
    for (Value &value : values)
      value = overQuad(value, [&](Value a, Value b) { return code.fminFast(a, b); });
    return values;
  };
  PerRow largest = overLists(SmallVector<Value>(rows, lowest),
                             [&](size_t, Value score, Value carried) { return code.fmaxFast(score, carried); });
  PerRow enough;
  constexpr size_t parts = 5;
  SmallVector<Value> inits{code.word(0)};
  for (size_t row = 0; row < rows; ++row) {
    largest[row] = overQuad(largest[row], [&](Value a, Value b) { return code.fmaxFast(a, b); });
    Value all = overQuad(counts[row], add);
    enough.push_back(code.compare(ICmpPredicate::sge, all, wanted[row]));
    // The lower end is reached by at least as many as wanted (all exceed the bound, -inf fills up behind), the upper one by fewer.
    Value above = number(code.add(ordered(largest[row]), code.word(1)));
    inits.append({otherwise[row], above, all, code.word(0), code.bitXor(enough[row], code.boolean(true))});
  }
  SmallVector<Value> found = code.repeat(inits, [&](ValueRange carried) -> std::pair<Value, SmallVector<Value>> {
    Value round = carried[0], early = code.compare(ICmpPredicate::slt, round, code.word(valueRounds));
    PerRow middles;
    for (size_t row = 0; row < rows; ++row) {
      ValueRange mine = carried.slice(1 + parts * row, parts);
      Value from = mine[0], to = mine[1], byValue = guess(round, from, to, mine[2], mine[3], wanted[row]);
      Value between = code.bitAnd(code.compare(FCmpPredicate::ogt, byValue, from), code.compare(FCmpPredicate::olt, byValue, to));
      Value a = ordered(from), b = ordered(to);
      // Rounded up, without overflow.
      Value byBits = number(code.sub(code.bitOr(a, b), code.shiftRight(code.bitXor(a, b), 1)));
      middles.push_back(code.select(code.bitAnd(between, early), byValue, byBits));
    }
    PerRow reached = overLists(SmallVector<Value>(rows, code.word(0)), [&](size_t row, Value score, Value sum) {
      return countIf(FCmpPredicate::oge, sum, score, middles[row]);
    });
    SmallVector<Value> next{code.add(round, code.word(1))};
    Value open = code.boolean(false), yes = code.boolean(true);
    for (size_t row = 0; row < rows; ++row) {
      ValueRange mine = carried.slice(1 + parts * row, parts);
      Value from = mine[0], to = mine[1], done = mine[4];
      Value count = overQuad(reached[row], add), isUp = code.compare(ICmpPredicate::sge, count, wanted[row]);
      Value up = code.bitAnd(isUp, code.bitXor(done, yes)), down = code.bitXor(code.bitOr(isUp, done), yes);
      from = code.select(up, middles[row], from), to = code.select(down, middles[row], to);
      Value exact = code.bitAnd(up, code.compare(ICmpPredicate::eq, count, wanted[row]));
      Value neighbours = code.compare(ICmpPredicate::sge, code.add(ordered(from), code.word(1)), ordered(to));
      done = code.bitOr(done, code.bitOr(exact, neighbours));
      next.append({from, to, code.select(up, count, mine[2]), code.select(down, count, mine[3]), done});
      open = code.bitOr(open, code.bitXor(done, yes));
    }
    return {code.anyInWarp(open), next};
  });
  PerRow from;
  for (size_t row = 0; row < rows; ++row)
    from.push_back(found[1 + parts * row]);
  PerRow answers = least(from);
  for (size_t row = 0; row < rows; ++row)
    answers[row] = code.select(enough[row], answers[row], otherwise[row]);
  return answers;
}

FailureOr<ListRanker::Search> ListRanker::searchLists(Search search, const PerRow &wanted, Again again) {
  const size_t rows = rowCount();
  Value infinity = code.real(HUGE_VAL, code.f32);
  LogicalResult status = success();
  SmallVector<Value> inits{code.word(0)};
  llvm::append_range(inits, search.bound);
  llvm::append_range(inits, search.open);
  inits.push_back(code.boolean(true));
  SmallVector<Value> found = code.repeat(inits, [&](ValueRange carried) -> std::pair<Value, SmallVector<Value>> {
    PerRow bound(carried.slice(1, rows)), open(carried.slice(1 + rows, rows)), limits, starts;
    for (size_t row = 0; row < rows; ++row) {
      limits.push_back(code.select(open[row], bound[row], infinity)); // a row that is done lists nothing
      starts.push_back(code.sharedAddress(lists[row]));
    }
    auto show = [&](tile::RankOp, ValueRange state, const Fragment &scores, const Fragment *members) {
      return showToLists(state, limits, scores, members);
    };
    FailureOr<SmallVector<Value>> ends = again(starts, show);
    if (failed(ends)) {
      status = failure();
      return {code.boolean(false), SmallVector<Value>(carried)};
    }
    PerRow counts, stillOpen;
    Value any = code.boolean(false);
    for (size_t row = 0; row < rows; ++row) {
      Value bytes = code.sub((*ends)[row], starts[row]);
      counts.push_back(code.shiftRight(bytes, 2));
      Value full = code.select(code.compare(ICmpPredicate::sgt, bytes, code.word(4 * (capacity - group))), code.word(1), code.word(0));
      full = overQuad(full, [&](Value a, Value b) { return code.bitOr(a, b); });
      stillOpen.push_back(code.bitAnd(open[row], code.compare(ICmpPredicate::ne, full, code.word(0))));
      any = code.bitOr(any, stillOpen.back());
    }
    any = isAnyOpen(any);
    PerRow answers = selectFromLists(counts, wanted, bound);
    SmallVector<Value> next{code.add(carried[0], code.word(1))};
    for (size_t row = 0; row < rows; ++row)
      next.push_back(code.select(open[row], answers[row], bound[row]));
    llvm::append_range(next, stillOpen);
    next.push_back(any);
    Value isLast = code.compare(ICmpPredicate::eq, next[0], code.word(listRounds));
    return {code.bitAnd(any, code.bitXor(isLast, code.boolean(true))), next};
  });
  if (failed(status))
    return failure();
  ArrayRef<Value> all(found);
  return Search{PerRow(all.slice(1, rows)), PerRow(all.slice(1 + rows, rows)), all.back()};
}

//===-- More sweeps: counting ---------------------------------------------------------------------------------------===//

// Numbers as integers in order: `from` is reached by enough scores, `to` (unsigned, exclusive) is not. Three numbers between them are
// counted at a time.
FailureOr<ListRanker::Search> ListRanker::searchByCounting(Search search, const PerRow &wanted, Again again) {
  constexpr size_t pivots = 3;
  const size_t rows = rowCount();
  LogicalResult status = success();
  SmallVector<Value> inits;
  Value beyond = code.add(ordered(code.real(HUGE_VAL, code.f32)), code.word(1));
  for (size_t row = 0; row < rows; ++row) {
    Value from = ordered(search.bound[row]);
    // Rows that are done have nothing between.
    inits.append({from, code.select(search.open[row], beyond, code.add(from, code.word(1)))});
  }
  SmallVector<Value> found = code.repeat(inits, [&](ValueRange carried) -> std::pair<Value, SmallVector<Value>> {
    SmallVector<Value> numbers, middles, zeros(rows * pivots, code.word(0));
    for (size_t row = 0; row < rows; ++row) {
      Value from = carried[2 * row], width = code.sub(carried[2 * row + 1], from); // as unsigned
      Value half = code.shiftRightUnsigned(width, 1), quarter = code.shiftRightUnsigned(width, 2);
      for (Value step : {quarter, half, code.add(half, quarter)}) {
        Value atLeastOne = code.select(code.compare(ICmpPredicate::eq, step, code.word(0)), code.word(1), step);
        middles.push_back(code.add(from, atLeastOne));
        numbers.push_back(number(middles.back()));
      }
    }
    auto show = [&](tile::RankOp, ValueRange state, const Fragment &scores, const Fragment *members) {
      SmallVector<Value> counts(state);
      for (size_t row = 0; row < rows; ++row)
        for (int64_t n = 0; n < (isColumn(scores) ? 1 : 2 * blocksOf(scores)); ++n) {
          Value shown = score(scores, members, row, n, code.word(0));
          for (size_t p = row * pivots; p < (row + 1) * pivots; ++p)
            counts[p] = code.select(code.compare(FCmpPredicate::oge, shown, numbers[p]), code.add(counts[p], code.word(1)), counts[p]);
        }
      return counts;
    };
    FailureOr<SmallVector<Value>> counts = again(zeros, show);
    if (failed(counts)) {
      status = failure();
      return {code.boolean(false), SmallVector<Value>(carried)};
    }
    SmallVector<Value> next;
    Value any = code.boolean(false);
    for (size_t row = 0; row < rows; ++row) {
      Value from = carried[2 * row], to = carried[2 * row + 1];
      Value isOpen = code.compare(ICmpPredicate::ugt, code.sub(to, from), code.word(1)), newFrom = from, newTo = to;
      for (size_t p = 0; p < pivots; ++p) { // ascending
        Value count = overQuad((*counts)[row * pivots + p], [&](Value a, Value b) { return code.add(a, b); });
        newFrom = code.select(code.compare(ICmpPredicate::sge, count, wanted[row]), middles[row * pivots + p], newFrom);
      }
      for (size_t p = pivots; p-- > 0;) { // descending: the least that too few reach
        Value count = overQuad((*counts)[row * pivots + p], [&](Value a, Value b) { return code.add(a, b); });
        newTo = code.select(code.compare(ICmpPredicate::slt, count, wanted[row]), middles[row * pivots + p], newTo);
      }
      from = code.select(isOpen, newFrom, from), to = code.select(isOpen, newTo, to);
      next.append({from, to});
      any = code.bitOr(any, code.compare(ICmpPredicate::ugt, code.sub(to, from), code.word(1)));
    }
    return {isAnyOpen(any), next};
  });
  if (failed(status))
    return failure();
  for (size_t row = 0; row < rows; ++row) {
    search.bound[row] = code.select(search.open[row], number(found[2 * row]), search.bound[row]);
    search.open[row] = code.boolean(false);
  }
  return search;
}

//===-- The threshold -----------------------------------------------------------------------------------------------===//

FailureOr<Fragment> ListRanker::threshold(tile::ThresholdOp op, ValueRange state, const Fragment &counts, Again again) {
  PerRow wanted, none;
  for (Value count : counts.values) {
    if (isa<FloatType>(count.getType()))
      count = LLVM::FPToSIOp::create(code.builder, code.loc, code.i64, count);
    count = code.toLong(count);
    none.push_back(code.compare(ICmpPredicate::slt, count, code.index(1)));
    wanted.push_back(code.toWord(code.maximum(code.minimum(count, code.index(INT32_MAX)), code.index(1))));
  }
  Search search{boundOf(state.drop_back(), wanted), PerRow(rowCount(), code.boolean(true)), {}};
  FailureOr<Search> listed = searchLists(search, wanted, again);
  if (failed(listed))
    return failure();
  LogicalResult status = success();
  PerRow answers = code.choose(
      listed->anyOpen, ValueRange(listed->bound).getTypes(),
      [&]() -> SmallVector<Value> {
        FailureOr<Search> counted = searchByCounting(*listed, wanted, again);
        if (succeeded(counted))
          return counted->bound;
        status = failure();
        return listed->bound;
      },
      [&]() -> SmallVector<Value> { return listed->bound; });
  if (failed(status))
    return failure();
  Fragment result{op.getThreshold().getType(), {}};
  for (auto [answer, isNone] : llvm::zip(answers, none))
    result.values.push_back(code.select(isNone, code.real(HUGE_VAL, code.f32), answer));
  return result;
}

} // namespace caa::nvptx
