// Checkpoints: a folder of safetensors and JSON that is complete or invisible, with a checksum over every byte.
//
//   checkpoint-<step>/ model.safetensors  optimizer.safetensors  config.json  tokenizer.json  state.json
//
// The folder is filled aside and renamed into place (files.h), so `kill -9` leaves the one before. `state.json` holds
// the SHA-256 of the other files and one of itself.
#pragma once

#include "runtime/base/json.h"
#include "runtime/train/adamw.h"

#include <optional>

namespace caa {

/// What a run needs to go on, beside tensors.
struct RunState {
  int64_t step = 0;       // steps done
  int64_t updates = 0;    // of them, those that were applied (no NaN)
  uint64_t position = 0;  // rows of the training data that were read
  uint64_t seed = 0;      // of initialisation and data order; every random number is a function of it and a counter
  int64_t steps = 0;      // the schedule's length
  int64_t microBatch = 0; // gradients add up in this rhythm
  std::string modelSeal;  // of the .so
  std::string dataId;     // what the rows came from
  std::string isa;
  unsigned threads = 0;
  Json settings;      // the training settings
  double seconds = 0; // of training so far
};

class Checkpoint {
public:
  /// Opens `path`: a checkpoint, or a run folder (its newest checkpoint). Every byte is checked; where a run's newest is
  /// damaged, the error names the one before.
  static Result<Checkpoint> open(const Path &path);

  const Path &path() const { return path_; }
  const RunState &state() const { return state_; }
  /// Nothing where the run had no tokenizer.
  std::optional<Path> tokenizer() const;

  /// Parameters by name: names and shapes must agree with the model's.
  Status loadParameters(const Image &image, const ParameterArena &parameters) const;
  Status loadMoments(const Image &image, const AdamW &optimizer) const;

private:
  static Result<Checkpoint> openAlone(const Path &folder);
  Path path_;
  RunState state_;
};

struct CheckpointSource {
  const Image &image;
  const ParameterArena &parameters;
  const AdamW &optimizer;
  const RunState &state;
  std::optional<Path> tokenizer; // copied
};

/// Writes `run`/checkpoint-<step>, points `run`/last at it, and removes all but the `keep` newest.
Result<Path> saveCheckpoint(const Path &run, const CheckpointSource &source, int64_t keep);

/// Checkpoints of a run, by step, newest last.
std::vector<Path> checkpointsOf(const Path &run);

/// Makes or replaces a relative link in one step.
Status replaceLink(const Path &link, const Path &target);

} // namespace caa
