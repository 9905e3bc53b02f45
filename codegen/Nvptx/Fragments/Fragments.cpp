// The layout, and what happens to tiles in registers. See Fragments.h.
#include "codegen/Nvptx/Fragments/Fragments.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace caa::nvptx {

Fragments::Fragments(Frame &frame, RowLayout rows, Value thread, ScalarOptions options)
    : rows(rows), frame(frame), code(frame.code), options(options) {
  Value lane = code.bitAnd(thread, code.word(31));
  quad = code.shiftRightUnsigned(lane, 2);
  pair = code.shiftLeft(code.bitAnd(lane, code.word(3)), 1);
  warp = code.shiftRightUnsigned(thread, 5);
  firstRow = code.mul(warp, code.word(rows.warpDistance));
}

//===-- The layout-------------------------------------------------------------------------------------------------===//

Fragments::Shape Fragments::shapeOf(tile::TileType type) {
  if (type.getRows() > 1)
    return type.getColumns() > 1 ? Shape::Pair : Shape::Column;
  return type.getColumns() > 1 ? Shape::Row : Shape::Scalar;
}

int64_t Fragments::countOf(tile::TileType type) const {
  switch (shapeOf(type)) {
  case Shape::Scalar:
    return 1;
  case Shape::Column:
    return rows.strips * 2;
  case Shape::Row:
    return blocksOf(type.getColumns()) * 2;
  case Shape::Pair:
    return rows.strips * blocksOf(type.getColumns()) * (isPacked(type) ? 2 : 4);
  }
  llvm_unreachable("unknown shape");
}

Type Fragments::valueTypeOf(tile::TileType type) const {
  if (type.getElement().isBF16())
    return isPacked(type) ? code.i32 : code.f32;
  Type element = registerType(type.getElement());
  return element == code.i64 ? code.i32 : element;
}

int64_t Fragments::pairIndex(tile::TileType type, int64_t strip, int64_t block, int64_t half, int64_t column) {
  int64_t place = (strip * blocksOf(type.getColumns()) + block) * 2 + half;
  return isPacked(type) ? place : place * 2 + column;
}

Value Fragments::rowOf(int64_t strip, int64_t half) {
  return code.add(code.add(firstRow, quad), code.word(strip * rows.stripDistance + 8 * half));
}

Value Fragments::columnOf(int64_t block, int64_t column) { return code.add(pair, code.word(8 * block + column)); }

Value Fragments::present(Value rowsLeft) {
  if (!rows.missing)
    return rowsLeft;
  Value all = code.word(rows.present());
  return rowsLeft ? code.minimum(rowsLeft, all) : all;
}

Value Fragments::element(const Fragment &from, int64_t strip, int64_t block, int64_t half, int64_t column) {
  switch (shapeOf(from.type)) {
  case Shape::Scalar:
    return from.values[0];
  case Shape::Column:
    return from.values[strip * 2 + half];
  case Shape::Row:
    return from.values[block * 2 + column];
  case Shape::Pair:
    break;
  }
  Value value = from.values[pairIndex(from.type, strip, block, half, column)];
  if (!isPacked(from.type))
    return value;
  Value high = column ? code.bitAnd(value, code.word(int32_t(0xffff0000))) : code.shiftLeft(value, 16);
  return code.bitcast(high, code.f32);
}

//===-- Values-----------------------------------------------------------------------------------------------------===//

Fragment Fragments::splat(tile::TileType type, Value value) {
  value = code.extend(value);
  if (isPacked(type))
    value = code.packBf16(value, value);
  return {type, SmallVector<Value>(countOf(type), value)};
}

Fragment Fragments::iota(tile::TileType type, Value start) {
  Fragment result{type, {}};
  auto put = [&](Value number) { result.values.push_back(code.add(start, number)); };
  switch (shapeOf(type)) {
  case Shape::Scalar:
    put(code.word(0));
    break;
  case Shape::Column:
    for (int64_t strip = 0; strip < rows.strips; ++strip)
      for (int64_t half : {0, 1})
        put(rowOf(strip, half));
    break;
  case Shape::Row:
    for (int64_t block = 0; block < blocksOf(type.getColumns()); ++block)
      for (int64_t column : {0, 1})
        put(columnOf(block, column));
    break;
  case Shape::Pair:
    llvm_unreachable("an iota is a row or a column");
  }
  return result;
}

namespace {

/// Emits a map's region at one place after the other. bf16 scalars are held as f32: a truncation rounds, an extension
/// does nothing.
class MapRegion {
public:
  MapRegion(ThreadCode &code, tile::MapOp map, function_ref<Value(Value)> outer, const ScalarOptions &options)
      : code(code), map(map), outer(outer), options(options) {}

  /// The yielded values. Of a bf16 result, what it is rounded from.
  FailureOr<SmallVector<Value>> at(ValueRange arguments) {
    llvm::DenseMap<Value, Value> values;
    Block &block = map.getBody().front();
    for (auto [argument, value] : llvm::zip(block.getArguments(), arguments))
      values[argument] = value;
    auto get = [&](Value value) {
      Value &known = values[value];
      return known ? known : known = outer(value);
    };
    for (Operation &op : block.without_terminator()) {
      if (isa<arith::TruncFOp>(op) && op.getResult(0).getType().isBF16()) {
        values[op.getResult(0)] = code.extend(code.truncate(get(op.getOperand(0))));
        continue;
      }
      if (isa<arith::ExtFOp>(op) && op.getOperand(0).getType().isBF16()) {
        values[op.getResult(0)] = get(op.getOperand(0));
        continue;
      }
      if (auto constant = dyn_cast<arith::ConstantOp>(op); constant && constant.getType().isBF16()) {
        values[op.getResult(0)] = code.real(cast<FloatAttr>(constant.getValue()).getValueAsDouble(), code.f32);
        continue;
      }
      if (auto exp = dyn_cast<math::ExpOp>(op); exp && options.approximate)
        if (Value result = expOfDifference(exp, get)) {
          values[exp.getResult()] = result;
          continue;
        }
      SmallVector<Value> operands;
      for (Value operand : op.getOperands())
        operands.push_back(get(operand));
      FailureOr<Value> result = emitScalarOp(code, &op, operands, options);
      if (failed(result))
        return failure();
      values[op.getResult(0)] = *result;
    }
    SmallVector<Value> yields;
    for (Value yielded : block.getTerminator()->getOperands()) {
      auto rounding = yielded.getDefiningOp<arith::TruncFOp>();
      bool inside = rounding && rounding->getBlock() == &block && yielded.getType().isBF16() &&
                    rounding.getIn().getType().isF32();
      yields.push_back(get(inside ? rounding.getIn() : yielded));
    }
    return yields;
  }

private:
  // e^(c x - b) as 2^(x (c log2 e) - b log2 e): one multiply-add for each pair, the rest is the same for a row or
  // column.
  Value expOfDifference(math::ExpOp exp, function_ref<Value(Value)> get) {
    auto difference = exp.getOperand().getDefiningOp<arith::SubFOp>();
    if (!difference || difference->getBlock() != exp->getBlock() || !exp.getType().isF32())
      return {};
    constexpr double log2OfE = M_LOG2E;
    double factor = log2OfE;
    Value x = difference.getLhs();
    if (auto product = x.getDefiningOp<arith::MulFOp>(); product && product->getBlock() == exp->getBlock())
      if (auto constant = product.getRhs().getDefiningOp<arith::ConstantOp>()) {
        factor *= cast<FloatAttr>(constant.getValue()).getValueAsDouble();
        x = product.getLhs();
      }
    Value subtrahend = code.fneg(code.fmul(get(difference.getRhs()), code.real(log2OfE, code.f32)));
    Value exponent = code.fma(get(x), code.real(factor, code.f32), subtrahend);
    return code.intrinsic("llvm.nvvm.ex2.approx.ftz.f32", code.f32, {exponent});
  }

  ThreadCode &code;
  tile::MapOp map;
  function_ref<Value(Value)> outer;
  const ScalarOptions &options;
};

} // namespace

FailureOr<SmallVector<Fragment>> Fragments::map(tile::MapOp op, Inputs inputs) {
  SmallVector<const Fragment *> tiles;
  SmallVector<Value> scalars;
  for (Value operand : op.getOperands()) {
    bool isTile = isa<tile::TileType>(operand.getType());
    tiles.push_back(isTile ? &inputs.tile(operand) : nullptr);
    scalars.push_back(isTile ? Value() : inputs.scalar(operand));
  }
  SmallVector<Fragment> results;
  for (Value result : op.getResults()) {
    auto type = cast<tile::TileType>(result.getType());
    results.push_back({type, SmallVector<Value>(countOf(type))});
  }
  MapRegion region(code, op, inputs.scalar, options);
  auto at = [&](int64_t strip, int64_t block, int64_t half, int64_t column) {
    SmallVector<Value> arguments;
    for (auto [tile, scalar] : llvm::zip(tiles, scalars))
      arguments.push_back(tile ? element(*tile, strip, block, half, column) : scalar);
    return region.at(arguments);
  };
  // Not packed: one place at a time. Results of rows, columns and scalars that are bf16 are rounded here.
  auto put = [&](Fragment &result, int64_t index, Value value) {
    result.values[index] = result.type.getElement().isBF16() ? code.extend(code.truncate(value)) : value;
  };
  tile::TileType type = results.front().type;
  Shape shape = shapeOf(type);
  int64_t strips = shape == Shape::Pair || shape == Shape::Column ? rows.strips : 1;
  int64_t halves = shape == Shape::Pair || shape == Shape::Column ? 2 : 1;
  int64_t blocks = shape == Shape::Pair || shape == Shape::Row ? blocksOf(type.getColumns()) : 1;
  int64_t columns = shape == Shape::Pair || shape == Shape::Row ? 2 : 1;
  for (int64_t strip = 0; strip < strips; ++strip)
    for (int64_t block = 0; block < blocks; ++block)
      for (int64_t half = 0; half < halves; ++half) {
        SmallVector<SmallVector<Value>> yields;
        for (int64_t column = 0; column < columns; ++column) {
          FailureOr<SmallVector<Value>> one = at(strip, block, half, column);
          if (failed(one))
            return failure();
          yields.push_back(*one);
        }
        for (auto [n, result] : llvm::enumerate(results)) {
          if (isPacked(result.type)) {
            result.values[pairIndex(result.type, strip, block, half, 0)] = code.packBf16(yields[0][n], yields[1][n]);
            continue;
          }
          for (int64_t column = 0; column < columns; ++column) {
            int64_t index = shape == Shape::Pair  ? pairIndex(result.type, strip, block, half, column)
                            : shape == Shape::Row ? block * 2 + column
                                                  : strip * 2 + half;
            put(result, index, yields[column][n]);
          }
        }
      }
  return results;
}

Fragment Fragments::cleared(const Fragment &from) {
  int64_t columns = from.type.getColumns();
  if (columns % 16 == 0)
    return from;
  Fragment result = from;
  auto clear = [&](Value &value, Value number) {
    Value zero = isa<FloatType>(value.getType()) ? code.real(0, value.getType()) : code.integer(0, value.getType());
    value = code.select(code.compare(LLVM::ICmpPredicate::slt, number, code.word(columns)), value, zero);
  };
  for (int64_t strip = 0; strip < rows.strips; ++strip)
    for (int64_t block = columns / 8; block < blocksOf(columns); ++block)
      for (int64_t half : {0, 1}) {
        if (isPacked(from.type)) { // the high half goes first
          Value &both = result.values[pairIndex(from.type, strip, block, half, 0)];
          Value high = code.bitAnd(both, code.word(int32_t(0xffff0000))), low = code.bitXor(both, high);
          clear(high, columnOf(block, 1));
          clear(low, columnOf(block, 0));
          both = code.bitOr(high, low);
          continue;
        }
        for (int64_t column : {0, 1})
          clear(result.values[pairIndex(from.type, strip, block, half, column)], columnOf(block, column));
      }
  return result;
}

Fragment Fragments::packed(const Fragment &from) {
  if (isPacked(from.type))
    return from;
  auto type = tile::TileType::get(from.type.getContext(), from.type.getRows(), from.type.getColumns(), code.bf16);
  Fragment result{type, {}};
  for (size_t n = 0; n < from.values.size(); n += 2)
    result.values.push_back(code.packBf16(from.values[n], from.values[n + 1]));
  return result;
}

std::optional<Fragment> Fragments::slice(tile::TileType type, const Fragment &from, int64_t start) {
  Shape shape = shapeOf(from.type);
  if (type == from.type)
    return from;
  if ((shape != Shape::Pair && shape != Shape::Row) || start % 16 || shapeOf(type) != shape)
    return std::nullopt;
  Fragment result{type, {}};
  int64_t per = (shape == Shape::Row || isPacked(type)) ? 2 : 4, strips = shape == Shape::Row ? 1 : rows.strips;
  for (int64_t strip = 0; strip < strips; ++strip) {
    int64_t first = (strip * blocksOf(from.type.getColumns()) + start / 8) * per;
    llvm::append_range(result.values, ArrayRef(from.values).slice(first, blocksOf(type.getColumns()) * per));
  }
  return result;
}

std::optional<Fragment> Fragments::concat(tile::TileType type, ArrayRef<const Fragment *> parts) {
  Fragment result{type, {}};
  Shape shape = shapeOf(type);
  if (shape != Shape::Pair && shape != Shape::Row)
    return std::nullopt;
  for (const Fragment *part : parts)
    if (shapeOf(part->type) != shape || (part != parts.back() && part->type.getColumns() % 16))
      return std::nullopt;
  for (int64_t strip = 0; strip < (shape == Shape::Row ? 1 : rows.strips); ++strip)
    for (const Fragment *part : parts) {
      int64_t count = int64_t(part->values.size()) / (shape == Shape::Row ? 1 : rows.strips);
      llvm::append_range(result.values, ArrayRef(part->values).slice(strip * count, count));
    }
  return result;
}

//===-- Reductions-------------------------------------------------------------------------------------------------===//

Value Fragments::combine(tile::Combine how, Value a, Value b) {
  bool isFloat = isa<FloatType>(a.getType());
  switch (how) {
  case tile::Combine::Add:
    return isFloat ? code.fadd(a, b) : code.add(a, b);
  case tile::Combine::Max:
    return isFloat ? Value(LLVM::MaxNumOp::create(code.builder, code.loc, a, b)) : code.maximum(a, b);
  case tile::Combine::Min:
    return isFloat ? Value(LLVM::MinNumOp::create(code.builder, code.loc, a, b)) : code.minimum(a, b);
  }
  llvm_unreachable("unknown combination");
}

Value Fragments::neutral(tile::Combine how, Type type) {
  if (isa<FloatType>(type))
    return code.real(how == tile::Combine::Add ? 0.0 : how == tile::Combine::Max ? -HUGE_VAL : HUGE_VAL, type);
  unsigned bits = type.getIntOrFloatBitWidth();
  if (how == tile::Combine::Add)
    return code.integer(0, type);
  APInt least = how == tile::Combine::Max ? APInt::getSignedMinValue(bits) : APInt::getSignedMaxValue(bits);
  return code.integer(least.getSExtValue(), type);
}

void Fragments::barrier() { code.barrier(); }

int64_t Fragments::exchangeBytes(func::FuncOp kernel, RowLayout rows) {
  int64_t bytes = 0;
  kernel.walk([&](tile::ReduceOp op) {
    if (op.getTile().getType().getRows() > 1 && op.getResult().getType().getRows() == 1)
      bytes = std::max(bytes, rows.warps * blocksOf(op.getResult().getType().getColumns()) * 8 * 8);
  });
  return bytes;
}

// Combines a value of each warp, in the order of warps: `own` is written at element `slot` (i32) of the warp's row if
// `writes`, and comes back combined.
static SmallVector<Value> overWarps(Fragments &fragments, ThreadCode &code, tile::Combine how, ArrayRef<Value> own,
                                    ArrayRef<Value> slots, int64_t rowElements, Value writes) {
  Type type = own[0].getType();
  Type stored = type.isInteger(1) ? code.i8 : type;
  Value exchange = fragments.exchange;
  fragments.barrier();
  code.when(writes, [&] {
    for (auto [value, slot] : llvm::zip(own, slots)) {
      Value place = code.add(code.mul(fragments.warp, code.word(rowElements)), slot);
      Value kept = type.isInteger(1) ? Value(LLVM::ZExtOp::create(code.builder, code.loc, stored, value)) : value;
      code.storeAs(kept, code.address(exchange, stored, place));
    }
  });
  fragments.barrier();
  SmallVector<Value> results;
  for (Value slot : slots) {
    Value sum;
    for (int64_t warp = 0; warp < fragments.rows.warps; ++warp) {
      Value value = code.loadAs(stored, code.address(exchange, stored, code.add(slot, code.word(warp * rowElements))));
      if (type.isInteger(1))
        value = code.compare(LLVM::ICmpPredicate::ne, value, code.integer(0, stored));
      sum = sum ? fragments.combine(how, sum, value) : value;
    }
    results.push_back(sum);
  }
  return results;
}

Fragment Fragments::reduce(tile::ReduceOp op, const Fragment &from) {
  tile::TileType type = op.getResult().getType();
  tile::Combine how = op.getCombine();
  if (type == from.type)
    return from;
  auto overLanes = [&](Value value, std::initializer_list<int> masks) {
    for (int mask : masks)
      value = combine(how, value, code.shuffleXor(value, mask));
    return value;
  };
  Shape shape = shapeOf(from.type);
  int64_t columns = from.type.getColumns();
  // Columns and, where rows come together, rows past the last one do not count.
  bool acrossRows = shape != Shape::Row && type.getRows() == 1;
  auto counted = [&](int64_t strip, int64_t block, int64_t half, int64_t column) {
    Value value = element(from, strip, block, half, column);
    auto only = [&](Value number, int64_t end) {
      Value inside = code.compare(LLVM::ICmpPredicate::slt, number, code.word(end));
      value = code.select(inside, value, neutral(how, value.getType()));
    };
    if (acrossRows && rows.missing)
      only(rowOf(strip, half), rows.present());
    if (columns % 16 && 8 * (block + 1) > columns && shape != Shape::Column)
      only(columnOf(block, column), columns);
    return value;
  };
  int64_t blocks = shape == Shape::Column ? 1 : blocksOf(columns), perBlock = shape == Shape::Column ? 1 : 2;
  int64_t strips = shape == Shape::Row ? 1 : rows.strips, halves = shape == Shape::Row ? 1 : 2;
  Fragment result{type, {}};
  auto alongRow = [&](int64_t strip, int64_t half) {
    Value sum;
    for (int64_t block = 0; block < blocks; ++block)
      for (int64_t column = 0; column < perBlock; ++column) {
        Value value = counted(strip, block, half, column);
        sum = sum ? combine(how, sum, value) : value;
      }
    return sum;
  };
  if (shapeOf(type) == Shape::Column) {
    for (int64_t strip = 0; strip < strips; ++strip)
      for (int64_t half = 0; half < halves; ++half)
        result.values.push_back(overLanes(alongRow(strip, half), {1, 2}));
    return result;
  }
  if (shapeOf(type) == Shape::Scalar) {
    Value sum;
    for (int64_t strip = 0; strip < strips; ++strip)
      for (int64_t half = 0; half < halves; ++half) {
        Value row = alongRow(strip, half);
        sum = sum ? combine(how, sum, row) : row;
      }
    if (shape != Shape::Column)
      sum = overLanes(sum, {1, 2});
    if (shape != Shape::Row) {
      sum = overLanes(sum, {4, 8, 16});
      Value first = code.compare(LLVM::ICmpPredicate::eq, code.add(quad, pair), code.word(0));
      sum = overWarps(*this, code, how, sum, code.word(0), 1, first).front();
    }
    result.values.push_back(sum);
    return result;
  }
  // Along the rows, to a row.
  SmallVector<Value> sums, slots;
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t column : {0, 1}) {
      Value sum;
      for (int64_t strip = 0; strip < strips; ++strip)
        for (int64_t half = 0; half < halves; ++half) {
          Value value = counted(strip, block, half, column);
          sum = sum ? combine(how, sum, value) : value;
        }
      sums.push_back(overLanes(sum, {4, 8, 16}));
      slots.push_back(columnOf(block, column));
    }
  Value first = code.compare(LLVM::ICmpPredicate::eq, quad, code.word(0));
  result.values = overWarps(*this, code, how, sums, slots, 8 * blocks, first);
  return result;
}

} // namespace caa::nvptx
