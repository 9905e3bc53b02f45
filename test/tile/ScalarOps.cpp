// One line per op.
#include "test/tile/ScalarOps.h"

#include "dialect/Caa/CaaDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"

#include "llvm/Support/raw_ostream.h"

#include <bit>
#include <cmath>
#include <cstdlib>

using namespace mlir;

namespace caa::test {

/// The nearest number with 8 significant bits, ties to even.
static double roundToBf16(double value) {
  int exponent = 0;
  double fraction = std::frexp(value, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8);
}

double roundTo(Type type, double value) {
  return type.isF32() ? double(float(value)) : type.isBF16() ? roundToBf16(value) : value;
}

static double compare(arith::CmpIPredicate predicate, double a, double b) {
  using P = arith::CmpIPredicate;
  switch (predicate) {
  case P::eq: return a == b;
  case P::ne: return a != b;
  case P::slt: case P::ult: return a < b;
  case P::sle: case P::ule: return a <= b;
  case P::sgt: case P::ugt: return a > b;
  case P::sge: case P::uge: return a >= b;
  }
  std::abort();
}

static double compare(arith::CmpFPredicate predicate, double a, double b) {
  using P = arith::CmpFPredicate;
  bool unordered = std::isnan(a) || std::isnan(b);
  switch (predicate) {
  case P::OEQ: return !unordered && a == b;
  case P::UEQ: return unordered || a == b;
  case P::ONE: return !unordered && a != b;
  case P::UNE: return unordered || a != b;
  case P::OLT: return a < b;
  case P::ULT: return unordered || a < b;
  case P::OLE: return a <= b;
  case P::ULE: return unordered || a <= b;
  case P::OGT: return a > b;
  case P::UGT: return unordered || a > b;
  case P::OGE: return a >= b;
  case P::UGE: return unordered || a >= b;
  case P::ORD: return !unordered;
  case P::UNO: return unordered;
  case P::AlwaysTrue: return 1;
  case P::AlwaysFalse: return 0;
  }
  std::abort();
}

static double raw(Operation *op, const std::vector<double> &x) {
  Attribute constant;
  if (matchPattern(op, m_Constant(&constant))) {
    if (auto number = dyn_cast<FloatAttr>(constant))
      return number.getValueAsDouble();
    auto number = cast<IntegerAttr>(constant);
    return number.getType().isInteger(1) ? number.getValue().getBoolValue() : double(number.getValue().getSExtValue());
  }
  if (auto compared = dyn_cast<arith::CmpIOp>(op))
    return compare(compared.getPredicate(), x[0], x[1]);
  if (auto compared = dyn_cast<arith::CmpFOp>(op))
    return compare(compared.getPredicate(), x[0], x[1]);
  if (isa<arith::SelectOp>(op))
    return x[0] != 0 ? x[1] : x[2];
  if (isa<arith::AddFOp, arith::AddIOp>(op))
    return x[0] + x[1];
  if (isa<arith::SubFOp, arith::SubIOp>(op))
    return x[0] - x[1];
  if (isa<arith::MulFOp, arith::MulIOp>(op))
    return x[0] * x[1];
  if (isa<arith::DivFOp>(op))
    return x[0] / x[1];
  if (isa<arith::DivUIOp, arith::DivSIOp>(op))
    return std::trunc(x[0] / x[1]);
  if (isa<arith::CeilDivUIOp, arith::CeilDivSIOp>(op))
    return std::ceil(x[0] / x[1]);
  if (isa<arith::FloorDivSIOp>(op))
    return std::floor(x[0] / x[1]);
  if (isa<arith::RemUIOp, arith::RemSIOp>(op))
    return std::fmod(x[0], x[1]);
  if (isa<arith::AndIOp>(op))
    return double(int64_t(x[0]) & int64_t(x[1]));
  if (isa<arith::OrIOp>(op))
    return double(int64_t(x[0]) | int64_t(x[1]));
  if (isa<arith::XOrIOp>(op))
    return double(int64_t(x[0]) ^ int64_t(x[1]));
  if (isa<arith::MinSIOp, arith::MinUIOp, arith::MinimumFOp, arith::MinNumFOp>(op))
    return std::min(x[0], x[1]);
  if (isa<arith::MaxSIOp, arith::MaxUIOp, arith::MaximumFOp, arith::MaxNumFOp>(op))
    return std::max(x[0], x[1]);
  if (isa<arith::NegFOp>(op))
    return -x[0];
  if (isa<arith::FPToSIOp>(op))
    return std::trunc(x[0]);
  if (isa<arith::IndexCastOp, arith::SIToFPOp, arith::UIToFPOp, arith::ExtFOp, arith::TruncFOp, arith::ExtSIOp, arith::ExtUIOp,
          arith::TruncIOp>(op))
    return x[0];
  if (isa<math::ExpOp>(op))
    return std::exp(x[0]);
  if (isa<math::CosOp>(op))
    return std::cos(x[0]);
  if (isa<math::SinOp>(op))
    return std::sin(x[0]);
  if (isa<math::Log1pOp>(op))
    return std::log1p(x[0]);
  if (isa<math::LogOp>(op))
    return std::log(x[0]);
  if (isa<math::TanhOp>(op))
    return std::tanh(x[0]);
  if (isa<math::SqrtOp>(op))
    return std::sqrt(x[0]);
  if (isa<math::RsqrtOp>(op))
    return 1 / std::sqrt(x[0]);
  if (isa<math::SinOp>(op))
    return std::sin(x[0]);
  if (isa<math::CosOp>(op))
    return std::cos(x[0]);
  if (isa<math::FloorOp>(op))
    return std::floor(x[0]);
  if (isa<math::CeilOp>(op))
    return std::ceil(x[0]);
  if (isa<math::AbsFOp>(op))
    return std::fabs(x[0]);
  if (isa<RandomOp>(op)) {
    uint64_t h = 0;
    for (double integer : x) {
      h = (h ^ uint64_t(int64_t(integer))) + 0x9E3779B97F4A7C15ull;
      h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9ull;
      h = (h ^ (h >> 27)) * 0x94D049BB133111EBull;
      h ^= h >> 31;
    }
    return double(h >> 40) / 16777216.0;
  }
  if (isa<SigmoidOp>(op))
    return 1 / (1 + std::exp(-x[0]));
  if (isa<SoftplusOp>(op))
    return std::max(x[0], 0.0) + std::log1p(std::exp(-std::fabs(x[0])));
  if (isa<RoundBf16Op>(op) || (isa<arith::TruncFOp>(op) && op->getResult(0).getType().isBF16()))
    return roundToBf16(x[0]);
  if (isa<arith::BitcastOp>(op))
    return op->getOperand(0).getType().isF32() ? double(std::bit_cast<int32_t>(float(x[0])))
                                               : double(std::bit_cast<float>(int32_t(int64_t(x[0]))));
  if (isa<arith::ShRUIOp>(op))
    return double(uint32_t(int64_t(x[0])) >> int64_t(x[1]));
  if (isa<ClipOp>(op))
    return std::min(std::max(x[0], 0.0), 1.0);
  llvm::errs() << "the test's interpreter does not know " << op->getName() << "\n";
  std::abort();
}

double scalarOp(Operation *op, const std::vector<double> &operands, bool rounded) {
  double value = raw(op, operands);
  return rounded ? roundTo(op->getResult(0).getType(), value) : value;
}

} // namespace caa::test
