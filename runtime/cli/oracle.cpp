// Between the command's tensors and the interpreter's.
#include "runtime/cli/oracle.h"

#include "runtime/reference/interpreter.h"

namespace caa {
namespace {

reference::Tensor toReference(const CallTensor &tensor) {
  reference::Tensor out(tensor.shape);
  if (tensor.integers.empty())
    out.data.assign(tensor.values.begin(), tensor.values.end());
  else
    out.data.assign(tensor.integers.begin(), tensor.integers.end());
  return out;
}

CallTensor fromReference(const reference::Tensor &tensor) {
  return {tensor.shape, {tensor.data.begin(), tensor.data.end()}, {}};
}

} // namespace

Result<CallTensors> runOracle(const Image &image, const CallRequest &call) {
  auto program = reference::parsePlainForm(std::string(image.text(image.header().plain_form)));
  if (!program)
    return image.error("its plain form: " + program.error().message);
  reference::Request request;
  request.function = call.name;
  request.batch = call.batch;
  request.length = call.length;
  for (const auto &[name, tensor] : call.inputs)
    request.inputs[name] = toReference(tensor);
  for (const auto &[name, tensor] : call.parameters)
    request.parameters[name] = toReference(tensor);
  request.gradients = call.gradients;
  for (const auto &[name, tensor] : call.outGradients)
    request.outputGradients[name] = toReference(tensor);
  request.lossGradients = call.lossGradients;
  CAA_TRY(auto response, reference::interpret(*program, std::move(request)));

  CallTensors outputs;
  for (const auto &[name, tensor] : response.outputs)
    outputs[name] = fromReference(tensor);
  for (const auto &[name, value] : response.losses)
    outputs[name] = {{}, {float(value)}, {}};
  for (const auto &[name, tensor] : response.inputGradients)
    outputs["d_" + name] = fromReference(tensor);
  for (const caa_parameter &parameter : image.parameters())
    if (auto found = response.parameterGradients.find(std::string(image.text(parameter.name)));
        found != response.parameterGradients.end())
      outputs["d_" + std::string(nameWithin(image, parameter, call.name))] = fromReference(found->second);
  return outputs;
}

} // namespace caa
