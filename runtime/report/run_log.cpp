// run_log.h over jsonl.h.
#include "runtime/report/run_log.h"

#include "runtime/report/jsonl.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace caa {

Result<RunLog> readRunLog(const Path &run) {
  std::error_code code;
  Path path = run / "log.jsonl";
  if (!std::filesystem::exists(path, code))
    return inputError(fmt::format("{}: error: not a run: there is no log.jsonl in it", run.string()));
  CAA_TRY(auto rows, readJsonl(path));
  RunLog log;
  Path folder = std::filesystem::canonical(run, code);
  log.name = folder.filename().string();
  for (const Json &row : rows) {
    auto step = row.find("step");
    bool placed = step != row.end() && step->is_number();
    for (const auto &[key, value] : row.items()) {
      if (key == "sample" && value.is_string())
        log.sample = value.get<std::string>();
      if (!value.is_number())
        continue;
      log.last[key] = value.get<double>();
      if (placed && key != "step")
        log.series[key].push_back({step->get<double>(), value.get<double>()});
    }
  }
  if (log.last.empty())
    return inputError(fmt::format("{}: error: there are no figures in it yet", path.string()));
  return log;
}

Series smoothed(const Series &series, size_t reach) {
  std::vector<double> sums{0}; // of the first i values
  for (const Point &point : series)
    sums.push_back(sums.back() + point.value);
  Series result;
  for (size_t i = 0; i < series.size(); ++i) {
    size_t side = std::min({reach, i, series.size() - 1 - i});
    result.push_back({series[i].step, (sums[i + side + 1] - sums[i - side]) / double(2 * side + 1)});
  }
  return result;
}

} // namespace caa
