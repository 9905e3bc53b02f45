// caa-run: parses the line, runs the chosen command, turns its error into a message and an exit status
// (0 good, 1 input, 2 usage, 3 internal; docs/commands.md).
#include "runtime/base/signals.h"
#include "runtime/cli/command.h"
#include "runtime/cli/repetition.h"

#include <CLI/CLI.hpp>
#include <exception>

int main(int argc, char **argv) {
  using namespace caa;
  installSignalHandlers();
  const bool isRepetition = repeatedFault().has_value();
  CLI::App app("Trains, evaluates and inspects the models that caac compiles.", "caa-run");
  app.set_version_flag("--version", "caa-run " CAA_VERSION);
  app.require_subcommand(1);
  Action action;
  addDataCommands(app, action);
  addReportCommand(app, action);
  addTrainCommand(app, action);
  addEvalCommand(app, action);
  addGenerateCommand(app, action);
  addCallCommand(app, action);
  addInspectCommand(app, action);
  addBenchCommand(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success &asked) { // --help, --version
    return app.exit(asked);
  } catch (const CLI::ParseError &error) {
    return reportError(usageError(std::string("error: ") + error.what() + " (see `caa-run --help`)"));
  }
  try {
    Status status = action();
    if (isRepetition)
      return endRepetition(status);
    if (!status && status.error().fault && !status.error().fault->isNamed)
      repeat(argv, status.error());
    return status ? 0 : reportError(status.error());
  } catch (const std::bad_alloc &) {
    return reportError(inputError("error: out of memory"));
  } catch (const std::exception &error) {
    return reportError(internalError(std::string("error: internal: ") + error.what()));
  }
}
