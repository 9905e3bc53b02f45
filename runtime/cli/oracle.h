// `call --oracle`: the same request computed by the float64 interpreter of the plain form, instead of the compiled
// code.
#pragma once

#include "runtime/train/call.h"

namespace caa {

/// As runCall (runtime/train/call.h), without loading or running any code of the .so.
Result<CallTensors> runOracle(const Image &image, const CallRequest &request);

} // namespace caa
