// Values that come from other tokens at a fixed place: shifts and what a block holds of the one before it, and the transposes of both.
#include "passes/Kernels/TileFunction.h"

using namespace mlir;

namespace caa {

constexpr int64_t tokensPerItem = 64, mostColumns = 512;

void lowerMove(func::FuncOp source) {
  Operation *op = &source.getBody().front().front();
  auto shift = dyn_cast<ShiftOp>(op);
  auto hold = dyn_cast<HoldOp>(op);
  const bool reverse = shift ? shift.getReverse() : hold.getReverse();
  // Heads are but parts of the width.
  Shape shape = shapeOf(op->getResult(0));
  int64_t width = shape.heads * shape.width;
  auto type = tokenwiseType(1, width, elementOf(op->getResult(0)));
  source.getArgument(0).setType(type);
  op->getResult(0).setType(type);

  TileFunction f(source, {0u}, /*outputsByBatch=*/true);
  OpBuilder &b = f.getBuilder();
  Location location = f.getLocation();
  Type f32 = b.getF32Type();
  Value zero = f.index(0), one = f.index(1), length = f.extent(tile::Extent::Length), size = f.index(tokensPerItem);
  Value distance = f.index(shift ? int64_t(shift.getBy()) : int64_t(hold.getBlock()));
  auto add = [&](Value x, Value y) -> Value { return arith::AddIOp::create(b, location, x, y); };
  auto compare = [&](arith::CmpIPredicate predicate, Value x, Value y) -> Value { return arith::CmpIOp::create(b, location, predicate, x, y); };
  auto choose = [&](Value condition, Value x, Value y) -> Value { return arith::SelectOp::create(b, location, condition, x, y); };
  Value chunks = arith::CeilDivUIOp::create(b, location, length, size);
  Value batch = arith::DivUIOp::create(b, location, f.item(), chunks);
  Value first = arith::MulIOp::create(b, location, arith::RemUIOp::create(b, location, f.item(), chunks), size);
  Value end = arith::MinUIOp::create(b, location, add(first, size), length);
  f.forRange(first, end, 1, {}, [&](Value token, ValueRange) -> TileFunction::Scalars {
    // The tokens whose values come here: all from `from` on, before `to`.
    Value from, to, next = add(token, one);
    if (shift && reverse) {
      from = add(token, distance);
      to = choose(compare(arith::CmpIPredicate::ult, from, length), add(from, one), from);
    } else if (reverse) { // the block after a block's last token
      Value isLast = compare(arith::CmpIPredicate::eq, arith::RemUIOp::create(b, location, next, distance), zero);
      from = next;
      to = choose(isLast, arith::MinUIOp::create(b, location, add(next, distance), length), next);
    } else {
      Value start = shift ? next : arith::MulIOp::create(b, location, arith::DivUIOp::create(b, location, token, distance), distance).getResult();
      Value back = shift ? add(distance, one) : one; // from the token after it
      Value exists = compare(arith::CmpIPredicate::uge, start, back);
      from = choose(exists, arith::SubIOp::create(b, location, start, back), zero);
      to = choose(exists, add(from, one), zero);
    }
    f.forColumns(width, mostColumns, {}, [&](Value column, int64_t columns, ValueRange) -> TileFunction::Scalars {
      Value sum = f.forRange(from, to, 1, {f.zeros(1, columns, f32)}, [&](Value other, ValueRange carried) -> TileFunction::Scalars {
        Value value = f.load(f.getInput(0), {batch, other, zero, column}, 1, columns);
        return {f.map1({value, carried[0]}, 1, columns, f32,
                       [&](OpBuilder &in, ValueRange x) -> Value { return arith::AddFOp::create(in, location, x[0], x[1]); })};
      })[0];
      f.store(sum, f.getOutput(0), {batch, token, zero, column});
      return {};
    });
    return {};
  });
  f.finish(tile::TermAttr::get(b.getContext(), 1, 1, 1, tokensPerItem, 0, 1), double(tokensPerItem * width));
}

} // namespace caa
