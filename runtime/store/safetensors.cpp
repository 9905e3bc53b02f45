// Reading safetensors: every claim of the header is checked against the file before a tensor is handed out.
#include "runtime/store/safetensors.h"

#include "runtime/base/json.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

namespace caa {
namespace {

constexpr uint64_t largestHeader = 100'000'000; // the public library's limit

Error fault(const Path &path, std::string_view what) {
  return inputError(fmt::format("{}: error: {}", path.string(), what));
}

Error fault(const Path &path, std::string_view tensor, std::string_view what) {
  return inputError(fmt::format("{}: error: tensor `{}`: {}", path.string(), tensor, what));
}

/// What one entry of the header claims; offsets count from the first byte after the header.
struct Claim {
  TensorView tensor;
  uint64_t begin = 0, end = 0;
};

Result<Shape> parseShape(const Path &path, const std::string &name, const Json &value) {
  if (!value.is_array())
    return fault(path, name, "`shape` is not a list");
  Shape shape;
  uint64_t product = 1;
  for (const Json &dimension : value) {
    if (!dimension.is_number_unsigned() || dimension.get<uint64_t>() > uint64_t(1) << 48)
      return fault(path, name, fmt::format("`shape` holds `{}`, not a size", dimension.dump()));
    auto size = dimension.get<uint64_t>();
    if (__builtin_mul_overflow(product, size, &product) || product > uint64_t(1) << 60)
      return fault(path, name, "`shape` has too many elements");
    shape.push_back(int64_t(size));
  }
  return shape;
}

Result<Claim> parseClaim(const Path &path, const std::string &name, const Json &entry) {
  if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") || !entry.contains("data_offsets"))
    return fault(path, name, "its header entry lacks `dtype`, `shape` or `data_offsets`");
  Claim claim;
  claim.tensor.name = name;
  if (!entry["dtype"].is_string())
    return fault(path, name, "`dtype` is not a string");
  auto dtypeName = entry["dtype"].get<std::string>();
  auto dtype = parseDType(dtypeName);
  if (!dtype)
    return fault(path, name, fmt::format("unknown dtype `{}`", dtypeName));
  claim.tensor.dtype = *dtype;
  CAA_TRY(claim.tensor.shape, parseShape(path, name, entry["shape"]));
  const Json &offsets = entry["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned())
    return fault(path, name, "`data_offsets` is not a pair of offsets");
  claim.begin = offsets[0].get<uint64_t>();
  claim.end = offsets[1].get<uint64_t>();
  uint64_t due = uint64_t(claim.tensor.elements()) * byteSize(*dtype);
  if (claim.end < claim.begin || claim.end - claim.begin != due)
    return fault(path, name,
                 fmt::format("bytes {} to {} do not fit {} {}, which takes {} bytes", claim.begin, claim.end, dtypeName,
                             toString(claim.tensor.shape), due));
  return claim;
}

} // namespace

int64_t elementCount(const Shape &shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

std::string toString(const Shape &shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

TensorView viewOf(std::string name, Shape shape, std::span<const float> values) {
  return {std::move(name), DType::F32, std::move(shape), std::as_bytes(values)};
}

TensorView viewOf(std::string name, Shape shape, std::span<const int32_t> values) {
  return {std::move(name), DType::I32, std::move(shape), std::as_bytes(values)};
}

const TensorView *TensorFile::find(std::string_view name) const {
  auto it = byName_.find(std::string(name));
  return it == byName_.end() ? nullptr : &tensors_[it->second];
}

Status TensorFile::addFile(const Path &path) {
  CAA_TRY(auto file, MappedFile::open(path));
  auto bytes = file.bytes();
  uint64_t headerSize = 0;
  if (bytes.size() < 8)
    return fault(path, fmt::format("not a safetensors file: {} bytes are too few", bytes.size()));
  std::memcpy(&headerSize, bytes.data(), 8);
  if (headerSize > largestHeader)
    return fault(path,
                 fmt::format("not a safetensors file, or a damaged one: its header would take {} bytes", headerSize));
  if (headerSize > bytes.size() - 8)
    return fault(path, fmt::format("cut short: the header takes {} bytes, the file has {}", headerSize, bytes.size()));
  std::string_view text(reinterpret_cast<const char *>(bytes.data()) + 8, headerSize);
  auto header = parseJson(path, text);
  if (!header)
    return fault(path, fmt::format("damaged safetensors header ({})", header.error().message));
  if (!header->is_object())
    return fault(path, "damaged safetensors header: not an object");

  std::vector<Claim> claims;
  for (const auto &[name, entry] : header->items()) {
    if (name != "__metadata__") {
      CAA_TRY(auto claim, parseClaim(path, name, entry));
      claims.push_back(std::move(claim));
      continue;
    }
    if (!entry.is_object())
      return fault(path, "`__metadata__` is not an object");
    for (const auto &[key, value] : entry.items()) {
      if (!value.is_string())
        return fault(path, fmt::format("`__metadata__`: `{}` is not a string", key));
      metadata_[key] = value.get<std::string>();
    }
  }
  std::stable_sort(claims.begin(), claims.end(), [](const Claim &a, const Claim &b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  // The claims in order must tile the rest of the file exactly.
  auto data = bytes.subspan(8 + headerSize);
  uint64_t next = 0;
  for (Claim &claim : claims) {
    const std::string &name = claim.tensor.name;
    if (claim.begin < next)
      return fault(path, name, fmt::format("its bytes {} to {} overlap another tensor's", claim.begin, claim.end));
    if (claim.begin > next)
      return fault(path, name, fmt::format("bytes {} to {} before it belong to no tensor", next, claim.begin));
    if (claim.end > data.size())
      return fault(path, name,
                   fmt::format("cut short: it ends at byte {} of the data, the file holds {}", claim.end, data.size()));
    claim.tensor.bytes = data.subspan(claim.begin, claim.end - claim.begin);
    next = claim.end;
    if (!byName_.emplace(name, tensors_.size()).second)
      return fault(path, name, "it is in another shard too");
    tensors_.push_back(std::move(claim.tensor));
  }
  if (next != data.size())
    return fault(path, fmt::format("{} bytes at the end belong to no tensor", data.size() - next));
  files_.push_back(std::move(file));
  return {};
}

Status TensorFile::addIndex(const Path &path) {
  CAA_TRY(auto index, readJson(path));
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    return fault(path, "not a safetensors index: there is no `weight_map`");
  std::vector<std::string> shards;
  for (const auto &[name, shard] : index["weight_map"].items()) {
    if (!shard.is_string())
      return fault(path, name, "its shard is not a file name");
    auto file = shard.get<std::string>();
    if (file.empty() || file.find('/') != std::string::npos)
      return fault(path, name, fmt::format("shard `{}` is not a file beside the index", file));
    if (std::find(shards.begin(), shards.end(), file) == shards.end())
      shards.push_back(file);
  }
  for (const std::string &shard : shards)
    CAA_CHECK(addFile(path.parent_path() / shard));
  for (const auto &[name, shard] : index["weight_map"].items())
    if (!byName_.count(name))
      return fault(path, name, fmt::format("it is not in `{}`", shard.get<std::string>()));
  return {};
}

Result<TensorFile> TensorFile::open(const Path &path) {
  TensorFile file;
  file.path_ = path;
  std::error_code code;
  if (std::filesystem::is_directory(path, code)) {
    file.path_ = path / "model.safetensors";
    if (!std::filesystem::exists(file.path_, code))
      file.path_ = path / "model.safetensors.index.json";
    if (!std::filesystem::exists(file.path_, code))
      return fault(path, "holds neither `model.safetensors` nor `model.safetensors.index.json`");
  }
  CAA_CHECK(file.path_.extension() == ".json" ? file.addIndex(file.path_) : file.addFile(file.path_));
  return file;
}

} // namespace caa
