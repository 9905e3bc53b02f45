// Timing an entry command by command.
#pragma once

#include "runtime/base/json.h"
#include "runtime/train/model.h"

#include <optional>
#include <string>

namespace caa {

struct BenchOptions {
  std::string entry = "micro_step";
  std::optional<int64_t> batch, length;
  int64_t runs = 5;
};

/// Runs the entry on random inputs. Parameters are the model's as they are.
Result<OrderedJson> bench(Model &model, const BenchOptions &options);
std::string benchForPeople(const OrderedJson &result);

} // namespace caa
