// The report of one or more runs: one HTML file that needs nothing else, for light and dark.
#pragma once

#include "runtime/report/run_log.h"

#include <string>
#include <vector>

namespace caa {

/// The page's text: table of figures, loss curves, every other series of the logs, samples.
std::string reportPage(const std::vector<RunLog> &runs);

/// Reads the runs' logs and writes the page.
Status writeReport(const std::vector<Path> &runs, const Path &output);

} // namespace caa
