// Calling one attention or block by itself on tensors in files (`caa-run call`).
//
// Reading what goes in and writing what comes out know nothing of who computes: the compiled entries here, or the
// float64 interpreter (runtime/reference).
#pragma once

#include "runtime/store/safetensors.h"
#include "runtime/train/model.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace caa {

/// A tensor of float32, or of int32 where `integers` is not empty.
struct CallTensor {
  Shape shape;
  std::vector<float> values;
  std::vector<int32_t> integers;
};
using CallTensors = std::map<std::string, CallTensor>;

struct CallRequest {
  std::string name; // of the export
  int64_t batch = 0, length = 0;
  CallTensors inputs;     // [batch, length, heads, width] each; tokens, doc, position as [batch, length, 1, 1]
  CallTensors parameters; // those that the export uses, by the image's names; from the file, else initialised
  bool gradients = false;
  CallTensors outGradients;                    // of every output, by its name; 0 where not given
  std::map<std::string, double> lossGradients; // 0 unless given
};

/// Reads and checks the files against the export's entries for the target. `gradOutputs` empty: forward alone.
Result<CallRequest> readCall(const Image &image, caa_target target, const std::string &name, const Path &inputs,
                             const std::optional<Path> &gradOutputs, uint64_t seed, Threads &threads);

/// The outputs (`out`, and `out.1`, ... of an export that returns several), named losses, and with gradients d_<input> and d_<parameter>. Shapes are [batch, length, heads, width].
Result<CallTensors> runCall(Model &model, const CallRequest &request);

/// Writes tensors in the shapes of the command line: a vector of one head has no head axis.
Status writeCall(const Path &path, const CallTensors &outputs);

} // namespace caa
