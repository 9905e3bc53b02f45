// See Narrow.h. Vectors of i64 are twice as many, and AVX2 has few instructions for them; index arithmetic of masks never
// needs them.
#include "codegen/Cpu/Narrow.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace caa::cpu {

namespace {

struct Interval {
  double low, high; // exact for the products of two 32-bit integers
  bool fits() const { return low >= -2147483648.0 && high <= 2147483647.0; }
};
constexpr double position = 536870912.0;

bool isWide(Type type) { return type.isInteger(64) || type.isIndex(); }

// Scalars made of positions, lengths and constants alone.
bool isPositional(Value value, int depth = 0) {
  if (depth > 12)
    return false;
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    Operation *parent = argument.getOwner()->getParentOp();
    return argument.getArgNumber() == 0 && isa<tile::SweepOp, scf::ForOp>(parent);
  }
  Operation *op = value.getDefiningOp();
  if (isa<tile::ItemOp, tile::ExtentOp>(op))
    return true;
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto number = dyn_cast<IntegerAttr>(constant.getValue());
    return number && std::abs(double(number.getInt())) < position;
  }
  if (!isa<arith::AddIOp, arith::SubIOp, arith::MulIOp, arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp,
           arith::CeilDivSIOp, arith::FloorDivSIOp, arith::MaxSIOp, arith::MinSIOp, arith::IndexCastOp, arith::SelectOp>(op))
    return false;
  return llvm::all_of(op->getOperands(), [&](Value operand) { return !isWide(operand.getType()) || isPositional(operand, depth + 1); });
}

std::optional<Interval> rangeOf(Operation *op, function_ref<std::optional<Interval>(Value)> range) {
  auto in = [&](unsigned n) { return range(op->getOperand(n)); };
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto number = dyn_cast<IntegerAttr>(constant.getValue());
    return number ? std::optional<Interval>({double(number.getInt()), double(number.getInt())}) : std::nullopt;
  }
  if (auto extend = dyn_cast<arith::ExtSIOp>(op)) {
    unsigned bits = extend.getIn().getType().getIntOrFloatBitWidth();
    return bits <= 32 ? std::optional<Interval>({-2147483648.0, 2147483647.0}) : std::nullopt;
  }
  if (auto extend = dyn_cast<arith::ExtUIOp>(op)) {
    unsigned bits = extend.getIn().getType().getIntOrFloatBitWidth();
    return bits < 32 ? std::optional<Interval>({0, double((uint64_t(1) << bits) - 1)}) : std::nullopt;
  }
  if (isa<arith::IndexCastOp>(op))
    return in(0);
  if (op->getNumOperands() < 2)
    return std::nullopt;
  if (isa<arith::SelectOp>(op)) {
    auto a = in(1), b = in(2);
    return a && b ? std::optional<Interval>({std::min(a->low, b->low), std::max(a->high, b->high)}) : std::nullopt;
  }
  auto a = in(0), b = in(1);
  if (!a || !b)
    return std::nullopt;
  if (isa<arith::AddIOp>(op))
    return Interval{a->low + b->low, a->high + b->high};
  if (isa<arith::SubIOp>(op))
    return Interval{a->low - b->high, a->high - b->low};
  if (isa<arith::MulIOp>(op)) {
    double corners[] = {a->low * b->low, a->low * b->high, a->high * b->low, a->high * b->high};
    return Interval{*std::min_element(corners, corners + 4), *std::max_element(corners, corners + 4)};
  }
  if (isa<arith::MaxSIOp, arith::MinSIOp>(op))
    return Interval{std::min(a->low, b->low), std::max(a->high, b->high)};
  if (isa<arith::DivSIOp, arith::FloorDivSIOp, arith::RemSIOp>(op)) {
    double most = std::max(std::abs(a->low), std::abs(a->high)) + 1;
    return Interval{-most, most};
  }
  return std::nullopt;
}

} // namespace

bool mayNarrow(tile::MapOp map) {
  Block &body = map.getBody().front();
  DenseMap<Value, Interval> known;
  for (auto [operand, argument] : llvm::zip(map.getOperands(), body.getArguments())) {
    if (!isWide(argument.getType()))
      continue;
    Value start = operand;
    if (auto iota = operand.getDefiningOp<tile::IotaOp>())
      start = iota.getStart();
    else if (auto splat = operand.getDefiningOp<tile::SplatOp>())
      start = splat.getValue();
    else if (isa<tile::TileType>(operand.getType()))
      return false;
    if (!isPositional(start))
      return false;
    known[argument] = {-position, position};
  }
  auto range = [&](Value value) -> std::optional<Interval> {
    if (auto found = known.find(value); found != known.end())
      return found->second;
    if (value.getParentBlock() == &body || !isWide(value.getType()))
      return std::nullopt;
    if (auto constant = value.getDefiningOp<arith::ConstantOp>())
      return rangeOf(constant, [](Value) { return std::nullopt; });
    return isPositional(value) ? std::optional<Interval>({-position, position}) : std::nullopt;
  };
  for (Operation &op : body.without_terminator()) {
    // Captured wide values must be narrow too.
    for (Value operand : op.getOperands())
      if (isWide(operand.getType())) {
        auto interval = range(operand);
        if (!interval || !interval->fits())
          return false;
      }
    for (Value result : op.getResults())
      if (isWide(result.getType())) {
        auto interval = rangeOf(&op, range);
        if (!interval || !interval->fits())
          return false;
        known[result] = *interval;
      }
  }
  return llvm::none_of(body.getTerminator()->getOperands(), [](Value value) { return isWide(value.getType()); });
}

} // namespace caa::cpu
