// See Values.h.
#include "codegen/Nvptx/Hopper/Values.h"

#include "codegen/Nvptx/Hopper/Instructions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using LLVM::ICmpPredicate;

namespace caa::nvptx::hopper {

static constexpr double log2OfE = 1.44269504088896340736;
static constexpr ScalarOptions options{/*approximate=*/true, /*contract=*/false, /*narrow=*/true};

//===-- Places ------------------------------------------------------------------------------------------------------===//

int64_t Values::project(tile::TileType type, int64_t place) {
  if (type.getColumns() == 1)
    place &= 2;
  if (type.getRows() == 1)
    place &= ~int64_t(2);
  return place;
}

SmallVector<int64_t> Values::placesOf(tile::TileType type) {
  SmallVector<int64_t> places;
  for (int64_t n = 0, end = type.getColumns() == 1 ? 4 : type.getColumns() / 2; n < end; ++n)
    if (project(type, n) == n)
      places.push_back(n);
  return places;
}

//===-- Small things ------------------------------------------------------------------------------------------------===//

Value Values::exp2(Value x) { return code.assembly("ex2.approx.ftz.f32 $0, $1;", "=f,f", code.f32, {x}, /*isVolatile=*/false); }

Value Values::combine(tile::Combine how, Value a, Value b) {
  bool isFloat = isa<FloatType>(a.getType());
  if (how == tile::Combine::Add)
    return isFloat ? code.fadd(a, b) : code.add(a, b);
  if (!isFloat)
    return how == tile::Combine::Max ? code.maximum(a, b) : code.minimum(a, b);
  return how == tile::Combine::Max ? Value(LLVM::MaxNumOp::create(code.builder, code.loc, a, b))
                                   : Value(LLVM::MinNumOp::create(code.builder, code.loc, a, b));
}

/// In a fixed order, four chains at a time.
Value Values::sum(ArrayRef<Value> all, tile::Combine how) {
  SmallVector<Value> chains(all.take_front(4));
  for (size_t n = 4; n < all.size(); ++n)
    chains[n % 4] = combine(how, chains[n % 4], all[n]);
  while (chains.size() > 1) {
    SmallVector<Value> next;
    for (size_t n = 0; n + 1 < chains.size(); n += 2)
      next.push_back(combine(how, chains[n], chains[n + 1]));
    if (chains.size() % 2)
      next.push_back(chains.back());
    chains = next;
  }
  return chains[0];
}

Values::Affine Values::affineOf(Value value) {
  auto found = affines.find(value);
  return found == affines.end() ? Affine{value, 0} : found->second;
}

Value Values::affine(Value base, int64_t offset) {
  Value value = code.add(base, code.word(offset));
  if (value != base)
    affines[value] = {base, offset};
  return value;
}

int Values::levelOf(tile::MapOp map, Value value) {
  if (auto found = levels.find(value); found != levels.end())
    return found->second;
  int level = 0;
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    if (argument.getOwner() == &map.getBody().front())
      if (auto type = typeOf(map.getOperand(argument.getArgNumber())))
        level = (type.getRows() > 1 ? 1 : 0) | (type.getColumns() > 1 ? 2 : 0);
  } else if (value.getDefiningOp()->getBlock() == &map.getBody().front()) {
    for (Value operand : value.getDefiningOp()->getOperands())
      level |= levelOf(map, operand);
  }
  return levels[value] = level;
}

//===-- Finding -----------------------------------------------------------------------------------------------------===//

void Scope::setTile(Value tile, ArrayRef<Value> all) {
  for (auto [place, value] : llvm::zip_equal(Values::placesOf(Values::typeOf(tile)), all))
    elementsAt[{tile, place}] = value;
}

Value Scope::find(Value value, int64_t place) {
  for (Scope *scope = this; scope; scope = scope->outer)
    if (auto found = scope->elementsAt.find({value, place}); found != scope->elementsAt.end())
      return found->second;
  return {};
}

Value Scope::resolve(Value value) {
  for (Scope *scope = this; scope; scope = scope->outer)
    if (auto found = scope->same.find(value); found != scope->same.end())
      return resolve(found->second);
  return value;
}

const Scope::Make *Scope::findLazy(Value tile) {
  for (Scope *scope = this; scope; scope = scope->outer)
    if (auto found = scope->lazy.find(tile); found != scope->lazy.end())
      return &found->second;
  return nullptr;
}

Value Scope::scalar(Value value) {
  value = resolve(value);
  for (Scope *scope = this; scope; scope = scope->outer)
    if (auto found = scope->scalars.find(value); found != scope->scalars.end())
      return found->second;
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumRegions()) {
    values.failed = true;
    emitError(value.getLoc(), "the Hopper backend misses a scalar");
    return code.word(0);
  }
  Value emitted;
  if (auto extent = dyn_cast<tile::ExtentOp>(op)) {
    emitted = values.frame.extent32(extent.getExtent());
  } else if (auto extract = dyn_cast<tile::ExtractOp>(op)) {
    emitted = element(extract.getTile(), 0);
  } else {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      operands.push_back(scalar(operand));
    FailureOr<Value> result = emitScalarOp(code, op, operands, options);
    if (failed(result)) {
      values.failed = true;
      return code.word(0);
    }
    emitted = *result;
  }
  return scalars[value] = emitted;
}

//===-- Tiles -------------------------------------------------------------------------------------------------------===//

Value Scope::element(Value tile, int64_t place) {
  tile = resolve(tile);
  place = Values::project(Values::typeOf(tile), place);
  if (Value found = find(tile, place))
    return found;
  if (const Make *make = findLazy(tile)) {
    Value made = (*make)(*this, place);
    if (Value found = find(tile, place)) // it may have defined more than one
      return found;
    return elementsAt[{tile, place}] = made;
  }
  Value emitted = emitElement(tile, place);
  if (!emitted) {
    if (!values.failed)
      emitError(tile.getLoc(), "the Hopper backend can't make an element of this tile");
    values.failed = true;
    emitted = code.real(0, code.f32);
  }
  return elementsAt[{tile, place}] = emitted;
}

SmallVector<Value> Scope::elements(Value tile) {
  SmallVector<Value> all;
  for (int64_t place : Values::placesOf(Values::typeOf(tile)))
    all.push_back(element(tile, place));
  return all;
}

Value Scope::unrounded(Value tile, int64_t place) {
  tile = resolve(tile);
  if (auto map = tile.getDefiningOp<tile::MapOp>()) {
    Value yielded = map.getBody().front().getTerminator()->getOperand(cast<OpResult>(tile).getResultNumber());
    if (auto rounding = yielded.getDefiningOp<arith::TruncFOp>(); rounding && rounding.getIn().getType().isF32())
      return regionValue(map, rounding.getIn(), place);
  }
  return element(tile, place);
}

SmallVector<Value> Scope::packed(Value tile) {
  SmallVector<Value> registers;
  for (int64_t place = 0, end = Values::typeOf(tile).getColumns() / 2; place < end; place += 2) {
    Value low = unrounded(tile, place), high = unrounded(tile, place + 1);
    registers.push_back(packPair(code, low, high));
  }
  return registers;
}

Value Scope::condition(tile::MapOp map, int64_t place) {
  Operation *yielded = map.getBody().front().getTerminator()->getOperand(0).getDefiningOp();
  return regionValue(map, yielded->getOperand(0), place);
}

Value Scope::emitElement(Value tile, int64_t place) {
  Operation *op = tile.getDefiningOp();
  if (!op)
    return {};
  if (auto splat = dyn_cast<tile::SplatOp>(op))
    return scalar(splat.getValue());
  if (auto iota = dyn_cast<tile::IotaOp>(op)) {
    Value start = scalar(iota.getStart());
    if (Values::typeOf(tile).getColumns() == 1)
      return values.affine(code.add(start, values.place.row), 4 * place);
    return values.affine(code.add(start, values.place.column), 2 * (place & ~int64_t(3)) + place % 2);
  }
  if (auto map = dyn_cast<tile::MapOp>(op)) {
    Value yielded = map.getBody().front().getTerminator()->getOperand(cast<OpResult>(tile).getResultNumber());
    return regionValue(map, yielded, place);
  }
  if (auto reduce = dyn_cast<tile::ReduceOp>(op))
    return emitReduce(reduce, place);
  if (auto load = dyn_cast<tile::LoadOp>(op))
    return emitNarrowLoad(load, place);
  return {};
}

/// One word of a tile of one column or (transposed) one row, or of a static buffer.
Value Scope::emitNarrowLoad(tile::LoadOp load, int64_t place) {
  auto memory = cast<MemRefType>(load.getSource().getType());
  auto type = load.getTile().getType();
  bool transposed = load.getTransposed();
  if ((transposed ? type.getRows() : type.getColumns()) != 1 || load.getHeads() || memory.getElementTypeBitWidth() < 8)
    return {};
  int64_t count = std::max(type.getRows(), type.getColumns());
  // Row-major: ((batch T + token) heads + head) width + column.
  Value offset, row, length;
  for (int64_t axis = 0, rank = memory.getRank(); axis < rank; ++axis) {
    Value index = scalar(load.getIndices()[axis]);
    bool rows = rank >= 3 && memory.isDynamicDim(axis) && axis == (rank == 4 ? 1 : 0);
    if (rows) {
      length = values.frame.extent32(rank == 4 ? tile::Extent::Length : tile::Extent::Rows);
      row = transposed ? code.add(code.add(index, values.place.column), code.word(2 * (place & ~int64_t(3)) + place % 2))
                       : code.add(code.add(index, values.place.row), code.word(4 * place));
      index = code.minimum(row, code.sub(length, code.word(1)));
    } else if (axis + 1 < rank && rank < 3 && count > 1) {
      return {}; // rows along heads
    }
    Value size = memory.isDynamicDim(axis) ? values.frame.extent(rank == 4 ? (axis ? tile::Extent::Length : tile::Extent::Batch) : tile::Extent::Rows)
                                           : code.index(memory.getDimSize(axis));
    offset = offset ? code.add(code.mul(offset, size), code.toLong(index)) : code.toLong(index);
  }
  if (count > 1 && !row)
    return {};
  Type element = memory.getElementType();
  Value value = code.loadAs(element, code.address(values.frame.buffer(load.getSource()), element, offset), /*readOnly=*/true);
  if (element.isBF16())
    value = code.extend(value);
  else if (element.isInteger(8) && type.getElement().isInteger(1))
    value = code.compare(ICmpPredicate::ne, value, code.integer(0, element));
  else if (element.isInteger(64))
    value = code.toWord(code.maximum(code.minimum(value, code.index(INT32_MAX)), code.index(INT32_MIN)));
  if (row) {
    Value zero = isa<FloatType>(value.getType()) ? code.real(0, value.getType()) : code.integer(0, value.getType());
    value = code.select(code.compare(ICmpPredicate::slt, row, length), value, zero);
  }
  return value;
}

//===-- Maps --------------------------------------------------------------------------------------------------------===//

Value Scope::regionValue(tile::MapOp map, Value value, int64_t place) {
  Block &body = map.getBody().front();
  if (auto argument = dyn_cast<BlockArgument>(value); argument && argument.getOwner() == &body) {
    Value operand = map.getOperand(argument.getArgNumber());
    return Values::typeOf(operand) ? element(operand, place) : scalar(operand);
  }
  Operation *op = value.getDefiningOp();
  if (!op || op->getBlock() != &body)
    return scalar(value);
  if (isa<arith::ConstantOp>(op))
    return scalar(value);
  if (values.isDone(op))
    return regionValue(map, op->getOperand(0), place);
  int level = values.levelOf(map, value);
  if (!(level & 1))
    place &= ~int64_t(2);
  if (!(level & 2))
    place &= 2;
  if (Value found = find(value, place))
    return found;
  Value emitted = emitRegionOp(map, op, place);
  return elementsAt[{value, place}] = emitted;
}

Value Scope::emitRegionOp(tile::MapOp map, Operation *op, int64_t place) {
  if (auto exponential = dyn_cast<math::ExpOp>(op); exponential && exponential.getType().isF32())
    return emitExponential(map, exponential.getOperand(), place);
  SmallVector<Value> in;
  for (Value operand : op->getOperands())
    in.push_back(regionValue(map, operand, place));
  if (isa<arith::TruncFOp>(op) && in[0].getType().isF32() && op->getResult(0).getType().isBF16())
    return code.extend(code.truncate(in[0])); // bf16 values are held as f32
  if (isa<arith::ExtFOp>(op) && op->getOperand(0).getType().isBF16())
    return in[0];
  if (isa<math::TanhOp>(op) && in[0].getType().isF32()) // relative error 2^-11, a quarter of bf16's
    return code.assembly("tanh.approx.f32 $0, $1;", "=f,f", code.f32, {in[0]}, /*isVolatile=*/false);
  bool integers = in.size() == 2 && in[0].getType() == code.i32 && in[1].getType() == code.i32;
  if (integers && isa<arith::CmpIOp, arith::SubIOp, arith::AddIOp>(op)) {
    Values::Affine a = values.affineOf(in[0]), b = values.affineOf(in[1]);
    if (a.offset || b.offset) {
      if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
        auto predicate = static_cast<ICmpPredicate>(compare.getPredicate());
        if (compare.getPredicate() < arith::CmpIPredicate::ult) // signed: positions are far from overflow
          return code.compare(predicate, code.sub(a.base, b.base), code.word(b.offset - a.offset));
      } else if (isa<arith::SubIOp>(op)) {
        return values.affine(code.sub(a.base, b.base), a.offset - b.offset);
      } else {
        return values.affine(code.add(a.base, b.base), a.offset + b.offset);
      }
    }
  }
  ScalarOptions its = options;
  its.contract = values.compared && !values.compared->contains(op->getResult(0));
  FailureOr<Value> result = emitScalarOp(code, op, in, its);
  if (failed(result)) {
    values.failed = true;
    return code.real(0, code.f32);
  }
  return *result;
}

Scope::Scaled Scope::scaledOf(tile::MapOp map, Value value) {
  Scaled scaled{map, value, 1};
  for (;;) {
    if (auto argument = dyn_cast<BlockArgument>(scaled.value); argument && scaled.map && argument.getOwner() == &scaled.map.getBody().front()) {
      Value operand = resolve(scaled.map.getOperand(argument.getArgNumber()));
      auto before = operand.getDefiningOp<tile::MapOp>();
      if (!Values::typeOf(operand) || !before || Values::typeOf(operand).getElement().isBF16())
        return scaled;
      scaled.value = before.getBody().front().getTerminator()->getOperand(cast<OpResult>(operand).getResultNumber());
      scaled.map = before;
      continue;
    }
    if (scaled.map && values.isDone(scaled.value.getDefiningOp())) {
      scaled.value = scaled.value.getDefiningOp()->getOperand(0);
      continue;
    }
    auto product = scaled.value.getDefiningOp<arith::MulFOp>();
    auto constant = product ? product.getRhs().getDefiningOp<arith::ConstantOp>() : arith::ConstantOp();
    if (!constant || !product.getType().isF32() || scaled.factor != 1)
      return scaled;
    scaled.factor = cast<FloatAttr>(constant.getValue()).getValueAsDouble();
    scaled.value = product.getLhs();
  }
}

Value Scope::emitScaled(const Scaled &scaled, int64_t place) { return regionValue(scaled.map, scaled.value, place); }

/// e^(k x - b) as 2^(x k' - b') in one multiply-add.
Value Scope::emitExponential(tile::MapOp map, Value argument, int64_t place) {
  auto difference = argument.getDefiningOp<arith::SubFOp>();
  if (values.isDone(difference))
    difference = {};
  Value left = difference ? difference.getLhs() : argument;
  Scaled scaled = scaledOf(map, left);
  Value factor = code.real(scaled.factor * log2OfE, code.f32);
  Value x = emitScaled(scaled, place);
  if (!difference)
    return values.exp2(code.fmul(x, factor));
  Value shift = code.fmul(regionValue(map, difference.getRhs(), place), code.real(-log2OfE, code.f32));
  return values.exp2(code.fma(x, factor, shift));
}

/// Along the columns: over the thread's own, then over the quad that shares the rows.
Value Scope::emitReduce(tile::ReduceOp reduce, int64_t place) {
  auto from = reduce.getTile().getType(), to = reduce.getResult().getType();
  if (to.getRows() != from.getRows() || to.getColumns() != 1 || !from.getElement().isF32())
    return {};
  tile::Combine how = reduce.getCombine();
  Value tile = resolve(reduce.getTile());
  Scaled scaled{{}, tile, 1};
  // Rounding is monotone: the extremum of products with a positive factor is the product of the extremum.
  if (auto map = tile.getDefiningOp<tile::MapOp>(); map && how != tile::Combine::Add) {
    Value yielded = map.getBody().front().getTerminator()->getOperand(cast<OpResult>(tile).getResultNumber());
    Scaled inner = scaledOf(map, yielded);
    if (inner.factor > 0)
      scaled = inner;
  }
  SmallVector<Value> own;
  for (int64_t n = place; n < from.getColumns() / 2; n += 4)
    for (int64_t column : {0, 1})
      own.push_back(scaled.map ? emitScaled(scaled, n + column) : element(tile, n + column));
  Value result = values.sum(own, how);
  for (int64_t mask : {1, 2})
    result = values.combine(how, result, code.shuffleXor(result, mask));
  return scaled.factor == 1 ? result : code.fmul(result, code.real(scaled.factor, code.f32));
}

} // namespace caa::nvptx::hopper
