// The step on the processor, entry by entry, and on a GPU, queued whole.
#include "runtime/train/stepper.h"

#include "runtime/device/cuda/gpu_step.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace caa {
namespace {

class HostStepper final : public Stepper {
public:
  HostStepper(Model &model, AdamW &optimizer, int64_t microBatch)
      : model_(model), optimizer_(optimizer), microBatch_(microBatch) {}

  Status load(TokenBatch rows) override {
    next_ = std::move(rows);
    return {};
  }
  Status begin(double lr, int64_t update) override {
    rows_ = std::move(next_);
    lr_ = lr;
    update_ = update;
    return {};
  }
  Result<StepResult> end() override;
  Status fetchMoments() override { return {}; }

private:
  Model &model_;
  AdamW &optimizer_;
  int64_t microBatch_;
  TokenBatch next_, rows_;
  double lr_ = 0;
  int64_t update_ = 0;
};

Result<StepResult> HostStepper::end() {
  std::vector<double> counts(model_.lossCount());
  StepResult result{.sums = std::vector<double>(model_.lossCount()), .reports = model_.emptyReports(), .norms = {}};
  std::vector<TokenBatch> parts;
  for (int64_t row = 0; row < rows_.rows; row += microBatch_)
    parts.push_back(rows_.part(row, std::min(microBatch_, rows_.rows - row)));
  for (const TokenBatch &part : parts)
    CAA_CHECK(model_.countLosses(part, counts));
  auto scales = Model::scalesOf(counts);
  for (const TokenBatch &part : parts)
    CAA_CHECK(model_.microStep(part, scales, result.sums, result.reports));
  CAA_TRY(ParameterArena * gradients, model_.gradients());
  result.norms = optimizer_.norms(*gradients, model_.threads());
  const double total = std::accumulate(result.sums.begin(), result.sums.end(), 0.0);
  result.applied = std::isfinite(total) && result.norms.usable();
  if (result.applied) {
    optimizer_.update(model_.parameters(), *gradients, result.norms, lr_, update_, model_.threads());
  } else {
    auto values = gradients->values();
    std::memset(values.data(), 0, values.size_bytes());
  }
  return result;
}

class GpuStepper final : public Stepper {
public:
  GpuStepper(Model &model, AdamW &optimizer) : model_(model), optimizer_(optimizer) {}

  Status open(int64_t batch, int64_t microBatch, int64_t length, bool isFresh) {
    CAA_CHECK(model_.flushParameters());
    Engine &engine = model_.engine();
    if (!isFresh) { // a GPU's memory of them begins as zeros
      CAA_CHECK(engine.write(StateArena::FirstMoment, optimizer_.firstMoment().values()));
      CAA_CHECK(engine.write(StateArena::SecondMoment, optimizer_.secondMoment().values()));
    }
    CAA_TRY(step_, cuda::GpuStep::create(model_.gpu()->runner(), batch, microBatch, length));
    return {};
  }
  Status load(TokenBatch rows) override { return step_->upload(rows.tokens, rows.position, rows.doc); }
  Status begin(double lr, int64_t update) override {
    CAA_CHECK(model_.flushParameters());
    CAA_TRY(auto state, optimizer_.deviceState(lr, update));
    return step_->begin(state);
  }
  Result<StepResult> end() override {
    CAA_TRY(auto outcome, step_->end());
    return StepResult{std::move(outcome.sums), std::move(outcome.reports), optimizer_.norms(outcome.state),
                      outcome.state.skip == 0};
  }
  Status fetchMoments() override {
    Engine &engine = model_.engine();
    CAA_CHECK(engine.read(StateArena::FirstMoment, optimizer_.firstMoment().values()));
    return engine.read(StateArena::SecondMoment, optimizer_.secondMoment().values());
  }

private:
  Model &model_;
  AdamW &optimizer_;
  std::unique_ptr<cuda::GpuStep> step_;
};

} // namespace

Result<std::unique_ptr<Stepper>> Stepper::create(Model &model, AdamW &optimizer, int64_t batch, int64_t microBatch,
                                                 int64_t length, bool isFresh) {
  if (!model.gpu())
    return std::unique_ptr<Stepper>(std::make_unique<HostStepper>(model, optimizer, microBatch));
  auto stepper = std::make_unique<GpuStepper>(model, optimizer);
  CAA_CHECK(stepper->open(batch, microBatch, length, isFresh));
  return std::unique_ptr<Stepper>(std::move(stepper));
}

} // namespace caa
