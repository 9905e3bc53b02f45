// A training step on a GPU, queued whole: no wait between the loss counts, the micro-batches and the update.
//
//   step.upload(rows)      the rows of the step after the next `begin`; copies while the device computes
//   step.begin(schedule)   queues the step
//   step.upload(next rows)
//   step.end()             waits: losses, norms, reports
#pragma once

#include "runtime/device/cuda/runner.h"

#include <array>
#include <memory>
#include <span>
#include <vector>

namespace caa::cuda {

class GpuStep {
public:
  /// For steps of `batch` rows of `length` tokens in micro-batches of `microBatch` rows (the last one may have fewer).
  static Result<std::unique_ptr<GpuStep>> create(Runner &runner, int64_t batch, int64_t microBatch, int64_t length);
  ~GpuStep();
  GpuStep(const GpuStep &) = delete;

  /// [batch, length] each.
  Status upload(std::span<const int32_t> tokens, std::span<const int32_t> position, std::span<const int32_t> doc);

  /// Queues a step on the rows uploaded before. Of `state`, what the host sets counts; the first call sets all of it.
  Status begin(const caa_optimizer_state &state);

  struct Outcome {
    std::vector<double> sums, reports;
    caa_optimizer_state state; // as the kernels left it: norms, and whether the step was skipped
  };
  Result<Outcome> end();

private:
  GpuStep(Runner &runner) : runner_(runner) {}
  Status bindTokens(const EntryPlan &plan, Bound *&bound, int64_t row);
  Status queue(const caa_optimizer_state &state);
  Result<EntryPlan> plan(std::string_view entry, int64_t rows) const;

  /// Rows in pinned memory and on the device.
  struct Slot {
    PinnedMemory host;
    DeviceMemory device;
    Event copied;
  };

  Runner &runner_;
  int64_t batch_ = 0, microBatch_ = 0, length_ = 0;
  std::array<EntryPlan, 2> counts_, micro_; // of a whole micro-batch, and of the last one
  EntryPlan update_;
  Stream copies_;
  std::array<Slot, 2> slots_;
  size_t uploads_ = 0, steps_ = 0; // slot: number modulo 2
  PinnedMemory state_, results_;
  DeviceMemory emptyReports_;
  CUmodule module_ = nullptr;
  CUfunction lossScales_ = nullptr;
  bool isStateWritten_ = false;
};

} // namespace caa::cuda
