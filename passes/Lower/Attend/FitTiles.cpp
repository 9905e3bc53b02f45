// See FitTiles.h. The limits are what ptxas was seen to do without spilling: at 160 registers (three warpgroups) and 240 (two), and at
// 255 (four or eight warps).
#include "passes/Lower/Attend/FitTiles.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace caa::attend {

namespace {
/// What tile sizes depend on.
struct Needs {
  int64_t scores = 0, operations = 0, conditions = 0, carried = 0, sums = 0, softmaxes = 0, words = 0, heldWords = 0, longest = 0;
  bool fits = true;      ///< all products are of bf16 vectors of a multiple of 16
  bool holdsKeys = false, ranks = false;

  explicit Needs(AttendOp attend);
  /// Registers of a thread for so many columns, 16 rows for each warp: sums, scores, packed weights; two softmaxes hold one more
  /// pair tile, long formulas another.
  int64_t registers(int64_t columns) const {
    int64_t count = carried + scores * columns / 2 + sums * columns / 4;
    if (softmaxes > 1)
      count += (softmaxes - 1) * (columns / 2 + 8);
    return operations > 16 ? count + columns / 2 : count;
  }
};
} // namespace

Needs::Needs(AttendOp attend) {
  for (Operation &op : attend.getBody().front()) {
    if (auto dot = dyn_cast<DotOp>(op)) {
      auto type = cast<VectorType>(dot.getQuery().getType());
      fits &= type.getElementType().isBF16() && type.getDimSize(0) % 16 == 0;
      longest = std::max(longest, type.getDimSize(0));
      ++scores;
    } else if (op.getNumResults() == 1 && isa<FloatType>(op.getResult(0).getType()) && !isa<arith::ConstantOp, arith::SelectOp>(op)) {
      ++operations;
    } else if (op.getNumResults() == 1 && op.getResult(0).getType().isIntOrIndex() && !isa<arith::ConstantOp>(op)) {
      ++conditions;
    }
  }
  for (ReductionAttr reduction : attend.getReductionList()) {
    bool overKeys = reduction.getAxis() == Axis::Keys;
    holdsKeys |= !overKeys;
    softmaxes += reduction.getKind() == ReductionKind::Softmax;
    ranks |= reduction.getKind() == ReductionKind::Kth;
    if (reduction.getValue() < 0)
      continue;
    Value argument = overKeys ? attend.getKeyArgument(unsigned(reduction.getValue())) : attend.getQueryArgument(unsigned(reduction.getValue()));
    auto vector = dyn_cast<VectorType>(argument.getType());
    int64_t width = vector ? vector.getDimSize(0) : 1;
    carried += (width + 1) / 2;
    sums += width > 1;
  }
  auto isWord = [](Value operand) { return cast<RankedTensorType>(operand.getType()).getShape().back() == 1; };
  words = llvm::count_if(holdsKeys ? attend.getQueries() : attend.getKeys(), isWord);
  heldWords = llvm::count_if(holdsKeys ? attend.getKeys() : attend.getQueries(), isWord);
}

std::optional<TileSizes> fitTiles(AttendOp attend) {
  Needs needs(attend);
  if (!needs.fits || !needs.scores || needs.ranks)
    return std::nullopt;
  int64_t swept = needs.registers(64) <= 224 ? 64 : 32;
  if (needs.longest > 128) // shared memory is the limit
    return TileSizes{64, swept};
  bool isSimple = needs.operations <= 8 && needs.softmaxes <= 1;
  if (isSimple && needs.operations <= 3 && needs.conditions <= 6 && needs.words + needs.heldWords == 0 && needs.registers(128) <= 128)
    return TileSizes{192, 128};
  if (isSimple && needs.registers(128) <= 176)
    return TileSizes{128, 128};
  // One sum alone is pipelined: the scores of two visits are alive at a time.
  if (isSimple && needs.registers(64) <= (needs.sums > 1 ? 160 : 136) && needs.words <= 2 && needs.heldWords <= 2)
    return TileSizes{192, 64};
  return TileSizes{128, swept};
}

/// Bytes of shared memory of one token of `tokens`: rows of 16-byte chunks, an odd number of them; words as they are.
static int64_t bytesPerToken(ValueRange tokens) {
  llvm::SmallDenseSet<Value> seen;
  int64_t bytes = 0;
  for (Value operand : tokens) {
    auto type = cast<RankedTensorType>(operand.getType());
    int64_t size = std::max<int64_t>(type.getElementTypeBitWidth() / 8, 1), width = type.getShape().back();
    if (seen.insert(operand).second)
      bytes += width == 1 ? size : ((llvm::alignTo(width, 16) * size / 16) | 1) * 16;
  }
  return bytes;
}

TileSizes fitBlock(AttendOp attend, TileSizes most, int64_t bytes) {
  Needs needs(attend);
  int64_t perHeld = bytesPerToken(needs.holdsKeys ? attend.getKeys() : attend.getQueries()),
          perSwept = bytesPerToken(needs.holdsKeys ? attend.getQueries() : attend.getKeys());
  constexpr int64_t listBytes = 4 * 4 * 49;  // of a ranked row: codegen/Nvptx/Fragments/Ranking.h, a capacity of 48
  constexpr int64_t exchangeBytes = 512;     // of reductions over warps
  constexpr int64_t mostRegisters = 192;     // beside addresses, maxima and operands of products
  if (needs.ranks)
    perHeld += listBytes;
  TileSizes smallest{};
  for (auto [held, swept] : {TileSizes{128, 64}, TileSizes{128, 32}, TileSizes{64, 64}, TileSizes{64, 32}, TileSizes{64, 16},
                             TileSizes{32, 32}, TileSizes{32, 16}, TileSizes{16, 16}}) {
    if (held > most.held || swept > most.swept)
      continue;
    smallest = {held, swept};
    if (held * perHeld + 2 * swept * perSwept + exchangeBytes <= bytes && (swept == 16 || needs.registers(swept) <= mostRegisters))
      return smallest;
  }
  return smallest;
}

} // namespace caa::attend
