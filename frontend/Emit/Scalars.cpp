// Scalar functions, op by op. Kinks are written so that slopes come out as the language says: `max`, `min` and `where` by
// select (the side not taken gives nothing), `soft` by caa.clip.
#include "frontend/Emit/Scalars.h"

namespace caa {

using namespace mlir;

using MValue = mlir::Value;

Type Scalars::type(MLIRContext *context, Elem elem) {
  switch (elem) {
  case Elem::Bool:
    return IntegerType::get(context, 1);
  case Elem::Int:
    return IntegerType::get(context, 64);
  case Elem::Float:
    return Float64Type::get(context);
  default:
    return Float32Type::get(context);
  }
}

MValue Scalars::number(const Number &value, Type type) {
  if (isa<FloatType>(type))
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(type, value.asReal()));
  return arith::ConstantOp::create(b, loc, b.getIntegerAttr(type, value.asInteger()));
}

MValue Scalars::select(MValue c, MValue x, MValue y) { return arith::SelectOp::create(b, loc, c, x, y); }

MValue Scalars::convert(MValue value, Type to) {
  Type from = value.getType();
  if (from == to)
    return value;
  if (auto integer = dyn_cast<IntegerType>(from)) {
    if (isa<FloatType>(to)) {
      if (integer.getWidth() == 1)
        return arith::UIToFPOp::create(b, loc, to, value);
      return arith::SIToFPOp::create(b, loc, to, value);
    }
    return integer.getWidth() < to.getIntOrFloatBitWidth() ? MValue(arith::ExtSIOp::create(b, loc, to, value))
                                                          : MValue(arith::TruncIOp::create(b, loc, to, value));
  }
  if (isa<IntegerType>(to))
    return arith::FPToSIOp::create(b, loc, to, value);
  return from.getIntOrFloatBitWidth() < to.getIntOrFloatBitWidth() ? MValue(arith::ExtFOp::create(b, loc, to, value))
                                                                   : MValue(arith::TruncFOp::create(b, loc, to, value));
}

MValue Scalars::convert(const Operand &operand, Type to) {
  return operand.value ? convert(operand.value, to) : number(*operand.constant, to);
}

MValue Scalars::meet(MValue a, MValue b2) {
  if (!a || !b2)
    return a ? a : b2;
  bool aHard = a.getType().isInteger(1), bHard = b2.getType().isInteger(1);
  if (aHard && bHard)
    return arith::AndIOp::create(b, loc, a, b2);
  if (!aHard && !bHard)
    return arith::MulFOp::create(b, loc, a, b2);
  MValue hard = aHard ? a : b2, soft = aHard ? b2 : a;
  return select(hard, soft, real(0, soft.getType()));
}

MValue Scalars::logic(Fn fn, ArrayRef<Operand> operands, Elem elem) {
  Type bit = b.getI1Type();
  auto at = [&](size_t k) { return operands[k].value ? operands[k].value : number(*operands[k].constant, bit); };
  if (elem == Elem::Bool) {
    if (fn == Fn::Not)
      return arith::XOrIOp::create(b, loc, at(0), number(Number(1), bit));
    if (fn == Fn::And)
      return arith::AndIOp::create(b, loc, at(0), at(1));
    return arith::OrIOp::create(b, loc, at(0), at(1));
  }
  // Soft: a & b is ab, a | b is a + b - ab, !a is 1 - a; a hard side chooses.
  if (fn == Fn::And)
    return meet(at(0), at(1));
  Type f32 = b.getF32Type();
  if (fn == Fn::Not)
    return arith::SubFOp::create(b, loc, real(1, f32), at(0));
  MValue x = at(0), y = at(1);
  if (x.getType() == bit)
    return select(x, real(1, f32), y);
  if (y.getType() == bit)
    return select(y, real(1, f32), x);
  MValue sum = arith::AddFOp::create(b, loc, x, y);
  return arith::SubFOp::create(b, loc, sum, arith::MulFOp::create(b, loc, x, y));
}

MValue Scalars::compare(Fn fn, MValue x, MValue y) {
  if (isa<FloatType>(x.getType())) {
    using P = arith::CmpFPredicate;
    static const std::map<Fn, P> predicates = {{Fn::Lt, P::OLT}, {Fn::Le, P::OLE}, {Fn::Gt, P::OGT},
                                               {Fn::Ge, P::OGE}, {Fn::Eq, P::OEQ}, {Fn::Ne, P::UNE}};
    return arith::CmpFOp::create(b, loc, predicates.at(fn), x, y);
  }
  using P = arith::CmpIPredicate;
  static const std::map<Fn, P> predicates = {{Fn::Lt, P::slt}, {Fn::Le, P::sle}, {Fn::Gt, P::sgt},
                                             {Fn::Ge, P::sge}, {Fn::Eq, P::eq},  {Fn::Ne, P::ne}};
  return arith::CmpIOp::create(b, loc, predicates.at(fn), x, y);
}

MValue Scalars::apply(Fn fn, ArrayRef<Operand> operands, Elem elem) {
  if (fn == Fn::And || fn == Fn::Or || fn == Fn::Not)
    return logic(fn, operands, elem);
  MLIRContext *context = b.getContext();
  Type type = Scalars::type(context, elem);
  if (fn >= Fn::Lt && fn <= Fn::Ne) {
    // The common type of both sides: exact as long as both are.
    auto rank = [&](const Operand &o) {
      if (o.constant)
        return o.constant->isWhole() ? 0 : 1;
      Type t = o.value.getType();
      return t.isF32() ? 2 : t.isF64() ? 1 : t.isInteger(1) ? -1 : 0;
    };
    int most = std::max(rank(operands[0]), rank(operands[1]));
    Type common = most < 0   ? Type(b.getI1Type())
                  : most == 0 ? Type(b.getI64Type())
                  : most == 1 ? Type(b.getF64Type())
                              : Type(b.getF32Type());
    if ((rank(operands[0]) < 0 || rank(operands[1]) < 0))
      common = b.getI1Type();
    return compare(fn, convert(operands[0], common), convert(operands[1], common));
  }
  if (fn == Fn::Random) {
    SmallVector<MValue> integers;
    for (const Operand &operand : operands)
      integers.push_back(convert(operand, b.getI64Type()));
    return convert(RandomOp::create(b, loc, b.getF32Type(), integers), type);
  }
  if (fn == Fn::Where)
    return select(convert(operands[0], b.getI1Type()), convert(operands[1], type), convert(operands[2], type));
  if (fn == Fn::Convert || fn == Fn::Stop)
    return convert(operands[0], type);
  if ((fn == Fn::Floor || fn == Fn::Ceil) && isa<IntegerType>(type)) {
    if (operands[0].value && isa<IntegerType>(operands[0].value.getType()))
      return convert(operands[0], type);
    return convert(function(fn, convert(operands[0], b.getF64Type()), {}), type);
  }
  MValue x = convert(operands[0], type);
  MValue y = operands.size() > 1 ? convert(operands[1], type) : MValue();
  if (isa<IntegerType>(type)) {
    bool safe = operands.size() > 1 && operands[1].constant && operands[1].constant->asInteger() > 0;
    if (fn == Fn::Pow) { // a constant exponent
      MValue result = number(Number(1), type);
      for (int64_t k = 0; k < operands[1].constant->asInteger() && k < 64; ++k)
        result = arith::MulIOp::create(b, loc, result, x);
      return result;
    }
    return integerArithmetic(fn, x, y, safe);
  }
  if (fn == Fn::Pow)
    return power(x, y, operands[1]);
  return arithmetic(fn, x, y, nullptr);
}

MValue Scalars::integerArithmetic(Fn fn, MValue x, MValue y, bool safe) {
  Type type = x.getType();
  auto divisor = [&] { // a division by zero must not trap
    if (safe)
      return y;
    MValue zero = number(Number(0), type);
    MValue isZero = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, y, zero);
    return select(isZero, number(Number(1), type), y);
  };
  switch (fn) {
  case Fn::Add:
    return arith::AddIOp::create(b, loc, x, y);
  case Fn::Sub:
    return arith::SubIOp::create(b, loc, x, y);
  case Fn::Mul:
    return arith::MulIOp::create(b, loc, x, y);
  case Fn::FloorDiv:
    return arith::FloorDivSIOp::create(b, loc, x, divisor());
  case Fn::Rem: {
    MValue d = divisor();
    MValue q = arith::FloorDivSIOp::create(b, loc, x, d);
    return arith::SubIOp::create(b, loc, x, arith::MulIOp::create(b, loc, q, d));
  }
  case Fn::Neg:
    return arith::SubIOp::create(b, loc, number(Number(0), type), x);
  case Fn::Min:
    return arith::MinSIOp::create(b, loc, x, y);
  case Fn::Max:
    return arith::MaxSIOp::create(b, loc, x, y);
  case Fn::Relu:
    return arith::MaxSIOp::create(b, loc, x, number(Number(0), type));
  case Fn::Abs:
    return arith::MaxSIOp::create(b, loc, x, arith::SubIOp::create(b, loc, number(Number(0), type), x));
  default:
    return x;
  }
}

MValue Scalars::power(MValue x, MValue y, const Operand &exponent) {
  Type type = x.getType();
  if (exponent.constant) {
    double e = exponent.constant->asReal();
    if (e == 0)
      return real(1, type);
    if (e == 0.5)
      return function(Fn::Sqrt, x, {});
    if (exponent.constant->isWhole() && std::abs(e) <= 8) {
      MValue product = x;
      for (int k = 1; k < std::abs(static_cast<int>(e)); ++k)
        product = arith::MulFOp::create(b, loc, product, x);
      return e > 0 ? product : MValue(arith::DivFOp::create(b, loc, real(1, type), product));
    }
  }
  return math::PowFOp::create(b, loc, x, y);
}

MValue Scalars::arithmetic(Fn fn, MValue x, MValue y, const Operand *) {
  switch (fn) {
  case Fn::Add:
    return arith::AddFOp::create(b, loc, x, y);
  case Fn::Sub:
    return arith::SubFOp::create(b, loc, x, y);
  case Fn::Mul:
    return arith::MulFOp::create(b, loc, x, y);
  case Fn::Div:
    return arith::DivFOp::create(b, loc, x, y);
  case Fn::FloorDiv:
    return math::FloorOp::create(b, loc, arith::DivFOp::create(b, loc, x, y));
  case Fn::Rem: {
    MValue q = math::FloorOp::create(b, loc, arith::DivFOp::create(b, loc, x, y));
    return arith::SubFOp::create(b, loc, x, arith::MulFOp::create(b, loc, y, q));
  }
  case Fn::Neg:
    return arith::NegFOp::create(b, loc, x);
  case Fn::Min: // a tie follows the first
    return select(arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, y, x), y, x);
  case Fn::Max:
    return select(arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, y, x), y, x);
  default:
    return function(fn, x, y);
  }
}

MValue Scalars::function(Fn fn, MValue x, MValue y) {
  Type type = x.getType();
  auto positive = [&] { return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, real(0, type)).getResult(); };
  switch (fn) {
  case Fn::Exp:
    return math::ExpOp::create(b, loc, x);
  case Fn::Log:
    return math::LogOp::create(b, loc, x);
  case Fn::Log2:
    return arith::MulFOp::create(b, loc, math::LogOp::create(b, loc, x), real(1.4426950408889634, type));
  case Fn::Sqrt:
    return math::SqrtOp::create(b, loc, x);
  case Fn::Abs: // slope 0 at 0
    return select(positive(), x,
                  select(arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, real(0, type)),
                         arith::NegFOp::create(b, loc, x), real(0, type)));
  case Fn::Floor:
    return math::FloorOp::create(b, loc, x);
  case Fn::Ceil:
    return math::CeilOp::create(b, loc, x);
  case Fn::Sigmoid:
    return SigmoidOp::create(b, loc, type, x);
  case Fn::LogSigmoid:
    return arith::NegFOp::create(b, loc, SoftplusOp::create(b, loc, type, arith::NegFOp::create(b, loc, x)));
  case Fn::Silu:
    return arith::MulFOp::create(b, loc, x, SigmoidOp::create(b, loc, type, x));
  case Fn::Gelu: { // x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
    MValue square = arith::MulFOp::create(b, loc, x, x);
    MValue cube = arith::MulFOp::create(b, loc, square, x);
    MValue inner = arith::AddFOp::create(b, loc, x, arith::MulFOp::create(b, loc, cube, real(0.044715, type)));
    MValue tanh = math::TanhOp::create(b, loc, arith::MulFOp::create(b, loc, inner, real(0.7978845608028654, type)));
    MValue half = arith::MulFOp::create(b, loc, x, real(0.5, type));
    return arith::MulFOp::create(b, loc, half, arith::AddFOp::create(b, loc, tanh, real(1, type)));
  }
  case Fn::Relu:
    return select(positive(), x, real(0, type));
  case Fn::Elu: { // e^x - 1 below 0; its argument is kept from growing where it is not taken
    MValue isPositive = positive();
    MValue below = select(isPositive, real(0, type), x);
    MValue grown = arith::SubFOp::create(b, loc, math::ExpOp::create(b, loc, below), real(1, type));
    return select(isPositive, x, grown);
  }
  case Fn::Tanh:
    return math::TanhOp::create(b, loc, x);
  case Fn::Softplus:
    return SoftplusOp::create(b, loc, type, x);
  case Fn::Softcap:
    return arith::MulFOp::create(b, loc, y, math::TanhOp::create(b, loc, arith::DivFOp::create(b, loc, x, y)));
  case Fn::Clip:
    return ClipOp::create(b, loc, type, x);
  default:
    return x;
  }
}

} // namespace caa
