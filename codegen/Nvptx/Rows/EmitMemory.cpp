// Loads and stores, in vectors of up to 16 bytes, and tables. See RowsEmitter.h.
//
// No load stands under a branch: rows and columns outside of the tile or the buffer are moved to the last ones inside, and what
// came from past the buffer's end is replaced by zero.
#include "codegen/Nvptx/Rows/RowsEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <numeric>

using namespace mlir;
using LLVM::ICmpPredicate;

namespace caa::nvptx {

//===-- Buffers that speak ------------------------------------------------------------------------------------------===//

// A buffer needs barriers if what one thread writes there another one may read or write: unless all accesses are of one
// shape, cut alike, at the same indices, so that each thread meets its own elements alone.
void RowsEmitter::findHazards() {
  DenseMap<Value, SmallVector<std::pair<Value, emit::Access>>> accesses;
  DenseSet<Value> written;
  frame.kernel.walk([&](Operation *op) {
    if (auto load = dyn_cast<tile::LoadOp>(op))
      accesses[load.getSource()].push_back({load.getTile(), emit::accessOf(load)});
    else if (auto store = dyn_cast<tile::StoreOp>(op)) {
      accesses[store.getTarget()].push_back({store.getTile(), emit::accessOf(store)});
      written.insert(store.getTarget());
    }
  });
  for (auto &[buffer, list] : accesses)
    for (auto &[tile, access] : list)
      if (written.contains(buffer) &&
          (tile.getType() != list[0].first.getType() || !plan.sameColumns(tile, list[0].first) ||
           access.indices.back() != list[0].second.indices.back()))
        hazards.insert(buffer);
}

void RowsEmitter::separate(Value buffer) {
  if (hazards.contains(buffer))
    teamBarrier();
}

//===-- Places ------------------------------------------------------------------------------------------------------===//

// A number that divides the index wherever it is used (1 if nothing is known, 0 for the constant 0).
int64_t RowsEmitter::divisorOf(Value index, int depth) {
  if (depth > 8)
    return 1;
  if (auto argument = dyn_cast<BlockArgument>(index)) {
    auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
    if (!loop || index != loop.getInductionVar())
      return 1;
    return std::gcd(divisorOf(loop.getLowerBound(), depth + 1), divisorOf(loop.getStep(), depth + 1));
  }
  Operation *op = index.getDefiningOp();
  if (auto constant = getConstantIntValue(index))
    return std::abs(*constant);
  if (isa<arith::MulIOp>(op))
    return divisorOf(op->getOperand(0), depth + 1) * divisorOf(op->getOperand(1), depth + 1) % (int64_t(1) << 40);
  if (isa<arith::AddIOp, arith::SubIOp>(op))
    return std::gcd(divisorOf(op->getOperand(0), depth + 1), divisorOf(op->getOperand(1), depth + 1));
  return 1;
}

// The address of a tile's first element. `alignment`: a number of elements that divides its offset in the buffer and the
// distance of rows (0: all do).
Value RowsEmitter::baseOf(const emit::Access &access, int64_t &alignment) {
  MemRefType type = access.type();
  int64_t rank = type.getRank();
  alignment = access.rows > 1 ? access.rowStride() : 0;
  Value offset = code.index(0);
  int64_t inner = 1;
  for (int64_t axis = rank - 1; axis >= 0; --axis) {
    alignment = std::gcd(alignment, divisorOf(access.indices[size_t(axis)]) * inner);
    inner *= type.isDynamicDim(unsigned(axis)) ? 1 : type.getDimSize(unsigned(axis));
  }
  for (int64_t axis = 0; axis < rank; ++axis) {
    // The first axis is never multiplied; an axis of run-time size behind it is the length.
    if (axis > 0)
      offset = code.mul(offset, type.isDynamicDim(unsigned(axis)) ? frame.extent(tile::Extent::Length)
                                                                  : code.index(type.getDimSize(unsigned(axis))));
    offset = code.add(offset, scalar(access.indices[size_t(axis)]));
  }
  return code.address(frame.buffer(access.buffer), registerType(type.getElementType()), offset);
}

// How many rows there are from the tile's first to the end of the axis, as i64; null if the tile surely fits.
Value RowsEmitter::rowsLeft(const emit::Access &access) {
  if (!access.mayBeRagged())
    return {};
  MemRefType type = access.type();
  int64_t axis = access.rowAxis();
  Value limit;
  if (!type.isDynamicDim(unsigned(axis))) {
    limit = code.index(type.getDimSize(unsigned(axis)));
  } else if (axis == 1) {
    limit = frame.extent(tile::Extent::Length);
  } else {
    limit = frame.extent(tile::Extent::Rows);
    // Partial sums: one row for each chunk of token rows.
    if (auto chunk = frame.kernel.getArgAttrOfType<IntegerAttr>(cast<BlockArgument>(access.buffer).getArgNumber(), "caa.chunk"))
      limit = code.ceilDiv(limit, chunk.getInt());
  }
  return code.sub(limit, scalar(access.indices[size_t(axis)]));
}

Value RowsEmitter::columnOf(const Segment &segment, int64_t turn, Value &inside) {
  Value column = code.mul(code.add(columnThread, code.word(turn * plan.columnThreads)), code.word(segment.vector));
  if (plan.columnThreads == 1)
    column = code.word(turn * segment.vector);
  if (!segment.whole) {
    inside = code.compare(ICmpPredicate::slt, column, code.word(segment.columns));
    column = code.minimum(column, code.word(segment.columns - segment.vector));
  }
  return code.add(column, code.word(segment.start));
}

//===-- Vectors -----------------------------------------------------------------------------------------------------===//

// `count` elements from an address whose offset is a multiple of `alignment` elements (0: of any); zeros where `valid` (if
// given) does not hold.
SmallVector<Value> RowsEmitter::loadVector(Value address, Type element, int64_t count, int64_t alignment, Value valid,
                                           bool readOnly) {
  Type stored = memoryType(element);
  int64_t size = bytesOf(element);
  int64_t piece = std::min(count, std::max<int64_t>(1, 16 / size));
  while (alignment % piece || count % piece)
    piece /= 2;
  SmallVector<Value> values;
  for (int64_t first = 0; first < count; first += piece) {
    // Whole words, which are cheap to replace by zero.
    int64_t bytes = piece * size;
    Type word = size == 8 ? code.i64 : bytes >= 4 ? code.i32 : bytes == 2 ? code.i16 : code.i8;
    Type words = code.vector(word, bytes * 8 / word.getIntOrFloatBitWidth());
    Value loaded = code.loadAs(words, code.address(address, stored, first), readOnly);
    if (valid)
      loaded = code.select(valid, loaded, code.integer(0, words));
    Type whole = code.vector(stored, piece);
    if (whole != words)
      loaded = LLVM::BitcastOp::create(code.builder, code.loc, whole, loaded);
    for (int64_t n = 0; n < piece; ++n) {
      Value value = piece == 1 ? loaded : code.lane(loaded, n);
      if (element.isInteger(1))
        value = code.compare(ICmpPredicate::ne, value, code.integer(0, code.i8));
      values.push_back(value);
    }
  }
  return values;
}

void RowsEmitter::storeVector(ArrayRef<Value> values, Value address, int64_t alignment) {
  int64_t count = int64_t(values.size());
  Type element = values[0].getType(), stored = memoryType(element);
  int64_t piece = std::min(count, std::max<int64_t>(1, 16 / bytesOf(element)));
  while (alignment % piece || count % piece)
    piece /= 2;
  for (int64_t first = 0; first < count; first += piece) {
    Value whole = piece == 1 ? Value() : code.undefined(code.vector(stored, piece));
    for (int64_t n = 0; n < piece; ++n) {
      Value value = values[size_t(first + n)];
      if (element.isInteger(1))
        value = LLVM::ZExtOp::create(code.builder, code.loc, code.i8, value);
      whole = whole ? code.withLane(whole, value, n) : value;
    }
    code.storeAs(whole, code.address(address, stored, first));
  }
}

Value RowsEmitter::rowOf(int64_t row) { return code.add(rowThread, code.word(row * plan.rowThreads)); }

//===-- Tiles -------------------------------------------------------------------------------------------------------===//

// A row of a tile, kept inside the tile.
static Value keptRow(ThreadCode &code, const RowsPlan &plan, Value row, int64_t rows) {
  return rows % plan.rowThreads ? code.minimum(row, code.word(rows - 1)) : row;
}

void RowsEmitter::emitLoad(tile::LoadOp load) {
  emit::Access access = emit::accessOf(load);
  separate(access.buffer);
  Held held = shape(load.getTile());
  tile::TileType type = load.getTile().getType();
  Type element = registerType(type.getElement());
  int64_t alignment = 0, stride = access.rowStride();
  Value base = baseOf(access, alignment), left = rowsLeft(access);
  bool readOnly = !frame.isWritten(access.buffer);
  // The address of a row, and whether it exists.
  auto place = [&](Value row, Value &valid) {
    Value number = code.toLong(row);
    if (left) {
      valid = code.compare(ICmpPredicate::slt, number, left);
      number = code.minimum(number, code.sub(left, code.index(1)));
    }
    return code.address(base, element, code.mul(number, code.index(stride)));
  };
  if (load.getTransposed()) {
    int64_t slot = 0;
    for (const Segment &segment : plan.segmentsOf(load.getTile()))
      for (int64_t turn = 0; turn < segment.turns; ++turn) {
        Value inside, column = columnOf(segment, turn, inside);
        for (int64_t v = 0; v < segment.vector; ++v) {
          Value valid, address = place(code.add(column, code.word(v)), valid);
          held.at(0, slot++) = loadVector(address, element, 1, 1, valid, readOnly)[0];
        }
      }
    tiles[load.getTile()] = held;
    return;
  }
  for (int64_t row = 0; row < held.rows; ++row) {
    Value valid, address;
    if (type.getRows() == 1)
      address = place(code.word(0), valid);
    else
      address = place(keptRow(code, plan, rowOf(row), type.getRows()), valid);
    if (type.getColumns() == 1) {
      held.at(row, 0) = loadVector(address, element, 1, 1, valid, readOnly)[0];
      continue;
    }
    int64_t slot = 0;
    for (const Segment &segment : plan.segmentsOf(load.getTile()))
      for (int64_t turn = 0; turn < segment.turns; ++turn) {
        Value inside, column = columnOf(segment, turn, inside);
        int64_t aligned = std::gcd(alignment, std::gcd(segment.start, segment.vector));
        for (Value value : loadVector(code.address(address, element, code.toLong(column)), element, segment.vector, aligned, valid,
                                      readOnly))
          held.at(row, slot++) = value;
      }
  }
  tiles[load.getTile()] = held;
}

void RowsEmitter::emitStore(tile::StoreOp store) {
  emit::Access access = emit::accessOf(store);
  separate(access.buffer);
  Held held = tiles[store.getTile()];
  tile::TileType type = store.getTile().getType();
  Type element = registerType(type.getElement());
  int64_t alignment = 0, stride = access.rowStride();
  Value base = baseOf(access, alignment), left = rowsLeft(access);
  auto both = [&](Value a, Value b) { return !a ? b : !b ? a : code.bitAnd(a, b); };
  auto when = [&](Value condition, llvm::function_ref<void()> then) { condition ? code.when(condition, then) : then(); };
  auto write = [&](SmallVector<Value> values, Value address, int64_t aligned) {
    if (store.getAccumulate()) {
      SmallVector<Value> old = loadVector(address, element, int64_t(values.size()), aligned, {}, false);
      for (auto [value, before] : llvm::zip(values, old))
        value = combine(tile::Combine::Add, before, value);
    }
    storeVector(values, address, aligned);
  };
  Value firstColumn = plan.columnThreads > 1 ? code.compare(ICmpPredicate::eq, columnThread, code.word(0)) : Value();
  Value firstRow = plan.rowThreads > 1 ? code.compare(ICmpPredicate::eq, rowThread, code.word(0)) : Value();
  if (store.getTransposed()) {
    when(firstRow, [&] {
      int64_t slot = 0;
      for (const Segment &segment : plan.segmentsOf(store.getTile()))
        for (int64_t turn = 0; turn < segment.turns; ++turn) {
          Value inside, column = columnOf(segment, turn, inside);
          for (int64_t v = 0; v < segment.vector; ++v, ++slot) {
            Value number = code.toLong(code.add(column, code.word(v)));
            Value fits = left ? code.compare(ICmpPredicate::slt, number, left) : Value();
            when(both(inside, fits), [&] {
              write({held.at(0, slot)}, code.address(base, element, code.mul(number, code.index(stride))), 1);
            });
          }
        }
    });
    return;
  }
  for (int64_t row = 0; row < held.rows; ++row) {
    Value number = type.getRows() == 1 ? code.word(0) : rowOf(row);
    Value condition = type.getRows() == 1 ? firstRow : Value();
    if (type.getColumns() == 1)
      condition = both(condition, firstColumn);
    if (type.getRows() > 1 && type.getRows() % plan.rowThreads)
      condition = both(condition, code.compare(ICmpPredicate::slt, number, code.word(type.getRows())));
    if (left)
      condition = both(condition, code.compare(ICmpPredicate::slt, code.toLong(number), left));
    when(condition, [&] {
      Value address = code.address(base, element, code.mul(code.toLong(number), code.index(stride)));
      if (type.getColumns() == 1)
        return write({held.at(row, 0)}, address, 1);
      int64_t slot = 0;
      for (const Segment &segment : plan.segmentsOf(store.getTile()))
        for (int64_t turn = 0; turn < segment.turns; ++turn, slot += segment.vector) {
          Value inside, column = columnOf(segment, turn, inside);
          SmallVector<Value> values;
          for (int64_t v = 0; v < segment.vector; ++v)
            values.push_back(held.at(row, slot + v));
          int64_t aligned = std::gcd(alignment, std::gcd(segment.start, segment.vector));
          when(inside, [&] { write(values, code.address(address, element, code.toLong(column)), aligned); });
        }
    });
  }
}

//===-- Tables ------------------------------------------------------------------------------------------------------===//

Value RowsEmitter::tableRow(Value index, int64_t size) {
  return code.maximum(code.minimum(code.toLong(index), code.index(size - 1)), code.index(0));
}

void RowsEmitter::emitGather(tile::GatherOp gather) {
  Held held = shape(gather.getTile()), rows = tiles[gather.getRows()];
  tile::TileType type = gather.getTile().getType();
  MemRefType table = gather.getTable().getType();
  Type element = registerType(type.getElement());
  Value base = code.address(frame.buffer(gather.getTable()), element, scalar(gather.getColumn()));
  int64_t width = table.getDimSize(1), alignment = std::gcd(width, divisorOf(gather.getColumn()));
  for (int64_t row = 0; row < held.rows; ++row) {
    Value number = tableRow(rows.at(row, 0), table.getDimSize(0));
    Value address = code.address(base, element, code.mul(number, code.index(width)));
    if (type.getColumns() == 1) {
      held.at(row, 0) = loadVector(address, element, 1, 1, {}, true)[0];
      continue;
    }
    int64_t slot = 0;
    for (const Segment &segment : plan.segmentsOf(gather.getTile()))
      for (int64_t turn = 0; turn < segment.turns; ++turn) {
        Value inside, column = columnOf(segment, turn, inside);
        int64_t aligned = std::gcd(alignment, std::gcd(segment.start, segment.vector));
        for (Value value : loadVector(code.address(address, element, code.toLong(column)), element, segment.vector, aligned, {}, true))
          held.at(row, slot++) = value;
      }
  }
  tiles[gather.getTile()] = held;
}

LogicalResult RowsEmitter::emitScatter(tile::ScatterAddOp scatter) {
  return scatter.emitError("the GPU backend adds to tables in kernels of their own only");
}

} // namespace caa::nvptx
