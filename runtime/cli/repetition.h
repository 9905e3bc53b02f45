// Which kernel faulted on a GPU. Kernels are queued by hundreds and a fault tells nothing but that one of them did it;
// to wait for each would slow every step, and the process that met the fault can use the device no more. So caa-run
// starts itself again in its place, with the same line: that process waits for each kernel (CAA_SYNC=1), writes
// nothing, and ends with the message that names the one that fails. Training repeats the step alone (train/trainer.h).
#pragma once

#include "runtime/base/result.h"

#include <optional>
#include <string>

namespace caa {

/// Replaces this process by its repetition; returns only if that fails. `error.fault` is set and names no kernel.
void repeat(char **arguments, const Error &error);

/// Whether this process is a repetition: `again` of the fault that it is to meet. The first call, early in main,
/// silences all output until endRepetition.
const std::optional<std::string> &repeatedFault();

/// Reports what the repetition met, or that it met nothing; the exit status.
int endRepetition(const Status &status);

} // namespace caa
