// The training settings: what the `.mdl` said, with what `--set train.KEY=VALUE` changes without recompiling.
#pragma once

#include "runtime/base/json.h"
#include "runtime/base/result.h"
#include "runtime/engine/image.h"
#include "runtime/train/schedule.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace caa {

struct OptimizerSettings {
  double lr = 3e-4, beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weightDecay = 0.1, clip = 1.0;
};

struct GroupSettings {
  std::string name;
  double lr = 1; // a factor
  std::optional<double> weightDecay, clip;
};

struct TrainSettings {
  std::string data, tokenizer, precision;
  OptimizerSettings optimizer;
  std::vector<GroupSettings> groups;
  int64_t batch = 512, steps = 0; // steps 0: not said
  Schedule schedule;
  uint64_t seed = 0;

  /// As JSON in the form of docs/settings.md, every key present.
  Json toJson() const;
};

/// Reads `settings` of the image, or `base` in their place; `overrides` are "train.KEY=VALUE". Errors name the key.
Result<TrainSettings> trainSettings(const Image &image, const std::vector<std::string> &overrides,
                                    const std::optional<Json> &base = {});

/// An integer parameter of the model (`context`, `vocab`); nothing if it has none of that name.
std::optional<int64_t> modelSetting(const Image &image, std::string_view name);

/// The `model` part of the settings.
Result<Json> modelSettings(const Image &image);

/// A constant as `--set` writes it: numbers with + - * / ^, truth values, words, strings, `name(key = value, ...)`,
/// lists. Records become objects with `kind` (docs/settings.md). Errors say what was expected.
Result<Json> parseConstant(std::string_view text);

} // namespace caa
