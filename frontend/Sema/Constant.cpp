// Exact arithmetic on constants.
#include "frontend/Sema/Constant.h"
#include "frontend/Syntax/Syntax.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>

namespace caa {

Number Number::of(double value) {
  if (std::isfinite(value) && value == std::floor(value) && std::fabs(value) < 9.2e18 &&
      !(value == 0 && std::signbit(value)))
    return Number(static_cast<int64_t>(value));
  Number n;
  n.whole = false;
  n.real = value;
  return n;
}

bool Number::isFinite() const { return std::isfinite(real); }

std::string Number::str() const {
  if (whole)
    return std::to_string(integer);
  for (int digits = 6; digits <= 17; ++digits) { // the shortest form that reads back as the same number
    char buffer[40];
    std::snprintf(buffer, sizeof buffer, "%.*g", digits, real);
    if (std::strtod(buffer, nullptr) == real)
      return buffer;
  }
  return std::to_string(real);
}

const Constant *Record::field(const std::string &name) const {
  for (const auto &[key, value] : fields)
    if (key == name)
      return &value;
  return nullptr;
}

std::string Constant::kind() const {
  if (number())
    return "a number";
  if (truth())
    return "a truth value";
  if (word())
    return "a word";
  if (list())
    return "a list";
  if (auto *r = record())
    return "`" + r->name + "(...)`";
  return "an attention";
}

std::string Constant::str() const {
  if (auto *n = number())
    return n->str();
  if (auto *t = truth())
    return *t ? "true" : "false";
  if (auto *w = word())
    return w->text;
  if (auto *l = list()) {
    std::string out = "[";
    for (size_t k = 0; k < l->size(); ++k)
      out += (k ? ", " : "") + (*l)[k].str();
    return out + "]";
  }
  if (auto *r = record()) {
    std::string out = r->name + "(";
    for (size_t k = 0; k < r->fields.size(); ++k)
      out += (k ? ", " : "") + r->fields[k].first + " = " + r->fields[k].second.str();
    return out + ")";
  }
  return attention() ? attention()->name.text : "";
}

namespace {

int64_t floorDivide(int64_t a, int64_t b) {
  int64_t q = a / b;
  return (a % b != 0 && (a % b < 0) != (b < 0)) ? q - 1 : q;
}

// Integer power by squaring; nullopt on overflow.
std::optional<int64_t> power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result))
      return std::nullopt;
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base))
      return std::nullopt;
  }
  return result;
}

std::optional<Number> onIntegers(Fn fn, int64_t a, int64_t b) {
  int64_t r = 0;
  switch (fn) {
  case Fn::Add:
    return __builtin_add_overflow(a, b, &r) ? std::nullopt : std::optional<Number>(r);
  case Fn::Sub:
    return __builtin_sub_overflow(a, b, &r) ? std::nullopt : std::optional<Number>(r);
  case Fn::Mul:
    return __builtin_mul_overflow(a, b, &r) ? std::nullopt : std::optional<Number>(r);
  case Fn::FloorDiv:
    return b == 0 || b == -1 ? std::nullopt : std::optional<Number>(floorDivide(a, b));
  case Fn::Rem:
    return b == 0 || b == -1 ? std::nullopt : std::optional<Number>(a - b * floorDivide(a, b));
  case Fn::Div:
    return b == 0 || b == -1 || a % b != 0 ? std::nullopt : std::optional<Number>(a / b);
  case Fn::Pow:
    if (std::optional<int64_t> p = b >= 0 ? power(a, b) : std::nullopt)
      return Number(*p);
    return std::nullopt;
  default:
    return std::nullopt;
  }
}

double onReals(Fn fn, double x, double y) {
  switch (fn) {
  case Fn::Add: return x + y;
  case Fn::Sub: return x - y;
  case Fn::Mul: return x * y;
  case Fn::Div: return x / y;
  case Fn::FloorDiv: return std::floor(x / y);
  case Fn::Rem: return x - y * std::floor(x / y);
  case Fn::Pow: return std::pow(x, y);
  case Fn::Neg: return -x;
  case Fn::Min: return y < x ? y : x;
  case Fn::Max: return y > x ? y : x;
  case Fn::Exp: return std::exp(x);
  case Fn::Log: return std::log(x);
  case Fn::Log2: return std::log2(x);
  case Fn::Sqrt: return std::sqrt(x);
  case Fn::Abs: return std::fabs(x);
  case Fn::Floor: return std::floor(x);
  case Fn::Ceil: return std::ceil(x);
  case Fn::Sigmoid: return 1 / (1 + std::exp(-x));
  case Fn::LogSigmoid: return x < 0 ? x - std::log1p(std::exp(x)) : -std::log1p(std::exp(-x));
  case Fn::Silu: return x / (1 + std::exp(-x));
  case Fn::Gelu: return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
  case Fn::Relu: return x > 0 ? x : 0;
  case Fn::Elu: return x > 0 ? x : std::expm1(x);
  case Fn::Tanh: return std::tanh(x);
  case Fn::Softplus: return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
  case Fn::Softcap: return y * std::tanh(x / y);
  case Fn::Clip: return std::fmin(std::fmax(x, 0), 1);
  default: return x;
  }
}

} // namespace

std::optional<Number> evaluate(Fn fn, const std::vector<Number> &args) {
  const Number &a = args[0];
  const Number b = args.size() > 1 ? args[1] : Number();
  bool whole = a.isWhole() && (args.size() < 2 || b.isWhole());
  if (fn == Fn::Neg && whole && a.asInteger() != INT64_MIN)
    return Number(-a.asInteger());
  if (fn == Fn::Stop || fn == Fn::Convert)
    return a;
  if (whole && (fn == Fn::Abs || fn == Fn::Relu) && a.asInteger() >= 0)
    return a;
  if (whole && (fn == Fn::Floor || fn == Fn::Ceil))
    return a;
  if (fn == Fn::Min)
    return b < a ? b : a;
  if (fn == Fn::Max)
    return a < b ? b : a;
  if (whole)
    if (std::optional<Number> exact = onIntegers(fn, a.asInteger(), b.asInteger()))
      return exact;
  double result = onReals(fn, a.asReal(), b.asReal());
  if (!std::isfinite(result))
    return std::nullopt;
  return Number::of(result == 0 ? 0.0 : result);
}

bool compare(Fn fn, const Number &a, const Number &b) {
  switch (fn) {
  case Fn::Lt: return a < b;
  case Fn::Le: return !(b < a);
  case Fn::Gt: return b < a;
  case Fn::Ge: return !(a < b);
  case Fn::Eq: return a == b;
  default: return !(a == b);
  }
}

double randomFraction(const std::vector<int64_t> &args) {
  uint64_t h = 0;
  for (int64_t a : args) {
    uint64_t z = (h ^ static_cast<uint64_t>(a)) + 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    h = z ^ (z >> 31);
  }
  return static_cast<double>(h >> 40) / 16777216.0;
}

} // namespace caa
