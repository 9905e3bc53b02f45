// Checks of numbers on the command line whose messages say what the number should be.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>

namespace caa {

/// A whole number from `least` to `most`, in decimal digits.
CLI::Validator wholeNumber(uint64_t least, uint64_t most = INT64_MAX);

/// A finite number that is not negative.
CLI::Validator notNegative();

} // namespace caa
