// A run's log as curves: every number in its rows by name, over the step.
#pragma once

#include "runtime/base/files.h"

#include <map>
#include <string>
#include <vector>

namespace caa {

struct Point {
  double step, value;
};
using Series = std::vector<Point>;

struct RunLog {
  std::string name;                     // the folder's
  std::map<std::string, Series> series; // without nulls
  std::map<std::string, double> last;   // each number's last value, also from rows without a step
  std::string sample;                   // the last `sample` of the rows
};

/// Reads `<run>/log.jsonl`.
Result<RunLog> readRunLog(const Path &run);

/// Mean over up to `reach` points on either side, as many on one as on the other: it neither lags nor bends the ends.
Series smoothed(const Series &series, size_t reach);

} // namespace caa
