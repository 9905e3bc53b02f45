// Writing safetensors, and converting a tensor's bytes to numbers.
#include "runtime/store/safetensors.h"

#include "runtime/base/json.h"

#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <nlohmann/json.hpp>

namespace caa {
namespace {

/// Element `i` of bytes that need not be aligned.
template <typename T> T load(const std::byte *bytes, size_t i) {
  T value;
  std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
  return value;
}

Error cannotConvert(const TensorView &tensor, std::string_view to) {
  return inputError(fmt::format("error: tensor `{}`: {} cannot be read as {}", tensor.name, nameOf(tensor.dtype), to));
}

template <typename T> Status loadIntegers(const TensorView &tensor, std::span<int32_t> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    T value = load<T>(tensor.bytes.data(), i);
    if (!std::in_range<int32_t>(value))
      return inputError(
          fmt::format("error: tensor `{}`: element {} is {}, more than 32 bits hold", tensor.name, i, value));
    out[i] = int32_t(value);
  }
  return {};
}

} // namespace

Status copyAsFloat32(const TensorView &tensor, std::span<float> out) {
  if (out.size() != size_t(tensor.elements()) || tensor.bytes.size() != out.size() * byteSize(tensor.dtype))
    return internalError(
        fmt::format("tensor `{}` {} copied to {} values", tensor.name, toString(tensor.shape), out.size()));
  const std::byte *bytes = tensor.bytes.data();
  switch (tensor.dtype) {
  case DType::F32:
    if (!out.empty())
      std::memcpy(out.data(), bytes, tensor.bytes.size());
    return {};
  case DType::F16:
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = halfToFloat(load<uint16_t>(bytes, i));
    return {};
  case DType::BF16:
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = bfloat16ToFloat(load<uint16_t>(bytes, i));
    return {};
  case DType::F64:
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = float(load<double>(bytes, i));
    return {};
  default:
    return cannotConvert(tensor, "float32");
  }
}

Result<std::vector<float>> toFloat32(const TensorView &tensor) {
  std::vector<float> values(size_t(tensor.elements()));
  CAA_CHECK(copyAsFloat32(tensor, values));
  return values;
}

Result<std::vector<int32_t>> toInt32(const TensorView &tensor) {
  std::vector<int32_t> values(size_t(tensor.elements()));
  auto convert = [&]() -> Status {
    switch (tensor.dtype) {
    case DType::U8:
      return loadIntegers<uint8_t>(tensor, values);
    case DType::I8:
      return loadIntegers<int8_t>(tensor, values);
    case DType::U16:
      return loadIntegers<uint16_t>(tensor, values);
    case DType::I16:
      return loadIntegers<int16_t>(tensor, values);
    case DType::U32:
      return loadIntegers<uint32_t>(tensor, values);
    case DType::I32:
      return loadIntegers<int32_t>(tensor, values);
    case DType::U64:
      return loadIntegers<uint64_t>(tensor, values);
    case DType::I64:
      return loadIntegers<int64_t>(tensor, values);
    default:
      return cannotConvert(tensor, "int32");
    }
  };
  CAA_CHECK(convert());
  return values;
}

Status writeSafetensors(const Path &path, std::span<const TensorView> tensors,
                        const std::map<std::string, std::string> &metadata) {
  OrderedJson header = OrderedJson::object();
  if (!metadata.empty()) {
    OrderedJson &entry = header["__metadata__"] = OrderedJson::object();
    for (const auto &[key, value] : metadata)
      entry[key] = value;
  }
  uint64_t offset = 0;
  std::unordered_map<std::string_view, int> seen;
  for (const TensorView &tensor : tensors) {
    if (tensor.bytes.size() != size_t(tensor.elements()) * byteSize(tensor.dtype) || seen[tensor.name]++ > 0 ||
        tensor.name == "__metadata__")
      return internalError(fmt::format("tensor `{}` {} of {} bytes cannot be written", tensor.name,
                                       toString(tensor.shape), tensor.bytes.size()));
    // An object keeps its keys in a list, so a plain append stays linear for thousands of tensors.
    header.get_ref<OrderedJson::object_t &>().emplace_back(
        tensor.name, OrderedJson{{"dtype", nameOf(tensor.dtype)},
                                 {"shape", tensor.shape},
                                 {"data_offsets", {offset, offset + tensor.bytes.size()}}});
    offset += tensor.bytes.size();
  }
  std::string text = header.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' '); // the data starts at a multiple of 8
  uint64_t headerSize = text.size();

  CAA_TRY(auto file, AtomicFile::create(path));
  CAA_CHECK(file.write(&headerSize, 8));
  CAA_CHECK(file.write(text));
  for (const TensorView &tensor : tensors)
    CAA_CHECK(file.write(tensor.bytes.data(), tensor.bytes.size()));
  return file.commit();
}

} // namespace caa
