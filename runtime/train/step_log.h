// What a run writes down: a row of log.jsonl, TensorBoard scalars, and the same to the next start.
#pragma once

#include "runtime/report/jsonl.h"
#include "runtime/report/tensorboard.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace caa {

class StepLog {
public:
  /// Opens the folder's files. A run that goes on after `step` first drops what was written beyond it.
  static Result<StepLog> open(const Path &run, int64_t step);

  /// One row and its scalars (`train/<key>`, or the key itself where it holds a slash or starts with `val_`).
  Status write(int64_t step, const OrderedJson &row);
  Status writeText(int64_t step, const std::string &tag, const std::string &text);

private:
  StepLog(JsonlWriter rows, EventWriter events) : rows_(std::move(rows)), events_(std::move(events)) {}
  JsonlWriter rows_;
  EventWriter events_;
};

} // namespace caa
