// How a model is trained: the keys of `train`, with their defaults, after `--set train.*`.
#pragma once

#include "frontend/Sema/Evaluator.h"

namespace caa {

struct TrainConfig {
  struct Optimizer {
    double lr = 3e-4, beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weightDecay = 0.1, clip = 1.0;
  };
  struct Group {
    std::string name;
    double lr = 1; // a factor
    std::optional<double> weightDecay, clip;
  };
  struct Schedule {
    std::string kind = "cosine"; // or "wsd"
    int64_t warmup = 0, decay = 0;
    double end = 0;
  };
  std::string data, tokenizer;          // "": not given
  std::optional<std::string> precision; // "bf16" or "fp32"
  Optimizer optimizer;
  std::vector<Group> groups;
  int64_t batch = 512;
  std::optional<int64_t> steps;
  Schedule schedule;
  int64_t seed = 0;
};

// Reads the main file's `train` (if any) and the overrides; reports every unknown key and impossible value.
// `groups` are the names that the model's parameters use.
TrainConfig readTrain(Evaluator &evaluator, const Program &program, Overrides &overrides,
                      const std::set<std::string> &groups, Diagnostics &diagnostics);

} // namespace caa
