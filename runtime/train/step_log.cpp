// Rows and events beside each other.
#include "runtime/train/step_log.h"

#include <chrono>

namespace caa {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::string tagOf(const std::string &key) {
  if (key.find('/') != std::string::npos)
    return key;
  if (key.starts_with("val_"))
    return "val/" + key.substr(4);
  return "train/" + key;
}

} // namespace

Result<StepLog> StepLog::open(const Path &run, int64_t step) {
  CAA_CHECK(makeFolder(run));
  CAA_CHECK(dropRowsAfter(run / "log.jsonl", step));
  CAA_TRY(auto rows, JsonlWriter::open(run / "log.jsonl"));
  CAA_TRY(auto events, EventWriter::create(run));
  if (step > 0)
    CAA_CHECK(events.addRestart(step + 1, now()));
  return StepLog(std::move(rows), std::move(events));
}

Status StepLog::write(int64_t step, const OrderedJson &row) {
  CAA_CHECK(rows_.write(row));
  for (const auto &[key, value] : row.items())
    if (value.is_number() && key != "step")
      CAA_CHECK(events_.addScalar(tagOf(key), step, now(), value.get<float>()));
  return {};
}

Status StepLog::writeText(int64_t step, const std::string &tag, const std::string &text) {
  return events_.addText(tag, step, now(), text);
}

} // namespace caa
