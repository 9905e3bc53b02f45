// The compiled side of `call`: entries NAME.forward, NAME.gradient and, where there are losses, NAME.loss_counts.
#include "runtime/train/call.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <set>

namespace caa {
namespace {

Shape shapeOfValue(const caa_value &value, int64_t batch, int64_t length) {
  if (value.per_token)
    return {batch, length, value.heads, value.width};
  return {value.heads, value.width};
}

/// The parameters that an entry reads (kind PARAMETER) or has gradients of (kind GRADIENT).
std::set<uint64_t> parametersOf(const Image &image, const caa_entry &entry, uint32_t kind) {
  std::set<uint64_t> found;
  for (const caa_buffer &buffer : image.buffersOf(entry))
    if (buffer.kind == kind)
      found.insert(buffer.index);
  return found;
}

/// One run of an entry on tensors by name; what it puts out is added to `outputs`.
struct EntryCall {
  Model &model;
  const CallRequest &request;
  CallTensors *outputs = nullptr;

  Status run(const std::string &entry, Bindings bindings) {
    CAA_TRY(const EntryPlan *plan, model.plan(entry, request.batch, request.length));
    const Image &image = model.image();
    std::vector<std::vector<std::byte>> storage;
    auto values = image.valuesOf(*plan->entry);
    for (size_t i = 0; i < values.size(); ++i) {
      std::vector<std::byte> bytes(size_t(plan->valueBytes[i]));
      if (values[i].direction == CAA_INPUT)
        CAA_CHECK(fill(values[i], bytes));
      storage.push_back(std::move(bytes));
      bindings.values.push_back(storage.back().data());
    }
    CAA_CHECK(model.run(*plan, bindings));
    for (size_t i = 0; outputs && i < values.size(); ++i)
      if (values[i].direction == CAA_OUTPUT)
        (*outputs)[std::string(image.text(values[i].name))] = {
            shapeOfValue(values[i], request.batch, request.length), floats(values[i], storage[i]), {}};
    return {};
  }

  Status fill(const caa_value &value, std::vector<std::byte> &bytes) const {
    std::string name(model.image().text(value.name));
    const CallTensor *tensor = nullptr;
    if (auto found = request.inputs.find(name); found != request.inputs.end())
      tensor = &found->second;
    else if (name.starts_with("d_"))
      if (auto found = request.outGradients.find(name.substr(2)); found != request.outGradients.end())
        tensor = &found->second;
    // The gradient of a named loss: 0 unless given.
    if (!tensor && name.starts_with("d_") && !value.per_token && bytes.size() == sizeof(float)) {
      auto given = request.lossGradients.find(name.substr(2));
      float gradient = given == request.lossGradients.end() ? 0.0f : float(given->second);
      std::memcpy(bytes.data(), &gradient, sizeof gradient);
      return {};
    }
    const bool integer = value.dtype == CAA_I32;
    if (tensor && value.dtype == CAA_BF16 && 2 * tensor->values.size() == bytes.size()) {
      for (size_t i = 0; i < tensor->values.size(); ++i) {
        const uint16_t bits = floatToBfloat16(tensor->values[i]);
        std::memcpy(bytes.data() + 2 * i, &bits, sizeof bits);
      }
      return {};
    }
    if (!tensor || (!integer && value.dtype != CAA_F32))
      return model.image().error(fmt::format("the export wants an input `{}` that this program does not know", name));
    const void *from = integer ? static_cast<const void *>(tensor->integers.data()) : tensor->values.data();
    size_t size = integer ? tensor->integers.size() * 4 : tensor->values.size() * 4;
    if (size != bytes.size())
      return internalError(fmt::format("input `{}` has {} bytes, not {}", name, size, bytes.size()));
    std::memcpy(bytes.data(), from, size);
    return {};
  }

  static std::vector<float> floats(const caa_value &value, const std::vector<std::byte> &bytes) {
    std::vector<float> out(bytes.size() / size_t(byteSizeOf(value.dtype)));
    auto convert = [&](auto sample) {
      for (size_t i = 0; i < out.size(); ++i) {
        std::memcpy(&sample, bytes.data() + i * sizeof sample, sizeof sample);
        out[i] = float(sample);
      }
    };
    switch (value.dtype) {
    case CAA_F64:
      convert(double());
      break;
    case CAA_I32:
      convert(int32_t());
      break;
    case CAA_I64:
      convert(int64_t());
      break;
    case CAA_BOOL:
      convert(uint8_t());
      break;
    case CAA_BF16:
      for (size_t i = 0; i < out.size(); ++i) {
        uint16_t bits;
        std::memcpy(&bits, bytes.data() + 2 * i, 2);
        out[i] = bfloat16ToFloat(bits);
      }
      break;
    default:
      convert(float());
    }
    return out;
  }
};

} // namespace

Result<CallTensors> runCall(Model &model, const CallRequest &request) {
  const Image &image = model.image();
  for (const caa_parameter &parameter : image.parameters())
    if (auto found = request.parameters.find(std::string(image.text(parameter.name)));
        found != request.parameters.end())
      std::copy(found->second.values.begin(), found->second.values.end(), model.parameters().of(parameter).begin());

  CallTensors outputs;
  std::vector<double> counts(model.lossCount()), sums(model.lossCount());
  if (model.hasEntry(request.name + ".loss_counts")) {
    Bindings bindings{.parameters = model.parameters().values(), .lossCount = counts};
    CAA_CHECK((EntryCall{model, request}.run(request.name + ".loss_counts", std::move(bindings))));
  }
  auto scales = Model::scalesOf(counts);
  auto reports = model.emptyReports();
  Bindings forward{.parameters = model.parameters().values(), .lossScale = scales, .lossSum = sums, .reports = reports};
  CAA_CHECK((EntryCall{model, request, &outputs}.run(request.name + ".forward", std::move(forward))));
  for (size_t i = 0; i < sums.size(); ++i)
    if (counts[i] > 0) {
      CallTensor &loss = outputs[std::string(image.text(image.losses()[i].name))];
      loss.values.resize(1);
      loss.values[0] += float(sums[i]);
    }
  if (!request.gradients)
    return outputs;

  CAA_TRY(ParameterArena * gradients, model.gradients());
  std::string entry = request.name + ".gradient";
  Bindings backward{.parameters = model.parameters().values(),
                    .gradients = gradients->values(),
                    .lossScale = scales,
                    .lossSum = sums,
                    .reports = reports};
  CAA_CHECK((EntryCall{model, request, &outputs}.run(entry, std::move(backward))));
  CAA_TRY(gradients, model.gradients());
  for (uint64_t index : parametersOf(image, *image.findEntry(model.engine().target(), entry), CAA_BUFFER_GRADIENT)) {
    const caa_parameter &parameter = image.parameters()[index];
    auto values = gradients->of(parameter);
    outputs["d_" + std::string(nameWithin(image, parameter, request.name))] = {
        shapeOf(parameter), {values.begin(), values.end()}, {}};
  }
  return outputs;
}

Status writeCall(const Path &path, const CallTensors &outputs) {
  std::vector<TensorView> views;
  for (const auto &[name, tensor] : outputs) {
    Shape shape = tensor.shape;
    if (shape.size() == 4 && shape[2] == 1)
      shape.erase(shape.begin() + 2);
    views.push_back(viewOf(name, shape, tensor.values));
  }
  return writeSafetensors(path, views);
}

} // namespace caa
