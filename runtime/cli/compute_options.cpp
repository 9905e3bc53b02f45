// --device, --threads, --seed, --deterministic.
#include "runtime/cli/compute_options.h"

#include <fmt/format.h>

namespace caa {

void ComputeOptions::addTo(CLI::App &command) {
  command.add_option("--device", device, "cpu, or cuda[:n]")->capture_default_str();
  command.add_option("--threads", threads, "Threads (default: all processors)")->check(CLI::Range(1, 1024));
  command.add_option("--seed", seed, "Seed of initialisation, data order and sampling");
  command.add_flag("--deterministic", deterministic, "The same bits every time (a CPU always gives them)");
}

Status ComputeOptions::check() const {
  if (device == "cpu")
    return {};
  if (device == "cuda" || device.starts_with("cuda:"))
    return inputError(fmt::format("--device {}: this version computes on the CPU only", device));
  return usageError(fmt::format("--device {}: should be `cpu` or `cuda[:n]`", device));
}

} // namespace caa
