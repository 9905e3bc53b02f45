// --device, --threads, --seed, --deterministic.
#include "runtime/cli/compute_options.h"

#include "runtime/cli/numbers.h"

#include <algorithm>
#include <fmt/format.h>

namespace caa {

void ComputeOptions::addTo(CLI::App &command) {
  command.add_option("--device", device,
                     "cpu, or cuda[:n] (default: the first GPU if there is one and the model has code for it)");
  command.add_option("--threads", threads, "Threads (default: all processors)")->check(wholeNumber(1, 1024));
  command.add_option("--seed", seed, "Seed of initialisation, data order and sampling")
      ->check(wholeNumber(0, UINT64_MAX));
  command.add_flag("--deterministic", deterministic, "The same bits every time (a CPU always gives them)");
}

Status ComputeOptions::check() const {
  std::string_view number = device;
  if (device.empty() || device == "cpu" || device == "cuda")
    return {};
  if (number.starts_with("cuda:"))
    if (number.remove_prefix(5); !number.empty() && number.size() < 4 &&
                                 std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; }))
      return {};
  return usageError(fmt::format("--device {}: should be `cpu` or `cuda[:n]`", device));
}

ComputeChoice ComputeOptions::choice() const { return {device, threads, deterministic}; }

} // namespace caa
