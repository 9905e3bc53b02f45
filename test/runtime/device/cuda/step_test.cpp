// Training steps on a GPU (the fake one) beside the processor's.
#include "runtime/train/stepper.h"
#include "test/runtime/device/cuda/fake_setting.h"
#include "test/seed.h"

#include <cmath>
#include <limits>
#include <random>

namespace caa {
namespace {

const test::FakeDriverSetting setting;

constexpr int64_t batch = 5, microBatch = 2, length = 33, vocab = 512;

/// A model, its optimizer and its steps on one device.
struct Side {
  std::unique_ptr<Model> model;
  std::unique_ptr<AdamW> optimizer;
  std::unique_ptr<Stepper> stepper;
};

class GpuSteps : public testing::Test {
protected:
  Side open(const char *device, const TrainSettings &settings) {
    Side side;
    auto model = Model::load(CAA_SAMPLE_SO, {device, 2, true});
    EXPECT_TRUE(model) << model.error().message;
    side.model = std::move(*model);
    initialise(side.model->image(), side.model->parameters(), 7, side.model->threads());
    side.optimizer = std::make_unique<AdamW>(*AdamW::create(side.model->image(), settings));
    auto stepper = Stepper::create(*side.model, *side.optimizer, batch, microBatch, length);
    EXPECT_TRUE(stepper) << stepper.error().message;
    side.stepper = std::move(*stepper);
    return side;
  }
  TokenBatch rows() {
    std::vector<int32_t> tokens;
    for (int64_t i = 0; i < batch * length; ++i)
      tokens.push_back(int32_t(random() % vocab));
    return TokenBatch::of(std::move(tokens), batch, length, {});
  }
  /// Steps on the batches, each loaded while the one before is computed; the results in order.
  std::vector<StepResult> run(Side &side, const std::vector<TokenBatch> &batches) {
    std::vector<StepResult> results;
    EXPECT_TRUE(side.stepper->load(batches[0]));
    for (size_t i = 0; i < batches.size(); ++i) {
      EXPECT_TRUE(side.stepper->begin(1e-2, int64_t(i) + 1));
      if (i + 1 < batches.size()) {
        EXPECT_TRUE(side.stepper->load(batches[i + 1]));
      }
      auto result = side.stepper->end();
      EXPECT_TRUE(result) << result.error().message;
      results.push_back(std::move(*result));
    }
    return results;
  }
  static void expectClose(std::span<const float> ours, std::span<const float> theirs, const char *what) {
    ASSERT_EQ(ours.size(), theirs.size());
    for (size_t i = 0; i < ours.size(); ++i)
      ASSERT_NEAR(ours[i], theirs[i], 1e-5 * (1 + std::abs(theirs[i]))) << what << " " << i;
  }
  TrainSettings settingsWithGroups() {
    TrainSettings settings;
    settings.optimizer = {.lr = 1e-2, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weightDecay = 0.1, .clip = 0.05};
    settings.groups = {{.name = "unused", .lr = 7, .weightDecay = 7.0, .clip = 7.0},
                       {.name = "gate", .lr = 0.5, .weightDecay = 0.2, .clip = 0.01}};
    return settings;
  }

  std::mt19937 random{testSeed()};
};

TEST_F(GpuSteps, LossesNormsParametersAndMomentsAreTheProcessors) {
  std::vector<TokenBatch> batches = {rows(), rows(), rows(), rows()};
  auto settings = settingsWithGroups();
  Side gpu = open("cuda", settings), cpu = open("cpu", settings);
  auto ours = run(gpu, batches), theirs = run(cpu, batches);
  for (size_t i = 0; i < batches.size(); ++i) {
    EXPECT_TRUE(ours[i].applied);
    EXPECT_NEAR(ours[i].sums[0], theirs[i].sums[0], 1e-5 * theirs[i].sums[0]);
    ASSERT_EQ(ours[i].norms.norms.size(), theirs[i].norms.norms.size());
    EXPECT_EQ(ours[i].norms.names, theirs[i].norms.names);
    for (size_t n = 0; n < ours[i].norms.norms.size(); ++n)
      EXPECT_NEAR(ours[i].norms.norms[n], theirs[i].norms.norms[n], 1e-5 * theirs[i].norms.norms[n]) << n;
    EXPECT_GT(theirs[i].norms.norms[2], 0);
  }
  ASSERT_TRUE(gpu.stepper->fetchMoments());
  expectClose((*gpu.model->currentParameters())->values(), cpu.model->parameters().values(), "parameters");
  expectClose(gpu.optimizer->firstMoment().values(), cpu.optimizer->firstMoment().values(), "first moment");
  expectClose(gpu.optimizer->secondMoment().values(), cpu.optimizer->secondMoment().values(), "second moment");
}

TEST_F(GpuSteps, StepsAreTheSameBitsEachTime) {
  std::vector<TokenBatch> batches = {rows(), rows(), rows()};
  Side one = open("cuda", settingsWithGroups()), other = open("cuda", settingsWithGroups());
  run(one, batches);
  run(other, batches);
  auto a = (*one.model->currentParameters())->values(), b = (*other.model->currentParameters())->values();
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
}

TEST_F(GpuSteps, AStepWithoutANumberChangesNothingAndTheNextOneIsAsIfItHadNotBeen) {
  Side side = open("cuda", settingsWithGroups());
  auto first = run(side, {rows()});
  std::vector<float> good((*side.model->currentParameters())->values().begin(),
                          (*side.model->currentParameters())->values().end());
  auto values = side.model->parameters().values(); // the host's, which the next step sees
  const size_t spoiled = side.model->image().parameters()[1].offset;
  values[spoiled] = std::numeric_limits<float>::infinity();
  auto bad = run(side, {rows()});
  EXPECT_FALSE(bad[0].applied);
  auto after = (*side.model->currentParameters())->values();
  for (size_t i = 0; i < good.size(); ++i)
    if (i != spoiled) {
      ASSERT_EQ(after[i], good[i]) << i;
    }
  side.model->parameters().values()[spoiled] = good[spoiled];
  EXPECT_TRUE(run(side, {rows()})[0].applied);
}

TEST_F(GpuSteps, NothingIsWaitedForBetweenTheMicroBatchesOfAStep) {
  Side side = open("cuda", settingsWithGroups());
  ASSERT_TRUE(side.stepper->load(rows()));
  size_t waits = test::fakeCalls("cuStreamSynchronize").size();
  ASSERT_TRUE(side.stepper->begin(1e-2, 1));
  EXPECT_EQ(test::fakeCalls("cuStreamSynchronize").size(), waits);
  ASSERT_TRUE(side.stepper->end());
  EXPECT_EQ(test::fakeCalls("cuStreamSynchronize").size(), waits + 1);
}

} // namespace
} // namespace caa
