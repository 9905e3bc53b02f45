// A compiled model with its parameters, ready to compute: what training, evaluation and generation share.
#pragma once

#include "runtime/device/cuda/gpu_engine.h"
#include "runtime/engine/executor.h"
#include "runtime/train/batch.h"
#include "runtime/train/parameters.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace caa {

/// Where and how to compute: what `--device`, `--threads` and `--deterministic` say.
struct ComputeChoice {
  std::string device;   // "cpu", "cuda", "cuda:1"; "": GPU 0 if it is there and the file has code for it, else "cpu"
  unsigned threads = 0; // 0: as many as there are processors
  bool deterministic = false;
};

class Model {
public:
  /// Checks the .so and loads its code where it is to run; parameters are zeros.
  static Result<std::unique_ptr<Model>> load(const Path &path, const ComputeChoice &choice);

  const Image &image() const { return image_; }
  Threads &threads() { return threads_; }
  Engine &engine() { return *engine_; }
  /// The engine if it is a GPU's, else null.
  cuda::GpuEngine *gpu() { return gpu_; }
  bool hasEntry(std::string_view name) const { return image_.findEntry(engine_->target(), name) != nullptr; }
  /// What the host sets: whoever asks for them may change them, and the next run sees that.
  ParameterArena &parameters();
  /// As they are now, after training too.
  Result<const ParameterArena *> currentParameters();
  /// Zeros at first; micro-steps add to it. As they are now.
  Result<ParameterArena *> gradients();
  size_t lossCount() const { return image().losses().size(); }

  /// Adds the number of (token, head) pairs of every loss.
  Status countLosses(const TokenBatch &batch, std::span<double> counts);
  /// Forward and backward: adds gradients, losses (scaled) and reports.
  Status microStep(const TokenBatch &batch, std::span<float> scales, std::span<double> sums, std::span<double> reports);
  /// Forward: adds losses (scaled).
  Status evaluate(const TokenBatch &batch, std::span<float> scales, std::span<double> sums);
  /// [rows, length, vocab].
  Result<std::vector<float>> logits(const TokenBatch &batch);

  /// Runs an entry with the parameters as they are.
  Status run(const EntryPlan &plan, const Bindings &bindings);
  /// Has the engine see the parameters that the host set.
  Status flushParameters();

  /// Arena, scratch and values of an entry, in bytes.
  Result<int64_t> memoryOf(std::string_view entry, int64_t rows, int64_t length);
  /// The plan of an entry at these sizes, kept from call to call.
  Result<const EntryPlan *> plan(std::string_view entry, int64_t rows, int64_t length);

  /// Sum over the losses of a name of (sum_i / count_i); losses without a pair count as zero.
  double lossNamed(std::string_view name, std::span<const double> sums) const;
  /// 1 / count per loss; 0 where there is nothing to count.
  static std::vector<float> scalesOf(std::span<const double> counts);
  /// Empty reports: count, sum, sum of squares 0; least and most at the far ends.
  std::vector<double> emptyReports() const;

  Model(Image image, unsigned threads) : image_(std::move(image)), threads_(threads) {}

private:
  Status runOnTokens(std::string_view entry, const TokenBatch &batch, Bindings bindings, std::span<float> logits = {});
  Result<ParameterArena *> hostGradients();

  Image image_;
  Threads threads_;
  std::optional<Library> library_; // on a CPU
  std::unique_ptr<Engine> engine_;
  cuda::GpuEngine *gpu_ = nullptr;
  ParameterArena parameters_, gradients_;
  bool haveGradients_ = false, parametersChanged_ = true;
  std::map<std::string, EntryPlan, std::less<>> plans_; // "entry rows length"
};

/// An error that names the first id beyond the model's `vocab`.
Status checkTokens(const Image &image, std::span<const int32_t> tokens, std::string_view source);

} // namespace caa
