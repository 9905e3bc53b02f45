// Values of blocks of tokens: a work item reads a block of one row, a few tokens at a time, and writes what it gives to all of them.
#include "passes/Kernels/TileFunction.h"

#include <limits>

using namespace mlir;

namespace caa {

constexpr int64_t mostRows = 64, mostColumns = 512;

/// The most tokens that make up a block in whole steps.
static int64_t rowsPerStep(int64_t block) {
  int64_t rows = std::min(block, mostRows);
  while (block % rows != 0)
    --rows;
  return rows;
}

void lowerPool(func::FuncOp source) {
  auto op = cast<PoolOp>(source.getBody().front().front());
  const PoolKind kind = op.getKind();
  const int64_t block = op.getBlock(), rows = rowsPerStep(block);
  // Heads are but parts of the width.
  Shape shape = shapeOf(op.getResult());
  int64_t width = shape.heads * shape.width;
  auto type = tokenwiseType(1, width, elementOf(op.getResult()));
  source.getArgument(0).setType(type);
  op.getResult().setType(type);

  TileFunction f(source, {0u}, /*outputsByBatch=*/true);
  OpBuilder &b = f.getBuilder();
  Location location = f.getLocation();
  Type f32 = b.getF32Type(), i64 = b.getI64Type();
  Value zero = f.index(0), size = f.index(block), length = f.extent(tile::Extent::Length);
  Value blocks = arith::CeilDivUIOp::create(b, location, length, size);
  Value batch = arith::DivUIOp::create(b, location, f.item(), blocks);
  Value first = arith::MulIOp::create(b, location, arith::RemUIOp::create(b, location, f.item(), blocks), size);
  Value end = arith::MinUIOp::create(b, location, arith::AddIOp::create(b, location, first, size), length);
  Value last = arith::IndexCastOp::create(b, location, i64, end);
  Value count = arith::IndexCastOp::create(b, location, i64, arith::SubIOp::create(b, location, end, first));
  const double none = kind == PoolKind::Max ? -std::numeric_limits<double>::infinity() : 0;
  f.forColumns(width, mostColumns, {}, [&](Value column, int64_t columns, ValueRange) -> TileFunction::Scalars {
    Value empty = f.splat(cast<TypedAttr>(b.getF32FloatAttr(float(none))), 1, columns);
    Value pooled = f.forRange(first, end, rows, {empty}, [&](Value token, ValueRange carried) -> TileFunction::Scalars {
      Value values = f.load(f.getInput(0), {batch, token, zero, column}, rows, columns);
      if (kind == PoolKind::Max) { // what reads as 0 past the end is no value
        Value tokens = tile::IotaOp::create(b, location, tileType(rows, 1, i64), token);
        values = f.map1({values, tokens}, rows, columns, f32, [&](OpBuilder &in, ValueRange x) -> Value {
          Value counts = arith::CmpIOp::create(in, location, arith::CmpIPredicate::slt, x[1], last);
          return arith::SelectOp::create(in, location, counts, x[0], arith::ConstantOp::create(in, location, in.getF32FloatAttr(float(none))));
        });
      }
      Value part = f.reduce(kind == PoolKind::Max ? tile::Combine::Max : tile::Combine::Add, values, 1, columns);
      return {f.map1({part, carried[0]}, 1, columns, f32, [&](OpBuilder &in, ValueRange x) -> Value {
        return kind == PoolKind::Max ? arith::MaximumFOp::create(in, location, x[0], x[1]).getResult()
                                     : arith::AddFOp::create(in, location, x[0], x[1]).getResult();
      })};
    })[0];
    if (kind == PoolKind::Mean)
      pooled = f.map1({pooled}, 1, columns, f32, [&](OpBuilder &in, ValueRange x) -> Value {
        return arith::DivFOp::create(in, location, x[0], arith::SIToFPOp::create(in, location, f32, count));
      });
    Value everywhere = f.map1({pooled}, rows, columns, f32, [](OpBuilder &, ValueRange x) -> Value { return x[0]; });
    f.forRange(first, end, rows, {}, [&](Value token, ValueRange) -> TileFunction::Scalars {
      f.store(everywhere, f.getOutput(0), {batch, token, zero, column});
      return {};
    });
    return {};
  });
  f.finish(tile::TermAttr::get(b.getContext(), 1, 1, 1, block, 0, 1), double(block * width));
}

} // namespace caa
