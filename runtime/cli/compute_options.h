// The options that go with every command that computes.
#pragma once

#include "runtime/base/result.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

namespace caa {

struct ComputeOptions {
  std::string device = "cpu";
  unsigned threads = 0;
  std::optional<uint64_t> seed;
  bool deterministic = false; // always, on a CPU

  void addTo(CLI::App &command);
  /// An error if the device is none that this program can use.
  Status check() const;
};

} // namespace caa
