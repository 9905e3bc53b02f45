// The command line through CLI11.
#include "codegen/Driver/Options.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/raw_ostream.h"

#include <CLI/CLI.hpp>

namespace caa {

std::string compilerVersion() { return "caac " CAA_VERSION " (LLVM " LLVM_VERSION_STRING ")"; }

static const std::pair<const char *, caa_target> allTargets[] = {
    {"cpu", CAA_TARGET_CPU}, {"sm_80", CAA_TARGET_SM80}, {"sm_90a", CAA_TARGET_SM90A}};

std::string targetName(caa_target target) {
  for (auto [name, candidate] : allTargets)
    if (candidate == target)
      return name;
  return "?";
}

/// Those that are named, or all where none is.
static std::vector<caa_target> chooseTargets(const std::vector<std::string> &names) {
  std::vector<caa_target> chosen;
  for (auto [name, target] : allTargets)
    if (names.empty() || std::find(names.begin(), names.end(), name) != names.end())
      chosen.push_back(target);
  return chosen;
}

/// Gives each --arg to the export before it. CLI11 tells in which order options came.
static std::string pairExports(const CLI::App &app, const CLI::Option *exportOption, const CLI::Option *argOption, Options &options) {
  size_t exports = 0, arguments = 0;
  for (const CLI::Option *option : app.parse_order()) {
    if (option == exportOption) {
      options.exports.push_back({exportOption->results()[exports++], {}});
    } else if (option == argOption) {
      std::string text = argOption->results()[arguments++];
      if (options.exports.empty())
        return "--arg " + text + ": belongs after an --export";
      options.exports.back().args.push_back(text);
    }
  }
  return "";
}

std::variant<Options, int> parseOptions(int argc, const char *const *argv) {
  Options options;
  CLI::App app{"Compiles a model (.mdl) to a shared object that caa-run trains.", "caac"};
  app.set_version_flag("--version", compilerVersion());
  app.add_option("FILE", options.input, "the model's text; - reads standard input")->required();
  app.add_option("-o,--output", options.output, "the file to write");
  app.add_option("--set", options.sets, "a model parameter (layers=4), a default (caa.ramp=16), a training key (train.optimizer.lr=1e-3)")
      ->type_name("NAME=VALUE")->allow_extra_args(false);
  app.add_option("--model", options.model, "the model to compile; the file's last if not given");
  std::vector<std::string> targets, exportNames, argTexts;
  app.add_option("--target", targets, "cpu, sm_80 or sm_90a, to be given again for more than one; all if not given")
      ->check(CLI::IsMember({"cpu", "sm_80", "sm_90a"}))->allow_extra_args(false);
  CLI::Option *exportOption =
      app.add_option("--export", exportNames, "make one attention or block callable alone")->type_name("NAME")->allow_extra_args(false);
  CLI::Option *argOption = app.add_option("--arg", argTexts, "a vector that the export before it takes")
                               ->type_name("VECTOR=HEADSxWIDTH")->allow_extra_args(false);
  std::string emit;
  app.add_option("--emit", emit, "write a stage of the compilation instead: ast, caa, tile, schedule, llvm, ptx")
      ->check(CLI::IsMember({"ast", "caa", "tile", "schedule", "llvm", "ptx"}));
  app.add_flag("--remarks", options.remarks, "tell what was not fused or takes a slower path, and why");
  app.add_flag("--timing", options.timing)->group(""); // hidden

  auto fail = [](const std::string &message, int status) {
    llvm::errs() << "caac: error: " << message << "\n";
    return status;
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success &help) {
    return app.exit(help);
  } catch (const CLI::ParseError &error) {
    return fail(std::string(error.what()) + " (caac --help tells more)", 2);
  }
  if (std::string problem = pairExports(app, exportOption, argOption, options); !problem.empty())
    return fail(problem, 2);
  static const std::vector<std::string> stages = {"", "ast", "caa", "tile", "schedule", "llvm", "ptx"};
  options.emit = Emit(std::find(stages.begin(), stages.end(), emit) - stages.begin());
  if (options.emit == Emit::SharedObject && options.output.empty())
    return fail("-o FILE.so is missing: where should the shared object go?", 2);
  options.targets = chooseTargets(targets);
  if (options.emit == Emit::Ptx && options.targets.back() == CAA_TARGET_CPU)
    return fail("--emit ptx: that is the code of a GPU; add --target sm_80 or --target sm_90a", 2);
  return options;
}

} // namespace caa
