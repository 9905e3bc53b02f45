// The options that go with every command that computes.
#pragma once

#include "runtime/train/model.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

namespace caa {

struct ComputeOptions {
  std::string device; // empty: the best there is
  unsigned threads = 0;
  std::optional<uint64_t> seed;
  bool deterministic = false; // always, on a CPU

  void addTo(CLI::App &command);
  /// An error if `--device` is not written as it should be.
  Status check() const;
  ComputeChoice choice() const;
};

} // namespace caa
