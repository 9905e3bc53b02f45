// Places of tiles, loads and stores, gathers, copies and transpositions. See KernelEmitter.h.
#include "codegen/Cpu/KernelEmitter.h"

using namespace mlir;
using LLVM::ICmpPredicate;

namespace caa::cpu {

//===-- Places ------------------------------------------------------------------------------------------------------===//

Place KernelEmitter::slotPlace(Value value, const Slot &slot, Layout layout) {
  Type element = registerType(tileOf(value).getElement());
  int64_t bytes = plan.storage(slot.storage).offset + slot.offset * bytesOf(element);
  return {code.address(scratch, code.i8, bytes), element, layout, slot.stride, Value()};
}

Place KernelEmitter::placeOf(Value value, std::optional<Layout> wanted) {
  if (wanted && *wanted != plan.layouts.of(value))
    if (auto slot = plan.copyOf(value, *wanted))
      return slotPlace(value, *slot, *wanted);
  if (auto found = places.find(value); found != places.end())
    return found->second;
  if (auto slice = value.getDefiningOp<tile::SliceOp>()) {
    Place place = placeOf(slice.getTile(), plan.layouts.of(value)); // one column is contiguous only in a tile by columns
    Value start = code.index(int64_t(slice.getStart()));
    place.base = place.layout == Layout::Rows ? elementAddress(place, code.index(0), start)
                                              : elementAddress(place, start, code.index(0));
    place.layout = plan.layouts.of(value);
    return place;
  }
  auto slot = plan.slotOf(value);
  assert(slot && "a tile without a place");
  return slotPlace(value, *slot, plan.layouts.of(value));
}

Value KernelEmitter::strideOf(const Place &place) {
  return place.dynamicStride ? place.dynamicStride : code.index(place.stride);
}

Value KernelEmitter::elementAddress(const Place &place, Value outer, Value inner) {
  auto row = Code::known(outer);
  Value base = row && *row == 0 ? place.base : code.address(place.base, place.element, code.mul(outer, strideOf(place)));
  return code.address(base, place.element, inner);
}

Value KernelEmitter::bufferAddress(const Access &access) {
  MemRefType type = access.type();
  Value offset = code.index(0);
  for (auto [axis, index] : llvm::enumerate(access.indices)) {
    // The first axis is never multiplied; an axis of run-time size behind it is the length.
    if (axis > 0)
      offset = code.mul(offset, type.isDynamicDim(axis) ? sizes[int(tile::Extent::Length)] : code.index(type.getDimSize(axis)));
    offset = code.add(offset, scalar(index));
  }
  return code.address(buffers[cast<BlockArgument>(access.buffer).getArgNumber()], registerType(type.getElementType()), offset);
}

Value KernelEmitter::validRows(const Access &access) {
  if (!access.mayBeRagged())
    return code.index(access.rows);
  MemRefType type = access.type();
  int64_t axis = access.rowAxis();
  Value limit;
  if (!type.isDynamicDim(axis)) {
    limit = code.index(type.getDimSize(axis));
  } else if (axis == 1) {
    limit = sizes[int(tile::Extent::Length)];
  } else {
    limit = sizes[int(tile::Extent::Rows)];
    // Partial sums: one row for each chunk of token rows.
    if (auto chunk = kernel.getArgAttrOfType<IntegerAttr>(cast<BlockArgument>(access.buffer).getArgNumber(), "caa.chunk"))
      limit = code.ceilDiv(limit, chunk.getInt());
  }
  Value left = code.sub(limit, scalar(access.indices[axis]));
  return code.maximum(code.minimum(left, code.index(access.rows)), code.index(0));
}

//===-- Loads and stores --------------------------------------------------------------------------------------------===//

void KernelEmitter::emitLoad(tile::LoadOp load) {
  Access access = accessOf(load);
  tile::TileType type = load.getTile().getType();
  int64_t rows = access.rows, stride = access.rowStride();
  Type element = registerType(type.getElement());
  Layout layout = plan.layouts.of(load.getTile());
  Place inPlace{bufferAddress(access), element, layout, stride, Value()};
  auto slot = plan.slotOf(load.getTile());
  if (!slot) {
    places[load.getTile()] = inPlace;
    return;
  }
  Place copy = slotPlace(load.getTile(), *slot, layout);
  Value valid = validRows(access);
  // Rows before the end, then zeros.
  auto copyRows = [&] {
    Value step = code.index(access.columns == 1 ? 1 : slot->stride);
    auto target = [&](Value r) { return code.address(copy.base, element, code.mul(r, step)); };
    code.loop(code.index(0), valid, 1, [&](Value r) {
      copyRow(code.address(inPlace.base, element, code.mul(r, code.index(stride))), target(r), element, access.columns);
    });
    code.loop(valid, code.index(rows), 1, [&](Value r) { copyRow(Value(), target(r), element, access.columns); });
  };
  if (!plan.isReadOnly(access.buffer) || access.isStridedColumn()) {
    copyRows();
    places[load.getTile()] = copy;
    return;
  }
  Value whole = code.compare(ICmpPredicate::sge, valid, code.index(rows));
  bool oneStride = outerOf(type, layout) == 1 || slot->stride == stride;
  SmallVector<Type> types{code.pointer};
  if (!oneStride)
    types.push_back(code.i64);
  auto both = [&](const Place &place) {
    SmallVector<Value> values{place.base};
    if (!oneStride)
      values.push_back(code.index(place.stride));
    return values;
  };
  SmallVector<Value> chosen = code.choose(whole, types, [&] { return both(inPlace); },
                                          [&] {
                                            copyRows();
                                            return both(copy);
                                          });
  inPlace.base = chosen[0];
  if (!oneStride)
    inPlace.dynamicStride = chosen[1];
  places[load.getTile()] = inPlace;
}

// A column goes to a buffer whose rows lie apart.
void KernelEmitter::emitColumnStore(tile::StoreOp store) {
  Access access = accessOf(store);
  Type element = registerType(access.type().getElementType());
  Place from = placeOf(store.getTile());
  Value base = bufferAddress(access), stride = code.index(access.rowStride()), valid = validRows(access);
  code.loop(code.index(0), valid, 1, [&](Value r) {
    Value target = code.address(base, element, code.mul(r, stride));
    Value value = code.load(code.address(from.base, element, r), element, 1);
    if (store.getAccumulate()) {
      Value old = code.load(target, element, 1);
      value = isa<FloatType>(element) ? code.fadd(old, value) : code.add(old, value);
    }
    code.store(value, target);
  });
}

// Row rows[r], kept within the table.
Value KernelEmitter::loadedRow(Value rows, Value r, int64_t size) {
  Place place = placeOf(rows);
  Value row = code.load(code.address(place.base, place.element, r), place.element, 1);
  if (row.getType() != code.i64)
    row = LLVM::SExtOp::create(code.builder, code.loc, code.i64, row);
  return code.maximum(code.minimum(row, code.index(size - 1)), code.index(0));
}

void KernelEmitter::emitGather(tile::GatherOp gather) {
  tile::TileType type = gather.getTile().getType();
  MemRefType table = gather.getTable().getType();
  Place to = placeOf(gather.getTile());
  Value base = buffers[cast<BlockArgument>(gather.getTable()).getArgNumber()], column = scalar(gather.getColumn());
  bool byRows = to.layout == Layout::Rows;
  code.loop(0, type.getRows(), 1, [&](Value r) {
    Value row = loadedRow(gather.getRows(), r, table.getDimSize(0));
    Value from = code.address(base, to.element, code.add(code.mul(row, code.index(table.getDimSize(1))), column));
    if (byRows)
      return copyRow(from, elementAddress(to, r, code.index(0)), to.element, type.getColumns());
    code.loop(0, type.getColumns(), 1, [&](Value c) {
      code.store(code.load(code.address(from, to.element, c), to.element, 1), elementAddress(to, c, r));
    });
  });
}

void KernelEmitter::emitScatterAdd(tile::ScatterAddOp scatter) {
  tile::TileType type = scatter.getTile().getType();
  MemRefType table = scatter.getTable().getType();
  Place from = placeOf(scatter.getTile(), Layout::Rows);
  Value base = buffers[cast<BlockArgument>(scatter.getTable()).getArgNumber()], column = scalar(scatter.getColumn());
  Value count = code.minimum(scalar(scatter.getCount()), code.index(type.getRows()));
  bool byRows = from.layout == Layout::Rows;
  code.loop(code.index(0), count, 1, [&](Value r) {
    Value row = loadedRow(scatter.getRows(), r, table.getDimSize(0));
    Value to = code.address(base, from.element, code.add(code.mul(row, code.index(table.getDimSize(1))), column));
    auto addAt = [&](Value c, int64_t lanes) {
      Value target = code.address(to, from.element, c);
      Value source = byRows ? elementAddress(from, r, c) : elementAddress(from, c, r);
      code.store(code.fadd(code.load(target, from.element, lanes), code.load(source, from.element, lanes)), target);
    };
    int64_t lanes = byRows ? code.target.lanes() : 1, whole = type.getColumns() / lanes * lanes;
    code.loop(0, whole, lanes, [&](Value c) { addAt(c, lanes); });
    code.loop(whole, type.getColumns(), 1, [&](Value c) { addAt(c, 1); });
  });
}

void KernelEmitter::emitConcat(tile::ConcatOp concat) {
  Place whole = placeOf(concat.getResult());
  int64_t column = 0;
  for (OpOperand &operand : concat->getOpOperands()) {
    Value part = operand.get();
    tile::TileType type = tileOf(part);
    Place to = whole;
    to.base = whole.layout == Layout::Rows ? elementAddress(whole, code.index(0), code.index(column))
                                           : elementAddress(whole, code.index(column), code.index(0));
    column += type.getColumns();
    auto own = plan.slotOf(part), target = plan.slotOf(concat.getResult());
    if (own && own->storage == target->storage)
      continue; // computed in place
    Place from = placeOf(part, whole.layout);
    int64_t outer = outerOf(type, whole.layout), inner = innerOf(type, whole.layout);
    if (from.layout == whole.layout)
      copyTile(from, to, outer, inner);
    else // one column into rows
      code.loop(0, outer, 1, [&](Value p) {
        code.store(code.load(code.address(from.base, from.element, p), from.element, 1), elementAddress(to, p, code.index(0)));
      });
  }
}

//===-- Copies ------------------------------------------------------------------------------------------------------===//

// `count` elements; zeros without a source.
void KernelEmitter::copyRow(Value from, Value to, Type element, int64_t count) {
  auto move = [&](Value q, int64_t lanes) {
    Type type = code.vector(memoryType(element), lanes);
    Value zero = isa<FloatType>(element) ? code.real(0, type) : code.integer(0, type);
    Value value = from ? code.load(code.address(from, element, q), memoryType(element), lanes) : zero;
    code.store(value, code.address(to, element, q));
  };
  int64_t lanes = code.target.lanes(), whole = count / lanes * lanes;
  if (whole <= 8 * lanes)
    for (int64_t q = 0; q < whole; q += lanes)
      move(code.index(q), lanes);
  else
    code.loop(0, whole, lanes, [&](Value q) { move(q, lanes); });
  if (count > whole)
    move(code.index(whole), count - whole);
}

void KernelEmitter::copyTile(const Place &from, const Place &to, int64_t outer, int64_t inner) {
  Value zero = code.index(0);
  code.loop(0, outer, 1, [&](Value p) {
    copyRow(elementAddress(from, p, zero), elementAddress(to, p, zero), from.element, inner);
  });
}

// Squares of lanes x lanes in registers (log2 lanes rounds of exchanges at distance 1, 2, 4, ...), edges one by one.
void KernelEmitter::transposeTile(const Place &from, const Place &to, int64_t outer, int64_t inner) {
  int64_t side = from.element.isF32() ? code.target.lanes() : 1;
  int64_t wholeOuter = outer / side * side, wholeInner = inner / side * side;
  auto one = [&](Value p, Value q) {
    Type element = memoryType(from.element);
    code.store(code.load(elementAddress(from, p, q), element, 1), elementAddress(to, q, p));
  };
  if (side > 1) {
    code.loop(0, wholeOuter, side, [&](Value p) {
      code.loop(0, wholeInner, side, [&](Value q) {
        SmallVector<Value> rows;
        for (int64_t r = 0; r < side; ++r)
          rows.push_back(code.load(elementAddress(from, code.add(p, code.index(r)), q), from.element, side));
        for (int64_t distance = 1; distance < side; distance *= 2) {
          SmallVector<int32_t> low, high;
          for (int64_t j = 0; j < side; ++j) {
            low.push_back(int32_t(j & distance ? side + j - distance : j));
            high.push_back(int32_t(j & distance ? side + j : j + distance));
          }
          for (int64_t r = 0; r < side; ++r)
            if (!(r & distance)) {
              Value a = rows[r], b = rows[r + distance];
              rows[r] = code.shuffle(a, b, low);
              rows[r + distance] = code.shuffle(a, b, high);
            }
        }
        for (int64_t r = 0; r < side; ++r)
          code.store(rows[r], elementAddress(to, code.add(q, code.index(r)), p));
      });
    });
  }
  code.loop(0, outer, 1, [&](Value p) {
    Value start = code.index(wholeInner);
    if (side == 1)
      start = code.index(0);
    else if (wholeOuter < outer)
      start = code.select(code.compare(ICmpPredicate::slt, p, code.index(wholeOuter)), start, code.index(0));
    code.loop(start, code.index(inner), 1, [&](Value q) { one(p, q); });
  });
}

void KernelEmitter::emitCopies(Value value) {
  if (!tileOf(value))
    return;
  tile::TileType type = tileOf(value);
  Layout native = plan.layouts.of(value), other = native == Layout::Rows ? Layout::Columns : Layout::Rows;
  if (auto slot = plan.copyOf(value, other))
    transposeTile(placeOf(value), slotPlace(value, *slot, other), outerOf(type, native), innerOf(type, native));
}

} // namespace caa::cpu
