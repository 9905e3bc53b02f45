// Products by mma.sync: bf16 as they are, f32 as three products of tf32 parts. See PortableEmitter.h.
#include "codegen/Nvptx/Portable/PortableEmitter.h"

using namespace mlir;

namespace caa::nvptx {

PortableEmitter::Operand PortableEmitter::operandOf(Value value) {
  if (auto found = places.find(value); found != places.end())
    return {nullptr, found->second};
  return {&fragment(value), std::nullopt};
}

static Value part(ThreadCode &code, Value record, int64_t n) {
  return LLVM::ExtractValueOp::create(code.builder, code.loc, record, ArrayRef<int64_t>{n});
}

// c += a b of one 16x8 tile.
static void multiply(ThreadCode &code, StringRef name, ArrayRef<Value> a, ArrayRef<Value> b, MutableArrayRef<Value> c) {
  SmallVector<Value> operands(a);
  llvm::append_range(operands, b);
  llvm::append_range(operands, c);
  Type four = LLVM::LLVMStructType::getLiteral(code.builder.getContext(), SmallVector<Type>(4, code.f32));
  Value result = code.intrinsic(name, four, operands);
  for (int64_t n = 0; n < 4; ++n)
    c[n] = part(code, result, n);
}

static SmallVector<Value> loadMatrices(ThreadCode &code, Value base, int64_t offset, bool transposed) {
  std::string text = std::string("ldmatrix.sync.aligned.m8n8.x4") + (transposed ? ".trans" : "") +
                     ".shared.b16 {$0, $1, $2, $3}, [$4 + " + std::to_string(offset) + "];";
  return code.assembly(text, "=r,=r,=r,=r,r,~{memory}", {code.i32, code.i32, code.i32, code.i32}, base);
}

void PortableEmitter::multiplyBf16(const Operand &a, const Place &b, bool transposeB, int64_t depth, Fragment &sum) {
  int64_t strips = fragments.rows.strips, blocks = Fragments::blocksOf(sum.type.getColumns());
  Value lane = code.lane(), low = code.bitAnd(lane, code.word(15)), high = code.shiftRightUnsigned(lane, 4);
  // Where this lane's row of the matrices begins: rows lane % 16, columns 8 (lane / 16); of B^T rows lane % 8 + 8 (lane
  // / 16), columns 8 (lane / 8 % 2), so that a pair of registers is one block's.
  Value rowA, rowB;
  if (a.place)
    rowA =
        code.add(a.place->base, code.add(code.mul(code.add(fragments.firstRow, low), code.word(a.place->tile->pitch)),
                                         code.shiftLeft(high, 4)));
  if (transposeB) {
    Value row = code.bitOr(code.bitAnd(lane, code.word(7)), code.shiftLeft(high, 3));
    Value column = code.bitAnd(code.shiftRightUnsigned(lane, 3), code.word(1));
    rowB = code.add(code.mul(row, code.word(b.tile->pitch)), code.shiftLeft(column, 4));
  } else {
    rowB = code.add(code.mul(low, code.word(b.tile->pitch)), code.shiftLeft(high, 4));
  }
  rowB = code.add(b.base, rowB);
  std::optional<Fragment> pairs;
  if (a.fragment)
    pairs = fragments.packed(*a.fragment);
  for (int64_t k = 0; k < (depth + 15) / 16; ++k) {
    SmallVector<SmallVector<Value>> rows;
    for (int64_t strip = 0; strip < strips; ++strip) {
      if (a.place) {
        rows.push_back(
            loadMatrices(code, rowA, strip * fragments.rows.stripDistance * a.place->tile->pitch + 32 * k, false));
        continue;
      }
      auto at = [&](int64_t block, int64_t half) {
        return pairs->values[Fragments::pairIndex(pairs->type, strip, 2 * k + block, half, 0)];
      };
      rows.push_back({at(0, 0), at(0, 1), at(1, 0), at(1, 1)});
    }
    for (int64_t block = 0; block < blocks; block += 2) {
      int64_t offset = transposeB ? 8 * block * b.tile->pitch + 32 * k : 16 * k * b.tile->pitch + 16 * block;
      SmallVector<Value> columns = loadMatrices(code, rowB, offset, !transposeB);
      for (int64_t strip = 0; strip < strips; ++strip)
        for (int64_t n : {0, 1})
          multiply(code, "llvm.nvvm.mma.m16n8k16.row.col.bf16", rows[strip], ArrayRef(columns).slice(2 * n, 2),
                   MutableArrayRef(sum.values).slice(Fragments::pairIndex(sum.type, strip, block + n, 0, 0), 4));
    }
  }
}

namespace {
/// An f32 as the sum of two tf32 numbers (i32 registers); what is lost is 2^-22 of it.
struct Split {
  Value high, low;
};
} // namespace

static Split split(ThreadCode &code, Value x) {
  auto round = [&](Value value) { return code.assembly("cvt.rna.tf32.f32 $0, $1;", "=r,f", code.i32, value, false); };
  Value high = round(x);
  return {high, round(code.fsub(x, code.bitcast(high, code.f32)))};
}

// The order of the inner axis is free as long as A and B agree: a thread's two inner places are columns 2t and 2t + 1
// of a block, which is where an accumulator has them.
void PortableEmitter::multiplyF32(const Operand &a, const Place &b, bool transposeB, int64_t depth, Fragment &sum) {
  int64_t strips = fragments.rows.strips, blocks = Fragments::blocksOf(sum.type.getColumns());
  auto pointer = [&](Value base, Value row, Value column, int64_t pitch) {
    Value address = code.add(base, code.add(code.mul(row, code.word(pitch)), code.shiftLeft(column, 2)));
    return Value(LLVM::IntToPtrOp::create(code.builder, code.loc, code.sharedPointer, address));
  };
  auto pairAt = [&](Value start, int64_t bytes) {
    Value both = code.loadAs(code.vector(code.f32, 2), code.offset(start, bytes));
    return std::array<Value, 2>{code.emit::Code::lane(both, 0), code.emit::Code::lane(both, 1)};
  };
  Value startA = a.place ? pointer(a.place->base, code.add(fragments.firstRow, fragments.quad), fragments.pair,
                                   a.place->tile->pitch)
                         : Value();
  Value startB = transposeB ? pointer(b.base, fragments.quad, fragments.pair, b.tile->pitch)
                            : pointer(b.base, fragments.pair, fragments.quad, b.tile->pitch);
  for (int64_t k = 0; k < (depth + 15) / 16 * 2; ++k) { // 8 at a time
    SmallVector<SmallVector<Split>> rows;
    for (int64_t strip = 0; strip < strips; ++strip) {
      SmallVector<Value> values; // (half, column): rows g and g + 8, inner places t and t + 4
      for (int64_t half : {0, 1}) {
        if (a.place) {
          auto both = pairAt(startA, (strip * fragments.rows.stripDistance + 8 * half) * a.place->tile->pitch + 32 * k);
          values.append({both[0], both[1]});
        } else {
          values.append(
              {fragments.element(*a.fragment, strip, k, half, 0), fragments.element(*a.fragment, strip, k, half, 1)});
        }
      }
      SmallVector<Split> parts;
      for (int64_t n : {0, 2, 1, 3})
        parts.push_back(split(code, values[n]));
      rows.push_back(parts);
    }
    for (int64_t block = 0; block < blocks; ++block) {
      std::array<Value, 2> values;
      if (transposeB) {
        values = pairAt(startB, 8 * block * b.tile->pitch + 32 * k);
      } else {
        for (int64_t n : {0, 1})
          values[n] = code.loadAs(code.f32, code.offset(startB, (8 * k + n) * b.tile->pitch + 32 * block));
      }
      Split first = split(code, values[0]), second = split(code, values[1]);
      for (int64_t strip = 0; strip < strips; ++strip) {
        SmallVector<Value> high, low;
        for (const Split &one : rows[strip])
          high.push_back(one.high), low.push_back(one.low);
        auto c = MutableArrayRef(sum.values).slice(Fragments::pairIndex(sum.type, strip, block, 0, 0), 4);
        StringRef name = "llvm.nvvm.mma.m16n8k8.row.col.tf32";
        // A score must have the same bits with its operands' roles swapped (a ranking and its adjoint): the two small products
        // are added to each other first.
        auto small = [&](ArrayRef<Value> rowParts, ArrayRef<Value> columnParts) {
          SmallVector<Value> sums(4, code.real(0, code.f32));
          multiply(code, name, rowParts, columnParts, sums);
          return sums;
        };
        SmallVector<Value> one = small(low, {first.high, second.high}), other = small(high, {first.low, second.low});
        for (int64_t n = 0; n < 4; ++n)
          c[n] = code.fadd(c[n], code.fadd(one[n], other[n]));
        multiply(code, name, high, {first.high, second.high}, c);
      }
    }
  }
}

LogicalResult PortableEmitter::emitDot(tile::DotOp dot) {
  tile::TileType type = dot.getResult().getType();
  if (Fragments::shapeOf(type) != Fragments::Shape::Pair)
    return multiplyVector(dot);
  beforeReads();
  Operand a = operandOf(dot.getA()), b = operandOf(dot.getB());
  int64_t depth = dot.getA().getType().getColumns();
  if (dot.getTransposeA() || !b.place || type.getRows() != fragments.rows.present() || !type.getElement().isF32())
    return dot.emitError("a GPU kernel's product needs the held axis as rows, and its second operand from memory");
  Fragment sum = dot.getAccumulator() ? fragment(dot.getAccumulator()) : fragments.splat(type, code.real(0, code.f32));
  std::optional<Fragment> cleared; // rows of zeros of B make nothing of what may be no number in A
  if (a.fragment && depth % 16)
    a.fragment = &cleared.emplace(fragments.cleared(*a.fragment));
  if (b.place->tile->element.isBF16())
    multiplyBf16(a, *b.place, dot.getTransposeB(), depth, sum);
  else
    multiplyF32(a, *b.place, dot.getTransposeB(), depth, sum);
  set(dot.getResult(), std::move(sum));
  return success();
}

// A vector that a whole head shares, with every row of a tile: a quad shares each row.
LogicalResult PortableEmitter::multiplyVector(tile::DotOp dot) {
  beforeReads();
  bool isColumn = Fragments::shapeOf(dot.getResult().getType()) == Fragments::Shape::Column;
  Value many = isColumn ? dot.getA() : dot.getB(), one = isColumn ? dot.getB() : dot.getA();
  auto found = places.find(many);
  if (found == places.end() || dot.getTransposeA() || !dot.getTransposeB() || dot.getAccumulator() ||
      one.getType() != tile::TileType::get(dot.getContext(), 1, cast<tile::TileType>(many.getType()).getColumns(),
                                           cast<tile::TileType>(one.getType()).getElement()))
    return dot.emitError("a GPU kernel's product with a vector takes a tile from memory and one row");
  const SharedTile &tile = *found->second.tile;
  const Fragment &vector = fragment(one);
  Type element = registerType(tile.element);
  auto rowSum = [&](Value row) { // the same in all lanes of a quad
    Value start = code.add(found->second.base, code.add(code.mul(row, code.word(tile.pitch)),
                                                        code.mul(fragments.pair, code.word(bytesOf(element)))));
    Value pointer = LLVM::IntToPtrOp::create(code.builder, code.loc, code.sharedPointer, start), sum;
    for (int64_t block = 0; block < Fragments::blocksOf(tile.columns); ++block)
      for (int64_t column : {0, 1}) {
        Value value = code.extend(code.loadAs(element, code.address(pointer, element, 8 * block + column)));
        Value product = code.fmul(value, vector.values[2 * block + column]);
        sum = sum ? code.fadd(sum, product) : product;
      }
    for (int64_t mask : {1, 2})
      sum = code.fadd(sum, code.shuffleXor(sum, mask));
    return sum;
  };
  Fragment result{dot.getResult().getType(), {}};
  if (isColumn) {
    for (int64_t strip = 0; strip < fragments.rows.strips; ++strip)
      for (int64_t half : {0, 1})
        result.values.push_back(rowSum(fragments.rowOf(strip, half)));
  } else { // every quad does one column of a block
    for (int64_t block = 0; block < Fragments::blocksOf(result.type.getColumns()); ++block) {
      Value sum = rowSum(code.add(fragments.quad, code.word(8 * block)));
      for (int64_t column : {0, 1}) // of the lane whose quad it is
        result.values.push_back(code.shuffleFrom(sum, code.shiftLeft(code.add(fragments.pair, code.word(column)), 2)));
    }
  }
  set(dot.getResult(), std::move(result));
  return success();
}

} // namespace caa::nvptx
