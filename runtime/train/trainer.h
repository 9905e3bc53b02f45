// Training: from options to a run folder with checkpoints, logs and a summary.
//
// A step: count the losses' pairs over the whole batch, run the micro-batches (gradients add up), look at the
// gradient's norms (a NaN skips the step), update. Resuming gives the same bits: the order of rows is a function of the
// place, and the optimizer's state is in the checkpoint.
#pragma once

#include "runtime/base/folder_lock.h"
#include "runtime/base/progress.h"
#include "runtime/train/checkpoint.h"
#include "runtime/train/evaluate.h"
#include "runtime/train/rows.h"
#include "runtime/train/step_log.h"
#include "runtime/train/stepper.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace caa {

struct TrainOptions {
  Path so;
  std::optional<Path> data, run, tokens, weights;
  std::optional<std::string> resume; // "auto" or a folder
  std::vector<std::string> overrides;
  std::optional<int64_t> steps, stopAt, microBatch, evalEvery, checkpointEvery;
  int64_t sampleEvery = 0; // steps; 0: at the end only
  int64_t keep = 3;
  std::optional<uint64_t> seed;
  ComputeChoice compute;
  std::optional<std::string> repeats; // `again` of the fault that `run` ended with: what `repeat` does
};

class Trainer {
public:
  /// Checks everything that can be checked before the first step: the model, the data, memory, the checkpoint.
  static Result<std::unique_ptr<Trainer>> create(TrainOptions options);
  /// Trains to the end, to `--stop-at`, or until a stop is asked for; saves; prints a summary.
  Status run();
  /// Does again what ended `run` of another process with a fault (options.repeats), from the newest checkpoint, and writes
  /// nothing: the error that it meets then.
  Status repeat();

private:
  explicit Trainer(TrainOptions options) : options_(std::move(options)) {}
  Status open();
  Status openCheckpoint();
  Status openSettings();
  Status openData();
  Status openRun();
  void noteChanges() const;
  Status checkMemory();
  void describe() const;

  Status load(uint64_t position);
  double rateOf(int64_t step) const { return settings_.schedule.rate(step, settings_.steps, settings_.optimizer.lr); }
  Result<StepResult> compute();
  Status step();
  Status train();
  Error located(Error error) const;
  void describeReports(std::span<const double> reports, OrderedJson &row) const;
  Status validate(OrderedJson &row);
  Status save();
  Status finish(bool stopped);
  Result<std::string> makeSample();
  Status sample();

  TrainOptions options_;
  std::unique_ptr<Model> model_;
  TrainSettings settings_;
  int64_t context_ = 0, microBatch_ = 1, last_ = 0; // last_: the step after which this process ends
  std::optional<PreparedData> data_;
  std::optional<TrainingRows> rows_;
  std::optional<AdamW> optimizer_;
  std::unique_ptr<Stepper> stepper_;
  bool areRowsLoaded_ = false;
  std::optional<Checkpoint> checkpoint_; // resumed from
  std::optional<Path> tokenizer_;
  Path run_;
  RunState state_;
  std::optional<FolderLock> lock_; // of the run's folder
  std::optional<StepLog> log_;
  std::unique_ptr<Progress> progress_;
  double flopsPerToken_ = 0, peak_ = 0; // peak 0: not known
  double lastLoss_ = 0, lastRate_ = 0;
  std::optional<double> valLoss_, valBits_;
  int skippedInARow_ = 0;
  Path lastSaved_;
  enum class Doing { Step, Validation, Sample } doing_ = Doing::Step;
};

} // namespace caa
