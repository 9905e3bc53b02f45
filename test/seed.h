#pragma once
// The seed of a test's random inputs: another one each time, or what $CAA_TEST_SEED says. It is printed, so that a failure can be repeated.

#include <cstdio>
#include <cstdlib>
#include <random>

namespace caa {

/// The same number all through the process.
inline unsigned testSeed() {
  static const unsigned seed = [] {
    const char *given = std::getenv("CAA_TEST_SEED");
    unsigned chosen = given && *given ? unsigned(std::strtoul(given, nullptr, 10)) : std::random_device()();
    std::fprintf(stderr, "random inputs: CAA_TEST_SEED=%u repeats them\n", chosen);
    return chosen;
  }();
  return seed;
}

} // namespace caa
