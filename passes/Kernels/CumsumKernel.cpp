// Running sums along a row: chunk after chunk of tokens, with the sum of all earlier ones carried on. Inside a chunk every token adds up
// the chunk's tokens that count for it, all at once: a fixed number of additions per token, in an order that depends on nothing else.
#include "passes/Kernels/TileFunction.h"

using namespace mlir;

namespace caa {

constexpr int64_t chunkTokens = 32;

void lowerCumsum(func::FuncOp source) {
  auto op = cast<CumsumOp>(source.getBody().front().front());
  bool reverse = op.getReverse();
  // Every component of a token is summed by itself: as a head of width 1.
  Shape shape = shapeOf(op.getResult());
  int64_t components = shape.heads * shape.width;
  auto type = tokenwiseType(components, 1, elementOf(op.getResult()));
  source.getArgument(0).setType(type);
  op.getResult().setType(type);

  TileFunction f(source, {0u}, /*outputsByBatch=*/true);
  OpBuilder &b = f.getBuilder();
  Location location = f.getLocation();
  Type f32 = b.getF32Type();
  Value item = f.item(), size = f.index(chunkTokens), zero = f.index(0);
  Value batch = arith::DivUIOp::create(b, location, item, f.index(components));
  Value head = arith::RemUIOp::create(b, location, item, f.index(components));
  Value chunks = arith::CeilDivUIOp::create(b, location, f.extent(tile::Extent::Length), size);
  Value last = arith::SubIOp::create(b, location, chunks, f.index(1));
  Value places = tile::IotaOp::create(b, location, tileType(chunkTokens, 1, b.getI64Type()), zero);
  Value others = tile::IotaOp::create(b, location, tileType(1, chunkTokens, b.getI64Type()), zero);
  f.forRange(zero, chunks, 1, {f.zeros(1, 1, f32)}, [&](Value number, ValueRange carried) -> TileFunction::Scalars {
    Value chunk = reverse ? Value(arith::SubIOp::create(b, location, last, number)) : number;
    Value start = arith::MulIOp::create(b, location, chunk, size);
    auto load = tile::LoadOp::create(b, location, tileType(1, chunkTokens, f32), f.getInput(0), ValueRange{batch, start, head, zero});
    load.setTransposed(true); // tokens past the end read as 0
    Value counted = f.map1({load, places, others}, chunkTokens, chunkTokens, f32, [&](OpBuilder &in, ValueRange x) -> Value {
      auto order = reverse ? arith::CmpIPredicate::sge : arith::CmpIPredicate::sle;
      Value counts = arith::CmpIOp::create(in, location, order, x[2], x[1]);
      return arith::SelectOp::create(in, location, counts, x[0], arith::ConstantOp::create(in, location, in.getF32FloatAttr(0)));
    });
    Value within = f.reduce(tile::Combine::Add, counted, chunkTokens, 1);
    auto add = [&](OpBuilder &in, ValueRange x) -> Value { return arith::AddFOp::create(in, location, x[0], x[1]); };
    f.store(f.map1({within, carried[0]}, chunkTokens, 1, f32, add), f.getOutput(0), {batch, start, head, zero});
    return {f.map1({f.reduce(tile::Combine::Add, load, 1, 1), carried[0]}, 1, 1, f32, add)};
  });
  f.finish(tile::TermAttr::get(b.getContext(), components, 1, 0, 1, 0, 1), double(chunkTokens) * 1024);
}

} // namespace caa
