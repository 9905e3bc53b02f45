// Rows, columns and scalars from memory, and all tiles to memory. See Fragments.h.
#include "codegen/Llvm/Access.h"
#include "codegen/Nvptx/Fragments/Fragments.h"

using namespace mlir;
using LLVM::ICmpPredicate;

namespace caa::nvptx {

using emit::Access;
using emit::accessOf;

Value Fragments::startOf(Value buffer, ValueRange indices) {
  auto type = cast<MemRefType>(buffer.getType());
  Value offset = code.index(0);
  for (auto [axis, index] : llvm::enumerate(indices)) {
    // The first axis is never multiplied; an axis of run-time size behind it is the length.
    if (axis > 0)
      offset = code.mul(offset, type.isDynamicDim(axis) ? frame.extent(tile::Extent::Length)
                                                        : code.index(type.getDimSize(axis)));
    offset = code.add(offset, code.toLong(index));
  }
  return code.address(frame.buffer(buffer), registerType(type.getElementType()), offset);
}

Value Fragments::rowsLeft(Value buffer, bool heads, ValueRange indices) {
  Access access{buffer, {}, 1 << 30, 1, heads};
  if (!access.mayBeRagged())
    return {};
  MemRefType type = access.type();
  int64_t axis = access.rowAxis();
  Value limit;
  if (!type.isDynamicDim(axis)) {
    limit = code.index(type.getDimSize(axis));
  } else if (axis == 1) {
    limit = frame.extent(tile::Extent::Length);
  } else {
    limit = frame.extent(tile::Extent::Rows);
    // Partial sums: one row for each chunk of token rows.
    if (auto chunk =
            frame.kernel.getArgAttrOfType<IntegerAttr>(cast<BlockArgument>(buffer).getArgNumber(), "caa.chunk"))
      limit = code.ceilDiv(limit, chunk.getInt());
  }
  return code.toWord(code.sub(limit, code.toLong(indices[axis])));
}

// Where a number of an element along a row or column lies within its axis; null: it always does.
static Value isInside(ThreadCode &code, Value number, Value left) {
  return left ? code.compare(ICmpPredicate::slt, number, left) : Value();
}

Fragment Fragments::loadNarrow(tile::LoadOp load, ValueRange indices) {
  Access access = accessOf(load);
  tile::TileType type = load.getTile().getType();
  Type stored = registerType(type.getElement());
  bool readOnly = !frame.isWritten(load.getSource());
  Value base = startOf(load.getSource(), indices);
  auto read = [&](Value address) -> Value {
    if (stored.isInteger(1))
      return code.load(address, stored, 1);
    return narrowed(code, code.extend(code.loadAs(stored, address, readOnly)));
  };
  // An element of a row or column: the last one in its place past the end, so that no address is wild, then zero.
  auto readAt = [&](Value number, Value left, int64_t stride) {
    if (left)
      number = code.minimum(number, code.sub(left, code.word(1)));
    Value value = read(code.address(base, stored, code.mul(code.toLong(number), code.index(stride))));
    return value;
  };
  auto zeroPast = [&](Value value, Value number, Value left) {
    Type kind = value.getType();
    Value zero = isa<FloatType>(kind) ? code.real(0, kind) : code.integer(0, kind);
    return left ? code.select(isInside(code, number, left), value, zero) : value;
  };
  Fragment result{type, {}};
  Shape shape = shapeOf(type);
  if (shape == Shape::Scalar) {
    result.values.push_back(read(base));
    return result;
  }
  bool alongRows = access.columns == 1 && access.rows > 1;
  Value left = alongRows ? rowsLeft(load.getSource(), load.getHeads(), indices) : Value();
  int64_t stride = alongRows ? access.rowStride() : 1;
  if (shape == Shape::Column) {
    left = present(left);
    for (int64_t strip = 0; strip < rows.strips; ++strip)
      for (int64_t half : {0, 1}) {
        Value row = rowOf(strip, half);
        result.values.push_back(zeroPast(readAt(row, left, stride), row, left));
      }
    return result;
  }
  if (type.getColumns() % 16) { // columns that only fill the last block
    Value all = code.word(type.getColumns());
    left = left ? code.minimum(left, all) : all;
  }
  for (int64_t block = 0; block < blocksOf(type.getColumns()); ++block)
    for (int64_t column : {0, 1}) {
      Value number = columnOf(block, column);
      result.values.push_back(zeroPast(readAt(number, left, stride), number, left));
    }
  return result;
}

Fragment Fragments::loadRowFromShared(tile::TileType type, Value sharedPointer) {
  Type stored = registerType(type.getElement());
  Fragment result{type, {}};
  Value base = code.address(sharedPointer, stored, pair);
  for (int64_t block = 0; block < blocksOf(type.getColumns()); ++block) {
    Value both = code.loadAs(code.vector(stored, 2), code.address(base, stored, block * 8));
    for (int64_t column : {0, 1})
      result.values.push_back(narrowed(code, code.extend(code.emit::Code::lane(both, column))));
  }
  return result;
}

void Fragments::store(tile::StoreOp store, const Fragment &tile, ValueRange indices) {
  Access access = accessOf(store);
  Type stored = registerType(access.type().getElementType());
  Value base = startOf(store.getTarget(), indices);
  auto write = [&](Value value, Value address) {
    if (stored == code.i64)
      value = code.toLong(value);
    if (stored.isBF16() && store.getAccumulate())
      value = code.fadd(code.extend(code.loadAs(stored, address)), value);
    else if (store.getAccumulate()) {
      Value old = code.loadAs(value.getType(), address);
      value = isa<FloatType>(stored) ? code.fadd(old, value) : code.add(old, value);
    }
    if (stored.isInteger(1))
      return code.store(value, address);
    code.storeAs(stored.isBF16() ? code.truncate(value) : value, address);
  };
  auto both = [&](Value a, Value b) { return !a ? b : !b ? a : code.bitAnd(a, b); };
  auto when = [&](Value condition, function_ref<void()> then) { condition ? code.when(condition, then) : then(); };
  Value zero = code.word(0);
  Shape shape = shapeOf(tile.type);
  bool alongRows = shape == Shape::Pair || (access.columns == 1 && access.rows > 1);
  Value left = alongRows ? rowsLeft(store.getTarget(), store.getHeads(), indices) : Value();
  if (shape == Shape::Pair || shape == Shape::Column)
    left = present(left);
  int64_t stride = alongRows ? access.rowStride() : 1;
  auto rowStart = [&](Value number) {
    return code.address(base, stored, code.mul(code.toLong(number), code.index(stride)));
  };
  Value firstInQuad = code.compare(ICmpPredicate::eq, pair, zero);
  Value firstInWarp = code.compare(ICmpPredicate::eq, code.add(quad, pair), zero),
        firstWarp = code.compare(ICmpPredicate::eq, warp, zero);
  switch (shape) {
  case Shape::Scalar:
    code.when(code.bitAnd(firstWarp, firstInWarp), [&] { write(tile.values[0], base); });
    return;
  case Shape::Column:
    for (int64_t strip = 0; strip < rows.strips; ++strip)
      for (int64_t half : {0, 1}) {
        Value row = rowOf(strip, half);
        code.when(both(firstInQuad, isInside(code, row, left)),
                  [&] { write(element(tile, strip, 0, half, 0), rowStart(row)); });
      }
    return;
  case Shape::Row: {
    Value top = code.bitAnd(firstWarp, code.compare(ICmpPredicate::eq, quad, zero)),
          all = code.word(tile.type.getColumns());
    left = left ? code.minimum(left, all) : all;
    for (int64_t block = 0; block < blocksOf(tile.type.getColumns()); ++block)
      for (int64_t column : {0, 1}) {
        Value number = columnOf(block, column);
        code.when(code.bitAnd(top, isInside(code, number, left)),
                  [&] { write(element(tile, 0, block, 0, column), rowStart(number)); });
      }
    return;
  }
  case Shape::Pair:
    break;
  }
  int64_t width = tile.type.getColumns(), rowWidth = access.type().getShape().back();
  // Two columns at once where they lie on a multiple of two elements.
  bool paired = width % 2 == 0 && rowWidth % 2 == 0 && !store.getAccumulate() && (stored.isBF16() || stored.isF32());
  for (int64_t strip = 0; strip < rows.strips; ++strip)
    for (int64_t half : {0, 1}) {
      Value row = rowOf(strip, half);
      when(isInside(code, row, left), [&] {
        Value start = code.address(rowStart(row), stored, pair);
        for (int64_t block = 0; block < blocksOf(width); ++block) {
          bool whole = 8 * (block + 1) <= width;
          if (8 * block >= width)
            break;
          auto inside = [&](int64_t column) {
            return whole ? Value() : isInside(code, columnOf(block, column), code.word(width));
          };
          Value place = code.address(start, stored, block * 8);
          if (paired) {
            when(inside(0), [&] {
              Value low = element(tile, strip, block, half, 0), high = element(tile, strip, block, half, 1);
              if (stored.isBF16())
                return code.storeAs(isPacked(tile.type) ? tile.values[pairIndex(tile.type, strip, block, half, 0)]
                                                        : code.packBf16(low, high),
                                    place);
              Type two = code.vector(stored, 2);
              code.storeAs(code.withLane(code.withLane(code.undefined(two), low, 0), high, 1), place);
            });
            continue;
          }
          for (int64_t column : {0, 1})
            when(inside(column),
                 [&] { write(element(tile, strip, block, half, column), code.address(place, stored, column)); });
        }
      });
    }
}

} // namespace caa::nvptx
