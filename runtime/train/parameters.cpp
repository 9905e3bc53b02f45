// Initialisation, loading by name, and counting.
#include "runtime/train/parameters.h"

#include "runtime/base/json.h"
#include "runtime/train/random.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

namespace caa {

Result<ParameterArena> ParameterArena::allocate(const Image &image) {
  ParameterArena arena;
  CAA_TRY(arena.memory_, Memory::allocate(parameterElements(image) * 4));
  return arena;
}

Shape shapeOf(const caa_parameter &parameter) { return {parameter.shape, parameter.shape + parameter.rank}; }

std::span<const caa_parameter> modelParameters(const Image &image) {
  auto all = image.parameters();
  auto end = std::find_if(all.begin(), all.end(), [&](const caa_parameter &p) {
    return image.text(p.name).find(':') != std::string_view::npos;
  });
  return all.first(size_t(end - all.begin()));
}

std::string_view nameWithin(const Image &image, const caa_parameter &parameter, std::string_view name) {
  auto full = image.text(parameter.name);
  if (full.starts_with(name) && full.substr(name.size()).starts_with(':'))
    full.remove_prefix(name.size() + 1);
  return full;
}

std::vector<TensorView> ParameterArena::views(const Image &image, std::string_view prefix) const {
  std::vector<TensorView> views;
  for (const caa_parameter &parameter : modelParameters(image))
    views.push_back(
        viewOf(std::string(prefix) + std::string(image.text(parameter.name)), shapeOf(parameter), of(parameter)));
  return views;
}

void initialise(const Image &image, const ParameterArena &arena, uint64_t seed, Threads &threads) {
  constexpr int64_t block = 1 << 14;
  for (const caa_parameter &parameter : image.parameters()) {
    auto values = arena.of(parameter);
    const double a = parameter.init_a, b = parameter.init_b;
    RandomStream stream(seed, image.text(parameter.name));
    auto value = [&](uint64_t index) -> double {
      switch (parameter.init) {
      case CAA_INIT_ONES:
        return 1;
      case CAA_INIT_NORMAL:
        return a + b * stream.normal(index);
      case CAA_INIT_UNIFORM:
        return a + (b - a) * stream.uniform(index);
      default:
        return 0;
      }
    };
    threads.split((int64_t(values.size()) + block - 1) / block, [&](unsigned, int64_t begin, int64_t end) {
      for (int64_t i = begin * block; i < std::min<int64_t>(end * block, int64_t(values.size())); ++i)
        values[i] = float(std::clamp(value(uint64_t(i)), parameter.low, parameter.high));
    });
  }
}

namespace {

/// Tensors that published files may hold beside a model's parameters: what could be computed again, or the head's
/// weight where it is the table's (tied).
bool isHarmless(const TensorFile &file, const TensorView &extra) {
  if (extra.name.ends_with("rotary_emb.inv_freq") || extra.name.ends_with(".attn.bias") ||
      extra.name.ends_with(".attn.masked_bias"))
    return true;
  return extra.name == "lm_head.weight" &&
         std::any_of(file.tensors().begin(), file.tensors().end(), [&](const TensorView &other) {
           return other.name != extra.name && other.dtype == extra.dtype && other.shape == extra.shape &&
                  other.bytes.size() == extra.bytes.size() &&
                  std::memcmp(other.bytes.data(), extra.bytes.data(), extra.bytes.size()) == 0;
         });
}

} // namespace

Status loadParameters(const Image &image, const ParameterArena &arena, const TensorFile &file,
                      std::string_view prefix) {
  std::string faults;
  std::set<std::string> known;
  for (const caa_parameter &parameter : modelParameters(image)) {
    std::string name = std::string(prefix) + std::string(image.text(parameter.name));
    known.insert(name);
    const TensorView *tensor = file.find(name);
    if (!tensor)
      faults += fmt::format("\n  missing: {}", name);
    else if (tensor->shape != shapeOf(parameter))
      faults += fmt::format("\n  wrong shape: {} is {}, the model's {}", name, toString(tensor->shape),
                            toString(shapeOf(parameter)));
  }
  for (const TensorView &tensor : file.tensors())
    if (tensor.name.starts_with(prefix) && !known.contains(tensor.name) && !isHarmless(file, tensor))
      faults += fmt::format("\n  not in the model: {}", tensor.name);
  if (!faults.empty())
    return inputError(
        fmt::format("{}: error: does not fit the model `{}`:{}", file.path().string(), image.modelName(), faults));
  for (const caa_parameter &parameter : modelParameters(image)) {
    std::string name = std::string(prefix) + std::string(image.text(parameter.name));
    if (auto status = copyAsFloat32(*file.find(name), arena.of(parameter)); !status)
      return inputError(fmt::format("{}: error: {}", file.path().string(), status.error().message));
  }
  return {};
}

ParameterCounts countParameters(const Image &image) {
  // The plain form says which parameters are tables of embeddings.
  std::set<std::string> tables;
  auto plain = Json::parse(image.text(image.header().plain_form), nullptr, false);
  if (plain.is_object() && plain.contains("functions") && plain["functions"].is_array())
    for (const Json &function : plain["functions"]) {
      std::map<int64_t, std::string> readBy;
      if (!function.is_object() || !function.contains("ops") || !function["ops"].is_array())
        continue;
      for (const Json &op : function["ops"]) {
        if (!op.is_object())
          continue;
        auto first = [&](const char *key, size_t index) -> int64_t {
          auto list = op.find(key);
          return list != op.end() && list->is_array() && list->size() > index && (*list)[index].is_number_integer()
                     ? (*list)[index].get<int64_t>()
                     : -1;
        };
        auto name = op.value("op", "");
        if (name == "caa.param" && op.contains("attrs") && op["attrs"].is_object())
          readBy[first("out", 0)] = op["attrs"].value("name", "");
        if (name == "caa.round" && readBy.contains(first("in", 0))) // to the precision, before use
          readBy[first("out", 0)] = readBy[first("in", 0)];
        if (name == "caa.embed" && readBy.contains(first("in", 1)))
          tables.insert(readBy[first("in", 1)]);
      }
    }
  ParameterCounts counts;
  for (const caa_parameter &parameter : modelParameters(image)) {
    counts.all += int64_t(parameter.elements);
    if (parameter.rank >= 2 && !tables.contains(std::string(image.text(parameter.name))))
      counts.matricesOutsideEmbedding += int64_t(parameter.elements);
  }
  return counts;
}

} // namespace caa
