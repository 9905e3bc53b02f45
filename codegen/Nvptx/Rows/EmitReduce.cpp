// Reductions over the threads of a team, each in one fixed order: a thread's own values, then lanes at distance 1, 2, 4, ...,
// then warps through shared memory. See RowsEmitter.h.
#include "codegen/Nvptx/Rows/RowsEmitter.h"

using namespace mlir;
using LLVM::FCmpPredicate;
using LLVM::ICmpPredicate;

namespace caa::nvptx {

Value RowsEmitter::combine(tile::Combine how, Value a, Value b) {
  bool isFloat = isa<FloatType>(a.getType());
  if (how == tile::Combine::Add)
    return isFloat ? code.fadd(a, b) : code.add(a, b);
  bool most = how == tile::Combine::Max;
  if (!isFloat)
    return most ? code.maximum(a, b) : code.minimum(a, b);
  if (a.getType().isF64()) {
    Value better = code.compare(most ? FCmpPredicate::ogt : FCmpPredicate::olt, a, b);
    Value keep = code.bitOr(better, code.compare(FCmpPredicate::uno, a, a));
    return code.select(keep, a, b);
  }
  return most ? Value(LLVM::MaximumOp::create(code.builder, code.loc, a, b))
              : Value(LLVM::MinimumOp::create(code.builder, code.loc, a, b));
}

Value RowsEmitter::neutral(tile::Combine how, Type type) {
  if (isa<FloatType>(type))
    return code.real(how == tile::Combine::Add ? 0.0 : how == tile::Combine::Max ? -HUGE_VAL : HUGE_VAL, type);
  unsigned bits = type.getIntOrFloatBitWidth();
  int64_t most = int64_t(~uint64_t(0) >> (65 - bits));
  return code.integer(how == tile::Combine::Add ? 0 : how == tile::Combine::Max ? -most - 1 : most, type);
}

void RowsEmitter::teamBarrier() {
  int64_t team = plan.team();
  if (team == 1)
    return;
  if (team <= 32)
    code.intrinsic("llvm.nvvm.bar.warp.sync", {members ? members : code.word(-1)});
  else if (plan.teams == 1)
    code.barrier();
  else
    code.intrinsic("llvm.nvvm.barrier.cta.sync.aligned.count",
                   {code.add(teamNumber, code.word(1)), code.word(team)});
}

// An area of shared memory that no thread of the team reads any more: the two areas take turns, so that the barrier between
// writing and reading one of them also ends the reading of the other.
Value RowsEmitter::exchange(int64_t bytes) {
  exchangeBytes = std::max(exchangeBytes, (bytes + 15) / 16 * 16);
  auto constantOf = [&](int64_t part) {
    auto constant = LLVM::ConstantOp::create(code.builder, code.loc, code.i32, code.builder.getI32IntegerAttr(0));
    areas.push_back({constant, part});
    return constant.getResult();
  };
  Value base = code.shared();
  if (plan.teams > 1)
    base = code.offset(base, Value(LLVM::MulOp::create(code.builder, code.loc, teamNumber, constantOf(2))));
  if (exchanges++ % 2)
    base = LLVM::GEPOp::create(code.builder, code.loc, base.getType(), code.i8, base, ArrayRef<LLVM::GEPArg>{constantOf(1)});
  return base;
}

// Rows are done: one slot is left, the same in all threads of a row.
void RowsEmitter::acrossColumns(tile::Combine how, Held &held) {
  Held result;
  result.rows = held.rows;
  for (int64_t row = 0; row < held.rows; ++row) {
    // Own columns by halving.
    SmallVector<Value> own(ArrayRef(held.values).slice(size_t(row * held.slots), size_t(held.slots)));
    while (own.size() > 1) {
      SmallVector<Value> next;
      for (size_t n = 0; n + 1 < own.size(); n += 2)
        next.push_back(combine(how, own[n], own[n + 1]));
      if (own.size() % 2)
        next.push_back(own.back());
      own = next;
    }
    Value value = own[0];
    for (int64_t distance = 1; distance < std::min<int64_t>(plan.columnThreads, 32); distance *= 2)
      value = combine(how, value, code.shuffleXor(value, distance, members));
    result.values.push_back(value);
  }
  int64_t warps = plan.columnThreads / 32;
  if (warps > 1) {
    Type type = result.values[0].getType();
    int64_t rowBytes = plan.rowThreads * warps * bytesOf(type);
    Value area = exchange(result.rows * rowBytes);
    Value mine = code.add(code.mul(rowThread, code.word(warps)), code.shiftRightUnsigned(columnThread, 5));
    code.when(code.compare(ICmpPredicate::eq, code.lane(), code.word(0)), [&] {
      for (int64_t row = 0; row < result.rows; ++row)
        code.storeAs(result.values[size_t(row)], code.address(code.offset(area, row * rowBytes), type, mine));
    });
    teamBarrier();
    for (int64_t row = 0; row < result.rows; ++row) {
      // Each lane takes the part of one warp.
      Value part = code.add(code.mul(rowThread, code.word(warps)), code.bitAnd(code.lane(), code.word(warps - 1)));
      Value value = code.loadAs(type, code.address(code.offset(area, row * rowBytes), type, part));
      for (int64_t distance = 1; distance < warps; distance *= 2)
        value = combine(how, value, code.shuffleXor(value, distance));
      result.values[size_t(row)] = value;
    }
  }
  held = result;
}

// Columns are done: one row is left, the same in all rows of threads.
void RowsEmitter::acrossRows(tile::Combine how, Held &held) {
  Held result;
  result.slots = held.slots;
  for (int64_t slot = 0; slot < held.slots; ++slot) {
    Value value;
    for (int64_t row = 0; row < held.rows; ++row)
      value = value ? combine(how, value, held.at(row, slot)) : held.at(row, slot);
    for (int64_t distance = plan.columnThreads; distance < std::min<int64_t>(plan.team(), 32); distance *= 2)
      value = combine(how, value, code.shuffleXor(value, distance, members));
    result.values.push_back(value);
  }
  // Groups of rows that a warp does not hold together.
  int64_t columns = plan.columnThreads, groups = plan.team() / std::max<int64_t>(columns, 32);
  if (groups > 1) {
    Type type = result.values[0].getType();
    int64_t groupBytes = columns * bytesOf(type), slotBytes = groups * groupBytes;
    Value area = exchange(result.slots * slotBytes);
    Value group = columns >= 32 ? rowThread : code.shiftRightUnsigned(rowThread, llvm::Log2_64(uint64_t(32 / columns)));
    Value mine = code.add(code.mul(group, code.word(columns)), columnThread);
    auto write = [&] {
      for (int64_t slot = 0; slot < result.slots; ++slot)
        code.storeAs(result.values[size_t(slot)], code.address(code.offset(area, slot * slotBytes), type, mine));
    };
    if (columns < 32)
      code.when(code.compare(ICmpPredicate::ult, code.lane(), code.word(columns)), write);
    else
      write();
    teamBarrier();
    for (int64_t slot = 0; slot < result.slots; ++slot) {
      Value value;
      for (int64_t n = 0; n < groups; ++n) {
        Value part = code.loadAs(type, code.address(code.offset(area, slot * slotBytes + n * groupBytes), type, columnThread));
        value = value ? combine(how, value, part) : part;
      }
      result.values[size_t(slot)] = value;
    }
  }
  held = result;
}

void RowsEmitter::emitReduce(tile::ReduceOp reduce) {
  Held held = tiles[reduce.getTile()];
  tile::TileType from = reduce.getTile().getType(), to = reduce.getResult().getType();
  tile::Combine how = reduce.getCombine();
  bool columns = from.getColumns() > 1 && to.getColumns() == 1, rows = from.getRows() > 1 && to.getRows() == 1;
  // What lies outside the tile takes no part.
  if (columns) {
    int64_t slot = 0;
    for (const Segment &segment : plan.segmentsOf(reduce.getTile()))
      for (int64_t turn = 0; turn < segment.turns; ++turn) {
        Value inside;
        columnOf(segment, turn, inside);
        for (int64_t v = 0; v < segment.vector; ++v, ++slot)
          for (int64_t row = 0; inside && row < held.rows; ++row) {
            Value &value = held.at(row, slot);
            value = code.select(inside, value, neutral(how, value.getType()));
          }
      }
  }
  if (rows && from.getRows() % plan.rowThreads)
    for (int64_t row = 0; row < held.rows; ++row) {
      Value number = code.add(rowThread, code.word(row * plan.rowThreads));
      Value inside = code.compare(ICmpPredicate::slt, number, code.word(from.getRows()));
      for (int64_t slot = 0; slot < held.slots; ++slot) {
        Value &value = held.at(row, slot);
        value = code.select(inside, value, neutral(how, value.getType()));
      }
    }
  if (columns)
    acrossColumns(how, held);
  if (rows)
    acrossRows(how, held);
  tiles[reduce.getResult()] = held;
}

} // namespace caa::nvptx
