// Reading and checking the tensors of `call`; every fault names the tensor and the shapes.
#include "runtime/train/call.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

namespace caa {
namespace {

/// Axes of extent 1 make no difference where a parameter is meant.
Shape squeezed(Shape shape) {
  std::erase(shape, 1);
  return shape;
}

class Reader {
public:
  Reader(const Image &image, caa_target target, CallRequest &request)
      : image_(image), target_(target), request_(request) {}

  Status run(const Path &inputs, const std::optional<Path> &gradOutputs, uint64_t seed, Threads &threads) {
    CAA_TRY(entry_, entryOf(request_.name + ".forward"));
    CAA_TRY(auto file, TensorFile::open(inputs));
    CAA_CHECK(sizes(file));
    CAA_CHECK(values(file));
    CAA_CHECK(parameters(file, seed, threads));
    for (const TensorView &tensor : file.tensors())
      if (!used_.contains(tensor.name))
        return inputError(fmt::format("{}: error: `{}` has no input or parameter `{}`; it has {}", inputs.string(),
                                      request_.name, tensor.name, fmt::join(known_, ", ")));
    if (gradOutputs)
      CAA_CHECK(gradients(*gradOutputs));
    return {};
  }

private:
  Result<const caa_entry *> entryOf(const std::string &name) const {
    if (const caa_entry *entry = image_.findEntry(target_, name))
      return entry;
    std::vector<std::string> exports;
    for (const caa_entry &entry : image_.entries())
      if (auto text = image_.text(entry.name); entry.target == uint32_t(target_) && text.ends_with(".forward"))
        exports.emplace_back(text.substr(0, text.size() - 8));
    if (exports.empty())
      return image_.error("it exports nothing: compile it with `caac --export NAME --arg VECTOR=HEADSxWIDTH ...`");
    return image_.error(fmt::format("it does not export `{}`; it exports {}", request_.name, fmt::join(exports, ", ")));
  }

  static bool isTokenInput(const caa_value &value) { return value.dtype == CAA_I32; }

  /// The shape that a value has in files, at this batch and length.
  Shape fileShape(const caa_value &value) const {
    if (!value.per_token)
      return {value.heads, value.width};
    if (isTokenInput(value))
      return {request_.batch, request_.length};
    if (value.heads == 1)
      return {request_.batch, request_.length, value.width};
    return {request_.batch, request_.length, value.heads, value.width};
  }

  /// Batch and length are the first two axes of the first input that the file has.
  Status sizes(const TensorFile &file) {
    for (const caa_value &value : image_.valuesOf(*entry_))
      if (value.direction == CAA_INPUT && value.per_token)
        if (const TensorView *tensor = file.find(image_.text(value.name))) {
          if (tensor->shape.size() < 2 || tensor->shape[0] < 1 || tensor->shape[1] < 1)
            return inputError(fmt::format("{}: error: `{}` is {}, but should begin with batch and length",
                                          file.path().string(), tensor->name, toString(tensor->shape)));
          request_.batch = tensor->shape[0];
          request_.length = tensor->shape[1];
          return {};
        }
    return inputError(fmt::format("{}: error: no input of `{}`", file.path().string(), request_.name));
  }

  Result<CallTensor> read(const TensorFile &file, const TensorView &tensor, const caa_value &value) {
    Shape due = fileShape(value), full = due;
    if (value.per_token)
      full = {request_.batch, request_.length, value.heads, value.width};
    if (tensor.shape != due && tensor.shape != full)
      return inputError(fmt::format("{}: error: `{}` is {}, not {}", file.path().string(), tensor.name,
                                    toString(tensor.shape), toString(due)));
    CallTensor out{full, {}, {}};
    if (isTokenInput(value)) {
      CAA_TRY(out.integers, toInt32(tensor));
    } else {
      CAA_TRY(out.values, toFloat32(tensor));
    }
    return out;
  }

  Status values(const TensorFile &file) {
    for (const caa_value &value : image_.valuesOf(*entry_)) {
      if (value.direction != CAA_INPUT)
        continue;
      std::string name(image_.text(value.name));
      known_.push_back(name);
      if (const TensorView *tensor = file.find(name)) {
        CAA_TRY(request_.inputs[name], read(file, *tensor, value));
        used_.insert(name);
        continue;
      }
      // Positions count from 0 and all is one document, unless the file says otherwise.
      if (name != "position" && name != "doc")
        return inputError(fmt::format("{}: error: no input `{}`", file.path().string(), name));
      CallTensor made{{request_.batch, request_.length, 1, 1}, {}, {}};
      for (int64_t i = 0; i < request_.batch * request_.length; ++i)
        made.integers.push_back(name == "position" ? int32_t(i % request_.length) : 0);
      request_.inputs[name] = std::move(made);
    }
    return {};
  }

  Status parameters(const TensorFile &file, uint64_t seed, Threads &threads) {
    CAA_TRY(auto arena, ParameterArena::allocate(image_));
    initialise(image_, arena, seed, threads);
    std::set<uint64_t> wanted;
    for (const char *suffix : {".forward", ".gradient"})
      if (const caa_entry *entry = image_.findEntry(target_, request_.name + suffix))
        for (const caa_buffer &buffer : image_.buffersOf(*entry))
          if (buffer.kind == CAA_BUFFER_PARAMETER || buffer.kind == CAA_BUFFER_PARAMETER_BF16 ||
              buffer.kind == CAA_BUFFER_GRADIENT)
            wanted.insert(buffer.index);
    for (uint64_t index : wanted) {
      const caa_parameter &parameter = image_.parameters()[index];
      std::string name(nameWithin(image_, parameter, request_.name));
      known_.push_back(name);
      auto values = arena.of(parameter);
      if (const TensorView *tensor = file.find(name)) {
        if (squeezed(tensor->shape) != squeezed(shapeOf(parameter)))
          return inputError(fmt::format("{}: error: parameter `{}` is {}, not {}", file.path().string(), name,
                                        toString(tensor->shape), toString(shapeOf(parameter))));
        CAA_CHECK(copyAsFloat32(*tensor, values));
        used_.insert(name);
      }
      request_.parameters[std::string(image_.text(parameter.name))] = {
          shapeOf(parameter), {values.begin(), values.end()}, {}};
    }
    return {};
  }

  Status gradients(const Path &path) {
    CAA_TRY(auto file, TensorFile::open(path));
    CAA_CHECK(entryOf(request_.name + ".gradient"));
    request_.gradients = true;
    CallTensors &out = request_.outGradients;
    for (const caa_value &value : image_.valuesOf(*entry_))
      if (value.direction == CAA_OUTPUT) {
        Shape shape = {request_.batch, request_.length, value.heads, value.width};
        out[std::string(image_.text(value.name))] = {shape, std::vector<float>(size_t(elementCount(shape))), {}};
      }
    for (const TensorView &tensor : file.tensors()) {
      const std::string name = tensor.name.starts_with("d_") ? tensor.name.substr(2) : tensor.name;
      if (out.contains(name)) {
        for (const caa_value &value : image_.valuesOf(*entry_))
          if (value.direction == CAA_OUTPUT && image_.text(value.name) == name) {
            CAA_TRY(out[name], read(file, tensor, value));
          }
        continue;
      }
      auto losses = image_.losses();
      if (std::none_of(losses.begin(), losses.end(),
                       [&](const caa_loss &l) { return image_.text(l.name) == tensor.name; }))
        return inputError(fmt::format("{}: error: `{}` has neither an output nor a loss `{}`", path.string(),
                                      request_.name, tensor.name));
      CAA_TRY(auto value, toFloat32(tensor));
      if (value.size() != 1)
        return inputError(
            fmt::format("{}: error: the gradient of loss `{}` should be one number", path.string(), tensor.name));
      request_.lossGradients[tensor.name] = value[0];
    }
    return {};
  }

  const Image &image_;
  const caa_target target_;
  CallRequest &request_;
  const caa_entry *entry_ = nullptr;
  std::set<std::string, std::less<>> used_;
  std::vector<std::string> known_;
};

} // namespace

Result<CallRequest> readCall(const Image &image, caa_target target, const std::string &name, const Path &inputs,
                             const std::optional<Path> &gradOutputs, uint64_t seed, Threads &threads) {
  CallRequest request;
  request.name = name;
  CAA_CHECK(Reader(image, target, request).run(inputs, gradOutputs, seed, threads));
  return request;
}

} // namespace caa
