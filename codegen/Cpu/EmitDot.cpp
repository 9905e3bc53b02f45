// Products of tiles: outer products in registers.
//
// A block of the result, a few rows by a few vectors, stays in registers while k runs; in each step a few vectors of one
// operand meet scalars of the other, which may lie with any strides. If the result lies by columns, the operands change
// roles. Every element is one chain of fused multiply-adds in the order of k, from 0 or from the accumulator: the same
// numbers in either role, in every kernel and for every vector length.
#include "codegen/Cpu/KernelEmitter.h"

using namespace mlir;

namespace caa::cpu {

namespace {

/// An operand as the product sees it: element (x, k), x an axis of the result.
struct Operand {
  Place place;
  Value strideX, strideK;
};

struct Blocking {
  int64_t rows, vectors;
};

} // namespace

class DotEmitter {
public:
  DotEmitter(KernelEmitter &kernel, tile::DotOp dot) : kernel(kernel), code(kernel.code), dot(dot) {}
  void run();

private:
  Operand operand(Value value, bool transposed, bool isA, std::optional<Layout> wanted);
  void runColumns(Value first, ArrayRef<int64_t> widths);
  void runBlock(Value row, int64_t rows, Value column, ArrayRef<int64_t> widths);
  Value at(const Operand &operand, Value x, Value k);

  KernelEmitter &kernel;
  Code &code;
  tile::DotOp dot;
  Operand scalars, vectors;
  Place result;
  std::optional<Place> accumulator;
  int64_t rows = 0, columns = 0, inner = 0;
  Blocking blocking{};
};

void KernelEmitter::emitDot(tile::DotOp dot) { DotEmitter(*this, dot).run(); }

// A is (x, k) or, transposed, (k, x); B is (k, x) or, transposed, (x, k).
Operand DotEmitter::operand(Value value, bool transposed, bool isA, std::optional<Layout> wanted) {
  Place place = kernel.placeOf(value, wanted);
  bool xIsRow = isA != transposed;
  bool rowIsOuter = place.layout == Layout::Rows;
  Value outer = kernel.strideOf(place), one = code.index(1);
  return {place, xIsRow == rowIsOuter ? outer : one, xIsRow == rowIsOuter ? one : outer};
}

static bool isZeroSplat(Value value) {
  auto splat = value.getDefiningOp<tile::SplatOp>();
  return splat && matchPattern(splat.getValue(), m_AnyZeroFloat());
}

void DotEmitter::run() {
  tile::TileType type = dot.getResult().getType();
  Layout layout = kernel.plan.layouts.of(dot.getResult());
  rows = outerOf(type, layout), columns = innerOf(type, layout);
  inner = dot.getTransposeA() ? dot.getA().getType().getRows() : dot.getA().getType().getColumns();
  Operand a = operand(dot.getA(), dot.getTransposeA(), true, kernel.plan.layouts.required(dot->getOpOperand(0)));
  Operand b = operand(dot.getB(), dot.getTransposeB(), false, kernel.plan.layouts.required(dot->getOpOperand(1)));
  scalars = layout == Layout::Rows ? a : b;
  vectors = layout == Layout::Rows ? b : a;
  result = kernel.placeOf(dot.getResult());
  if (dot.getAccumulator() && !isZeroSplat(dot.getAccumulator()))
    accumulator = kernel.placeOf(dot.getAccumulator(), layout);

  int64_t lanes = code.target.lanes(), whole = columns / lanes, tail = columns % lanes;
  blocking = code.target.isAvx512() ? Blocking{4, 4} : Blocking{6, 2};
  if (code.target.isAvx512() && whole + (tail > 0) <= 2)
    blocking = {8, 2};
  int64_t runs = whole / blocking.vectors;
  SmallVector<int64_t> full(blocking.vectors, lanes);
  code.loop(0, runs * blocking.vectors * lanes, blocking.vectors * lanes, [&](Value column) { runColumns(column, full); });
  SmallVector<int64_t> rest(whole % blocking.vectors, lanes);
  if (tail)
    rest.push_back(tail);
  if (!rest.empty())
    runColumns(code.index(runs * blocking.vectors * lanes), rest);
}

void DotEmitter::runColumns(Value first, ArrayRef<int64_t> widths) {
  int64_t step = blocking.rows, whole = rows / step * step;
  code.loop(0, whole, step, [&](Value row) { runBlock(row, step, first, widths); });
  if (rows > whole)
    runBlock(code.index(whole), rows - whole, first, widths);
}

Value DotEmitter::at(const Operand &operand, Value x, Value k) {
  Value offset = code.add(code.mul(x, operand.strideX), code.mul(k, operand.strideK));
  return code.address(operand.place.base, operand.place.element, offset);
}

void DotEmitter::runBlock(Value row, int64_t count, Value column, ArrayRef<int64_t> widths) {
  Type f32 = code.f32;
  SmallVector<Value> starts; // of the vectors of a row
  int64_t offset = 0;
  SmallVector<int64_t> offsets;
  for (int64_t width : widths) {
    offsets.push_back(offset);
    offset += width;
  }
  auto target = [&](const Place &place, int64_t r, size_t v) {
    return kernel.elementAddress(place, code.add(row, code.index(r)), code.add(column, code.index(offsets[v])));
  };
  SmallVector<Value> sums;
  for (int64_t r = 0; r < count; ++r)
    for (auto [v, width] : llvm::enumerate(widths))
      sums.push_back(accumulator ? code.load(target(*accumulator, r, v), f32, width) : code.real(0, code.vector(f32, width)));

  // Rows of the scalar operand: their starts are kept, what k adds is shared.
  SmallVector<Value> rowStarts;
  for (int64_t r = 0; r < count; ++r)
    rowStarts.push_back(at(scalars, code.add(row, code.index(r)), code.index(0)));
  Value vectorStart = at(vectors, column, code.index(0));
  auto multiply = [&](Value k, SmallVector<Value> carried) {
    Value vectorOffset = code.mul(k, vectors.strideK), scalarOffset = code.mul(k, scalars.strideK);
    Value base = code.address(vectorStart, f32, vectorOffset);
    SmallVector<Value> loaded;
    for (auto [v, width] : llvm::enumerate(widths))
      loaded.push_back(code.load(code.address(base, f32, offsets[v]), f32, width));
    for (int64_t r = 0; r < count; ++r) {
      Value scalar = code.load(code.address(rowStarts[r], f32, scalarOffset), f32, 1);
      for (auto [v, width] : llvm::enumerate(widths)) {
        Value &sum = carried[size_t(r) * widths.size() + v];
        sum = code.fma(code.splat(scalar, width), loaded[v], sum);
      }
    }
    return carried;
  };
  constexpr int64_t unroll = 4;
  int64_t whole = inner / unroll * unroll;
  sums = code.loop(code.index(0), code.index(whole), unroll, sums, [&](Value k, ValueRange carried) {
    SmallVector<Value> next(carried);
    for (int64_t u = 0; u < unroll; ++u)
      next = multiply(code.add(k, code.index(u)), next);
    return next;
  });
  for (int64_t k = whole; k < inner; ++k)
    sums = multiply(code.index(k), sums);
  for (int64_t r = 0; r < count; ++r)
    for (size_t v = 0; v < widths.size(); ++v)
      code.store(sums[size_t(r) * widths.size() + v], target(result, r, v));
}

} // namespace caa::cpu
