// The walk over a function's ops, forward and backward.
#include "runtime/reference/interpreter.h"

#include "runtime/reference/context.h"

namespace caa::reference {
namespace {

std::string describe(const std::vector<int64_t> &shape) {
  std::string text = "[";
  for (size_t n = 0; n < shape.size(); ++n)
    text += (n ? ", " : "") + std::to_string(shape[n]);
  return text + "]";
}

Status takeInputs(Context &context, const Function &function, Request &request) {
  for (const Named &input : function.inputs) {
    auto given = request.inputs.find(input.name);
    if (given == request.inputs.end())
      return inputError("input `" + input.name + "` of `" + function.name + "` is missing");
    Tensor expected = context.make(input.type);
    if (given->second.shape != expected.shape)
      return inputError("input `" + input.name + "` is " + describe(given->second.shape) + ", not " + describe(expected.shape));
    context.values[input.id] = std::move(given->second);
  }
  return {};
}

Status takeParameters(Context &context, const Program &program, Request &request) {
  for (const Parameter &parameter : program.parameters) {
    auto given = request.parameters.find(parameter.name);
    if (given == request.parameters.end())
      continue; // another function's; a read of it is an error
    if (given->second.shape != parameter.shape)
      return inputError("parameter `" + parameter.name + "` is " + describe(given->second.shape) + ", not " + describe(parameter.shape));
    context.parameters[parameter.name] = std::move(given->second);
  }
  return {};
}

Status reverse(Context &context, const Function &function) {
  for (auto op = function.ops.rbegin(); op != function.ops.rend(); ++op) {
    bool arrives = op->out.empty();
    for (int id : op->out)
      arrives |= context.hasGradient(id);
    if (arrives)
      CAA_CHECK(op->name == "caa.attend" ? reverseAttend(context, *op) : reverseTokenOp(context, *op));
  }
  return {};
}

} // namespace

Result<Response> interpret(const Program &program, Request request) {
  const Function *function = program.find(request.function);
  if (!function)
    return inputError("the model has no `" + request.function + "`");
  Context context;
  context.batch = request.batch, context.length = request.length;
  context.values.resize(function->values);
  context.gradients.resize(function->values);
  context.lossSeeds = request.lossGradients;
  CAA_CHECK(takeInputs(context, *function, request));
  CAA_CHECK(takeParameters(context, program, request));
  for (const Op &op : function->ops)
    CAA_CHECK(op.name == "caa.attend" ? runAttend(context, op) : runTokenOp(context, op));
  Response response;
  for (const Named &result : function->results)
    response.outputs[result.name] = context.values[result.id];
  if (context.logits >= 0)
    response.outputs["logits"] = context.values[context.logits];
  response.losses = context.losses;
  if (!request.gradients)
    return response;
  for (const Named &result : function->results)
    if (auto given = request.outputGradients.find(result.name); given != request.outputGradients.end()) {
      if (given->second.shape != context.values[result.id].shape)
        return inputError("the gradient of `" + result.name + "` is " + describe(given->second.shape) + ", not " +
                          describe(context.values[result.id].shape));
      Tensor &gradient = context.gradient(result.id); // a value may be returned twice
      for (size_t n = 0; n < gradient.data.size(); ++n)
        gradient.data[n] += given->second.data[n];
    }
  CAA_CHECK(reverse(context, *function));
  for (const Named &input : function->inputs)
    if (input.type.isFloat())
      response.inputGradients[input.name] = context.gradient(input.id);
  for (auto &[name, value] : context.parameters) {
    Tensor &gradient = context.parameterGradients[name];
    response.parameterGradients[name] = gradient.empty() ? Tensor(value.shape) : std::move(gradient);
  }
  return response;
}

} // namespace caa::reference
