// Reading and overriding the training settings, with every key and value checked.
#include "runtime/train/settings.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

namespace caa {
namespace {

Error bad(std::string_view key, std::string_view expected) {
  return usageError(fmt::format("train.{} should be {}", key, expected));
}

Result<double> numberOf(const Json &value, std::string_view key, double least) {
  if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() < least)
    return bad(key, fmt::format("a number of at least {}", least));
  return value.get<double>();
}

Result<int64_t> integerOf(const Json &value, std::string_view key, int64_t least) {
  double number = value.is_number() ? value.get<double>() : -1; // 2000.0 is as whole as 2000
  if (!value.is_number() || std::floor(number) != number || number < double(least) || number >= 0x1p63)
    return bad(key, fmt::format("a whole number of at least {}", least));
  return value.is_number_integer() ? value.get<int64_t>() : int64_t(number);
}

Result<std::string> stringOf(const Json &value, std::string_view key) {
  if (!value.is_string())
    return bad(key, "a name or a path");
  return value.get<std::string>();
}

Status unknown(std::string_view key, const std::set<std::string> &known) {
  return usageError(fmt::format("there is no training key `train.{}`; known: {}", key, fmt::join(known, ", ")));
}

Status readOptimizer(const Json &json, OptimizerSettings &out) {
  if (!json.is_object())
    return bad("optimizer", "adamw(...)");
  for (const auto &[key, value] : json.items()) {
    auto path = "optimizer." + key;
    if (key == "kind") {
      if (value != "adamw")
        return bad("optimizer", "adamw(...)");
      continue;
    }
    struct Field {
      const char *name;
      double OptimizerSettings::*member;
    };
    const Field fields[] = {{"lr", &OptimizerSettings::lr},
                            {"beta1", &OptimizerSettings::beta1},
                            {"beta2", &OptimizerSettings::beta2},
                            {"eps", &OptimizerSettings::eps},
                            {"weight_decay", &OptimizerSettings::weightDecay},
                            {"clip", &OptimizerSettings::clip}};
    auto field = std::find_if(std::begin(fields), std::end(fields), [&](const Field &f) { return key == f.name; });
    if (field == std::end(fields))
      return unknown(path, {"lr", "beta1", "beta2", "eps", "weight_decay", "clip"});
    CAA_TRY(out.*field->member, numberOf(value, path, 0));
    if (key.starts_with("beta") && out.*field->member >= 1)
      return bad(path, "below 1");
  }
  return {};
}

Status readGroup(const Json &json, GroupSettings &out) {
  if (!json.is_object() || !json.contains("name"))
    return bad("groups", "[group(\"name\", ...)]");
  CAA_TRY(out.name, stringOf(json["name"], "groups"));
  for (const auto &[key, value] : json.items()) {
    auto path = fmt::format("groups.{}.{}", out.name, key);
    if (key == "kind" || key == "name")
      continue;
    if (key == "lr") {
      CAA_TRY(out.lr, numberOf(value, path, 0));
    } else if (key == "weight_decay") {
      CAA_TRY(out.weightDecay, numberOf(value, path, 0));
    } else if (key == "clip") {
      CAA_TRY(out.clip, numberOf(value, path, 0));
    } else {
      return unknown(path, {"lr", "weight_decay", "clip"});
    }
  }
  return {};
}

Status readSchedule(const Json &json, Schedule &out) {
  if (!json.is_object() || !json.contains("kind") || (json["kind"] != "cosine" && json["kind"] != "wsd"))
    return bad("schedule", "cosine(warmup = N, end = X) or wsd(warmup = N, decay = N, end = X)");
  out = {};
  out.kind = json["kind"] == "wsd" ? Schedule::Kind::Wsd : Schedule::Kind::Cosine;
  for (const auto &[key, value] : json.items()) {
    auto path = "schedule." + key;
    if (key == "kind")
      continue;
    if (key == "warmup") {
      CAA_TRY(out.warmup, integerOf(value, path, 0));
    } else if (key == "decay" && out.kind == Schedule::Kind::Wsd) {
      CAA_TRY(out.decay, integerOf(value, path, 0));
    } else if (key == "end") {
      CAA_TRY(out.end, numberOf(value, path, 0));
    } else {
      return unknown(path, {"warmup", "decay", "end"});
    }
  }
  return {};
}

Result<TrainSettings> readSettings(const Json &train) {
  TrainSettings out;
  for (const auto &[key, value] : train.items()) {
    if (key == "data") {
      CAA_TRY(out.data, stringOf(value, key));
    } else if (key == "tokenizer") {
      CAA_TRY(out.tokenizer, stringOf(value, key));
    } else if (key == "precision") {
      CAA_TRY(out.precision, stringOf(value, key));
    } else if (key == "optimizer") {
      CAA_CHECK(readOptimizer(value, out.optimizer));
    } else if (key == "groups") {
      if (!value.is_array())
        return bad(key, "a list of group(\"name\", ...)");
      for (const Json &group : value) {
        GroupSettings settings;
        CAA_CHECK(readGroup(group, settings));
        out.groups.push_back(std::move(settings));
      }
    } else if (key == "batch") {
      CAA_TRY(out.batch, integerOf(value, key, 1));
    } else if (key == "steps") {
      CAA_TRY(out.steps, integerOf(value, key, 0));
    } else if (key == "schedule") {
      CAA_CHECK(readSchedule(value, out.schedule));
    } else if (key == "seed") {
      CAA_TRY(int64_t seed, integerOf(value, key, 0));
      out.seed = uint64_t(seed);
    } else {
      return unknown(key,
                     {"data", "tokenizer", "precision", "optimizer", "groups", "batch", "steps", "schedule", "seed"})
          .error();
    }
  }
  return out;
}

/// Puts one `KEY=VALUE` into the JSON of the train block.
Status applyOverride(Json &train, std::string_view text) {
  size_t equals = text.find('=');
  std::string key(text.substr(0, equals));
  if (equals == std::string_view::npos || key.empty())
    return usageError(fmt::format("--set {}: expected train.KEY=VALUE", text));
  if (!key.starts_with("train."))
    return usageError(
        fmt::format("--set {0}: `{1}` is part of the compiled model: compile with `caac --set {0}`", text, key));
  key.erase(0, 6);
  if (key == "precision")
    return usageError(fmt::format("--set {0}: the precision is compiled in: compile with `caac --set {0}`", text));
  CAA_TRY(Json value, parseConstant(text.substr(equals + 1)));
  size_t dot = key.find('.');
  std::string first = key.substr(0, dot), rest = dot == std::string::npos ? "" : key.substr(dot + 1);
  if (rest.empty()) {
    train[first] = std::move(value);
    return {};
  }
  if (first == "optimizer" || first == "schedule") {
    Json &record = train[first];
    if (!record.is_object())
      record = Json{{"kind", first == "optimizer" ? "adamw" : "cosine"}};
    record[rest] = std::move(value);
    return {};
  }
  dot = rest.find('.');
  if (first == "groups" && dot != std::string::npos) {
    std::string group = rest.substr(0, dot);
    for (Json &record : train["groups"])
      if (record.is_object() && record.value("name", "") == group) {
        record[rest.substr(dot + 1)] = std::move(value);
        return {};
      }
    return usageError(fmt::format("--set {}: there is no group `{}`", text, group));
  }
  return usageError(fmt::format("--set {}: there is no training key `train.{}`", text, key));
}

Result<Json> settingsPart(const Image &image, const char *part) {
  auto json = Json::parse(image.text(image.header().settings), nullptr, false);
  if (json.is_discarded() || !json.is_object() || !json.contains(part) || !json[part].is_object())
    return image.error(fmt::format("its settings have no `{}`", part));
  return Json(json[part]);
}

} // namespace

Result<TrainSettings> trainSettings(const Image &image, const std::vector<std::string> &overrides,
                                    const std::optional<Json> &base) {
  CAA_TRY(Json train, settingsPart(image, "train"));
  if (base)
    train = *base;
  for (const std::string &text : overrides)
    CAA_CHECK(applyOverride(train, text));
  CAA_TRY(auto settings, readSettings(train));
  for (const GroupSettings &group : settings.groups) {
    auto parameters = image.parameters();
    if (std::none_of(parameters.begin(), parameters.end(),
                     [&](const caa_parameter &p) { return image.text(p.group) == group.name; }))
      return usageError(fmt::format("train.groups: no parameter is in group `{}`", group.name));
  }
  return settings;
}

Json TrainSettings::toJson() const {
  Json json;
  json["data"] = data;
  json["tokenizer"] = tokenizer;
  if (!precision.empty())
    json["precision"] = precision;
  json["batch"] = batch;
  json["steps"] = steps;
  json["seed"] = seed;
  json["optimizer"] = {{"kind", "adamw"},          {"lr", optimizer.lr},   {"beta1", optimizer.beta1},
                       {"beta2", optimizer.beta2}, {"eps", optimizer.eps}, {"weight_decay", optimizer.weightDecay},
                       {"clip", optimizer.clip}};
  json["groups"] = Json::array();
  for (const GroupSettings &group : groups) {
    Json record = {{"kind", "group"}, {"name", group.name}, {"lr", group.lr}};
    if (group.weightDecay)
      record["weight_decay"] = *group.weightDecay;
    if (group.clip)
      record["clip"] = *group.clip;
    json["groups"].push_back(std::move(record));
  }
  json["schedule"] = {{"kind", schedule.kind == Schedule::Kind::Wsd ? "wsd" : "cosine"},
                      {"warmup", schedule.warmup},
                      {"end", schedule.end}};
  if (schedule.kind == Schedule::Kind::Wsd)
    json["schedule"]["decay"] = schedule.decay;
  return json;
}

Result<Json> modelSettings(const Image &image) { return settingsPart(image, "model"); }

std::optional<int64_t> modelSetting(const Image &image, std::string_view name) {
  auto model = settingsPart(image, "model");
  if (!model || !model->contains(name) || !(*model)[std::string(name)].is_number_integer())
    return std::nullopt;
  return (*model)[std::string(name)].get<int64_t>();
}

} // namespace caa
