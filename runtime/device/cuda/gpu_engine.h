// The Engine of a GPU (runtime/engine/engine.h): copies what a caller binds, runs the entry, copies the results back.
// Training steps, which do not wait between entries, are in gpu_step.h.
#pragma once

#include "runtime/device/cuda/runner.h"

namespace caa::cuda {

class GpuEngine final : public Engine {
public:
  /// Opens GPU `device` and loads the image's code on it. `image` outlives the result. `deterministic`: the same bits in
  /// every run on this kind of device.
  static Result<std::unique_ptr<GpuEngine>> open(int device, const Image &image, bool deterministic);
  /// Whether GPU 0 is there and the image has code for it: what `--device` is by default. Takes nothing of it.
  static bool isUsable(const Image &image);

  Runner &runner() { return *runner_; }

  caa_target target() const override { return runner_->target(); }
  std::string code() const override;
  std::string place() const override;
  Status run(const EntryPlan &plan, const Bindings &bindings) override;
  Status write(StateArena arena, std::span<const float> values) override;
  Status read(StateArena arena, std::span<float> values) override;
  int64_t bytesOf(const EntryPlan &plan) const override { return Runner::bytesOf(plan); }
  int64_t parameterBytes() const override;
  int64_t trainingBytes() const override;
  Result<int64_t> availableMemory() const override;
  std::string memoryNote() const override;
  Result<int64_t> peakMemory() const override { return runner_->device().peakAllocated(); }
  int64_t usualTokens() const override { return 32768; }
  Result<double> measureProductPeak() override { return runner_->products().measurePeak(runner_->stream()); }
  Result<double> measureCopyRate() override;
  void setPoison(bool poison) override { runner_->setPoison(poison); }
  void setObserver(Observer observer) override { observer_ = std::move(observer); }

private:
  GpuEngine() = default;
  Status upload(CUdeviceptr to, const void *from, int64_t bytes, std::string_view what);
  Status download(void *to, CUdeviceptr from, int64_t bytes, std::string_view what);
  Status copyState(const Bindings &bindings, bool in);

  std::unique_ptr<Runner> runner_;
  Observer observer_;
};

} // namespace caa::cuda
