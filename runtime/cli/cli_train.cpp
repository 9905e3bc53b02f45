// `caa-run train`.
#include "runtime/cli/command.h"
#include "runtime/cli/compute_options.h"
#include "runtime/cli/numbers.h"
#include "runtime/cli/repetition.h"
#include "runtime/train/trainer.h"

#include <memory>

namespace caa {

void addTrainCommand(CLI::App &app, Action &action) {
  struct Options : TrainOptions {
    ComputeOptions computeOptions;
  };
  auto options = std::make_shared<Options>();
  auto *train = app.add_subcommand("train", "Train a compiled model");
  train->add_option("SO", options->so, "The compiled model")->required();
  auto *data = train->add_option("--data", options->data, "A folder of `data prepare` (default: the model's `data`)");
  train->add_option("--tokens", options->tokens, "Train on the rows of one token file, in order")->excludes(data);
  train->add_option("--run", options->run, "The run's folder (default: runs/<model>-<time>)");
  train->add_option("--steps", options->steps, "Length of the schedule")->check(wholeNumber(1));
  train->add_option("--stop-at", options->stopAt, "Save and end after this step")->check(wholeNumber(0));
  train->add_option("--micro-batch", options->microBatch, "Rows computed at once")->check(wholeNumber(1));
  train->add_option("--eval-every", options->evalEvery, "Steps between validations; 0: never")
      ->check(wholeNumber(0));
  train->add_option("--sample-every", options->sampleEvery, "Steps between samples of text; 0: one at the end")
      ->check(wholeNumber(0));
  train->add_option("--checkpoint-every", options->checkpointEvery, "Steps between checkpoints; 0: at the end only")
      ->check(wholeNumber(0));
  train->add_option("--keep", options->keep, "Checkpoints to keep")->capture_default_str()->check(wholeNumber(1));
  train->add_option("--resume", options->resume, "`auto`, a run or a checkpoint");
  train->add_option("--weights", options->weights, "Start from these weights (safetensors, also sharded)");
  train->add_option("--set", options->overrides, "train.KEY=VALUE")->allow_extra_args(false);
  options->computeOptions.addTo(*train);
  train->callback([options, &action] {
    action = [options]() -> Status {
      CAA_CHECK(options->computeOptions.check());
      options->compute = options->computeOptions.choice();
      options->seed = options->computeOptions.seed;
      options->repeats = repeatedFault();
      CAA_TRY(auto trainer, Trainer::create(*options));
      return options->repeats ? trainer->repeat() : trainer->run();
    };
  });
}

} // namespace caa
