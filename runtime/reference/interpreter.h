// The float64 oracle: runs a function of a model's plain form, and differentiates it with its own tape.
//
// It reads the model before autodiff and shares no code with the compiler, so that agreement means something.
#pragma once

#include "runtime/reference/plain.h"
#include "runtime/reference/tensor.h"

#include <map>

namespace caa::reference {

struct Request {
  std::string function;                     ///< "model", or the name of an export
  int64_t batch = 0, length = 0;
  std::map<std::string, Tensor> inputs;     ///< by name: [batch, length, heads, width]; tokens as numbers
  std::map<std::string, Tensor> parameters; ///< by name, in their stored shape
  bool gradients = false;
  std::map<std::string, Tensor> outputGradients; ///< of an export's results, by name
  std::map<std::string, double> lossGradients;   ///< of each loss
};

struct Response {
  std::map<std::string, Tensor> outputs;            ///< results by name; "logits" where the model has them
  std::map<std::string, double> losses;             ///< by name, each the mean that the language defines
  std::map<std::string, Tensor> inputGradients;     ///< of inputs of f32, by name
  std::map<std::string, Tensor> parameterGradients; ///< by name
};

/// Runs the request. Errors name the input or the op at fault.
Result<Response> interpret(const Program &program, Request request);

} // namespace caa::reference
