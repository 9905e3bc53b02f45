// `caa-run report`.
#include "runtime/base/files.h"
#include "runtime/cli/command.h"
#include "runtime/report/html.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <memory>

namespace caa {

void addReportCommand(CLI::App &app, Action &action) {
  struct Options {
    std::vector<std::string> runs;
    std::string output;
  };
  auto options = std::make_shared<Options>();
  auto *report = app.add_subcommand("report", "Draw one or more runs as a self-contained HTML page");
  report->add_option("RUN", options->runs, "Run folders (runs/last is the newest)")->required();
  report->add_option("-o,--output", options->output, "The HTML file to write")->required();
  report->callback([options, &action] {
    action = [options]() -> Status {
      CAA_CHECK(writeReport({options->runs.begin(), options->runs.end()}, options->output));
      fmt::print("{}: ready\n", options->output);
      return {};
    };
  });
}

} // namespace caa
