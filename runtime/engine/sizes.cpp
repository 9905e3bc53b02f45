// coefficient * ceil(B^b * ceil(T / d)^l * R^r / divisor), with every product checked.
#include "runtime/engine/sizes.h"

#include <fmt/format.h>

namespace caa {
namespace {

/// ceil(a / b) for a >= 0, b >= 1.
int64_t ceilDivide(int64_t a, int64_t b) { return a / b + (a % b != 0); }

bool multiplyPower(int64_t &product, int64_t base, unsigned power) {
  for (unsigned i = 0; i < power; ++i)
    if (__builtin_mul_overflow(product, base, &product))
      return false;
  return true;
}

} // namespace

std::optional<int64_t> checkedAdd(int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? std::nullopt : std::optional(sum);
}

std::optional<int64_t> checkedMultiply(int64_t a, int64_t b) {
  int64_t product;
  return __builtin_mul_overflow(a, b, &product) ? std::nullopt : std::optional(product);
}

std::optional<int64_t> evaluate(const caa_term &term, const Dimensions &dimensions) {
  if (term.length_divisor < 1 || term.divisor < 1 || dimensions.batch < 0 || dimensions.length < 0 ||
      dimensions.rows < 0)
    return std::nullopt;
  int64_t product = 1;
  if (!multiplyPower(product, dimensions.batch, term.batch_power) ||
      !multiplyPower(product, ceilDivide(dimensions.length, term.length_divisor), term.length_power) ||
      !multiplyPower(product, dimensions.rows, term.rows_power))
    return std::nullopt;
  return checkedMultiply(term.coefficient, ceilDivide(product, term.divisor));
}

Result<int64_t> evaluate(std::span<const caa_term> terms, caa_size size, const Dimensions &dimensions,
                         std::string_view what) {
  auto where = [&] { return fmt::format("{} at batch {} and length {}", what, dimensions.batch, dimensions.length); };
  int64_t sum = 0;
  for (uint32_t i = 0; i < size.count; ++i) {
    auto value = evaluate(terms[size.first + i], dimensions);
    if (value)
      value = checkedAdd(sum, *value);
    if (!value)
      return inputError(where() + " is too large for 64 bits");
    sum = *value;
  }
  if (sum < 0)
    return inputError(where() + " would be negative");
  return sum;
}

} // namespace caa
