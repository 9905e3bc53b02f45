// See FitTiles.h. The limits are what ptxas was seen to do without spilling, at 160 registers (three warpgroups) and 240 (two).
#include "passes/Lower/Attend/FitTiles.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace caa::attend {

std::optional<TileSizes> fitTiles(AttendOp attend) {
  int64_t scores = 0, operations = 0, conditions = 0, carried = 0, sums = 0, softmaxes = 0, words = 0, heldWords = 0, longest = 0;
  bool fits = true, holdsKeys = false;
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
    if (reduction.getKind() == ReductionKind::Kth)
      return std::nullopt;
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
  if (!fits || !scores)
    return std::nullopt;

  // Registers of a thread: sums, scores, packed weights; two softmaxes hold one more pair tile, long formulas another.
  auto registers = [&](int64_t columns) {
    int64_t count = carried + scores * columns / 2 + sums * columns / 4;
    if (softmaxes > 1)
      count += (softmaxes - 1) * (columns / 2 + 8);
    return operations > 16 ? count + columns / 2 : count;
  };
  int64_t swept = registers(64) <= 224 ? 64 : 32;
  if (longest > 128) // shared memory is the limit
    return TileSizes{64, swept};
  bool isSimple = operations <= 8 && softmaxes <= 1;
  if (isSimple && operations <= 3 && conditions <= 6 && words + heldWords == 0 && registers(128) <= 128)
    return TileSizes{192, 128};
  if (isSimple && registers(128) <= 176)
    return TileSizes{128, 128};
  // One sum alone is pipelined: the scores of two visits are alive at a time.
  if (isSimple && registers(64) <= (sums > 1 ? 160 : 136) && words <= 2 && heldWords <= 2)
    return TileSizes{192, 64};
  return TileSizes{128, swept};
}

} // namespace caa::attend
