// A compiled model with its parameters, ready to compute: what training, evaluation and generation share.
#pragma once

#include "runtime/train/batch.h"
#include "runtime/train/parameters.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace caa {

class Model {
public:
  /// Checks and loads the .so; parameters are zeros. `threads` 0: as many as there are processors.
  static Result<std::unique_ptr<Model>> load(const Path &path, unsigned threads);

  const Image &image() const { return library_.image(); }
  const Library &library() const { return library_; }
  Threads &threads() { return threads_; }
  Executor &executor() { return executor_; }
  ParameterArena &parameters() { return parameters_; }
  /// Zeros at first; micro-steps add to it. Allocated on first use.
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

  Model(Library library, unsigned threads);

private:
  Status run(std::string_view entry, const TokenBatch &batch, Bindings bindings, std::span<float> logits = {});

  Library library_;
  Threads threads_;
  Executor executor_;
  ParameterArena parameters_, gradients_;
  bool haveGradients_ = false;
  std::map<std::string, EntryPlan, std::less<>> plans_; // "entry rows length"
};

/// An error that names the first id beyond the model's `vocab`.
Status checkTokens(const Image &image, std::span<const int32_t> tokens, std::string_view source);

} // namespace caa
