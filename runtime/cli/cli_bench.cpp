// `caa-run bench`: where the time of an entry goes, kernel by kernel.
#include "runtime/cli/command.h"
#include "runtime/cli/compute_options.h"
#include "runtime/cli/numbers.h"
#include "runtime/train/bench.h"

#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>

namespace caa {

void addBenchCommand(CLI::App &app, Action &action) {
  struct Options : BenchOptions {
    ComputeOptions compute;
    Path so;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  auto *command = app.add_subcommand("bench", "Time per kernel, achieved rate, share of the step");
  command->add_option("SO", options->so, "The compiled model")->required();
  command->add_flag("--json", options->json, "As JSON");
  command->add_option("--entry", options->entry, "micro_step, eval_step, NAME.forward ... (default: micro_step)");
  command->add_option("--batch", options->batch, "Rows")->check(wholeNumber(1));
  command->add_option("--length", options->length, "Tokens a row (default: the model's context)")
      ->check(wholeNumber(1));
  command->add_option("--runs", options->runs, "Runs, of which the median counts")
      ->capture_default_str()
      ->check(wholeNumber(1));
  options->compute.addTo(*command);
  command->callback([options, &action] {
    action = [options]() -> Status {
      CAA_CHECK(options->compute.check());
      CAA_TRY(auto model, Model::load(options->so, options->compute.choice()));
      initialise(model->image(), model->parameters(), options->compute.seed.value_or(0), model->threads());
      CAA_TRY(auto result, bench(*model, *options));
      fmt::print("{}\n", options->json ? result.dump(2) : benchForPeople(result));
      return {};
    };
  });
}

} // namespace caa
