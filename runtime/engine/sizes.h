// Sizes as functions of batch and length (caa_term), evaluated in checked signed 64-bit arithmetic.
#pragma once

#include "runtime/abi/caa_abi.h"
#include "runtime/base/result.h"

#include <cstdint>
#include <optional>
#include <span>

namespace caa {

/// What sizes depend on: batch rows B, tokens a row T, token rows R that a kernel sees.
struct Dimensions {
  int64_t batch = 1, length = 1, rows = 1;
};

/// No value on overflow.
std::optional<int64_t> checkedAdd(int64_t a, int64_t b);
std::optional<int64_t> checkedMultiply(int64_t a, int64_t b);

/// One term; no value on overflow or if a divisor is not positive.
std::optional<int64_t> evaluate(const caa_term &term, const Dimensions &dimensions);

/// The sum of the size's terms; an error if it overflows or is negative. `what` names it: "the grid of kernel `k3`".
Result<int64_t> evaluate(std::span<const caa_term> terms, caa_size size, const Dimensions &dimensions,
                         std::string_view what);

} // namespace caa
