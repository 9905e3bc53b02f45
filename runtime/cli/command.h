// How caa-run's commands hang together: every cli_*.cpp adds subcommands to the parser; the one that the user chose
// leaves its work in `Action`, which main runs once the whole line is parsed. So a wrong line is refused before
// anything happens.
#pragma once

#include "runtime/base/result.h"

#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace caa {

/// The chosen command's work.
using Action = std::function<Status()>;

/// `data tokenizer` and `data prepare` (cli_data.cpp).
void addDataCommands(CLI::App &app, Action &action);
/// `report` (cli_report.cpp).
void addReportCommand(CLI::App &app, Action &action);
/// One file each, cli_<command>.cpp.
void addTrainCommand(CLI::App &app, Action &action);
void addEvalCommand(CLI::App &app, Action &action);
void addGenerateCommand(CLI::App &app, Action &action);
void addCallCommand(CLI::App &app, Action &action);
void addInspectCommand(CLI::App &app, Action &action);
void addBenchCommand(CLI::App &app, Action &action);

/// Prints an error to stderr (colour on a terminal) and returns its exit status.
int reportError(const Error &error);

} // namespace caa
