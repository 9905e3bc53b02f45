// Entries on a GPU (the fake one) beside the processor's, and what the driver was asked for.
#include "runtime/device/cuda/gpu_engine.h"
#include "runtime/engine/executor.h"
#include "runtime/store/dtype.h"
#include "test/runtime/device/cuda/fake_setting.h"
#include "test/seed.h"

#include <cmath>
#include <random>

namespace caa {
namespace {

using test::contains;
using test::fakeCalls;

const test::FakeDriverSetting setting;

constexpr int64_t width = 8, vocab = 512; // of test/codegen/SampleProgram.h

class Gpu : public testing::Test {
protected:
  Gpu() : image(*Image::open(CAA_SAMPLE_SO)), library(*Library::load(image)), elements(parameterElements(image)) {
    parameters.resize(size_t(elements));
    std::normal_distribution<float> normal;
    for (float &value : parameters)
      value = normal(random);
    gpu = open(false);
  }
  std::unique_ptr<cuda::GpuEngine> open(bool deterministic) {
    auto opened = cuda::GpuEngine::open(0, image, deterministic);
    if (!opened)
      throw std::runtime_error(opened.error().message);
    if (auto status = (*opened)->write(StateArena::Parameters, parameters); !status)
      throw std::runtime_error(status.error().message);
    return std::move(*opened);
  }
  EntryPlan plan(Engine &engine, const char *entry, int64_t batch, int64_t length) {
    return *planEntry(image, engine.target(), entry, batch, length);
  }
  struct Step {
    std::vector<float> gradients;
    std::vector<double> sum = {1.0};
  };
  Step microStep(Engine &engine, std::vector<int32_t> tokens, int64_t batch, int64_t length) {
    std::vector<int32_t> zeros(tokens.size());
    std::vector<float> scale = {0.25f};
    std::vector<double> count = {0};
    Step step;
    step.gradients.resize(size_t(elements));
    Bindings bindings{parameters, step.gradients, scale,
                      step.sum,   count,          {},
                      {tokens.data(), zeros.data(), zeros.data()}};
    EXPECT_TRUE(engine.write(StateArena::Gradients, step.gradients));
    auto status = engine.run(plan(engine, "micro_step", batch, length), bindings);
    EXPECT_TRUE(status) << status.error().message;
    EXPECT_TRUE(engine.read(StateArena::Gradients, step.gradients));
    return step;
  }
  std::vector<int32_t> someTokens(int64_t count) {
    std::vector<int32_t> tokens;
    for (int64_t i = 0; i < count; ++i)
      tokens.push_back(int32_t(random() % vocab));
    return tokens;
  }
  void expectSameStep(int64_t batch, int64_t length) {
    auto tokens = someTokens(batch * length);
    Step ours = microStep(*gpu, tokens, batch, length), theirs = microStep(cpu, tokens, batch, length);
    EXPECT_NEAR(ours.sum[0], theirs.sum[0], 1e-5 * theirs.sum[0]);
    double scale = 0;
    for (float value : theirs.gradients)
      scale = std::max(scale, double(std::abs(value)));
    ASSERT_GT(scale, 0);
    for (size_t i = 0; i < ours.gradients.size(); ++i)
      ASSERT_NEAR(ours.gradients[i], theirs.gradients[i], 1e-5 * scale) << batch << " x " << length << ", " << i;
  }

  std::mt19937 random{testSeed()};
  Image image;
  Library library;
  int64_t elements;
  std::vector<float> parameters;
  Threads threads{2};
  Executor cpu{library, threads};
  std::unique_ptr<cuda::GpuEngine> gpu;
};

TEST_F(Gpu, AnEntryGivesTheProcessorsResultsInFirstRunsReplaysAndAfterTheArenaMoved) {
  gpu->setPoison(true);
  for (int round = 0; round < 3; ++round)
    for (auto [batch, length] : {std::pair<int64_t, int64_t>{1, 1}, {3, 50}, {1, 129}, {8, 64}})
      expectSameStep(batch, length);
}

TEST_F(Gpu, AnEntryIsRecordedOnceAndReplayed) {
  auto captures = fakeCalls("cuStreamBeginCapture").size(), launches = fakeCalls("cuGraphLaunch").size();
  for (int round = 0; round < 4; ++round)
    expectSameStep(2, 64);
  EXPECT_EQ(fakeCalls("cuStreamBeginCapture").size(), captures + 1);
  EXPECT_EQ(fakeCalls("cuGraphLaunch").size(), launches + 3);
}

TEST_F(Gpu, LaunchesAndTensorMapsAreAsTheImageSays) {
  microStep(*gpu, someTokens(3 * 50), 3, 50);
  auto launches = fakeCalls("cuLaunchKernel");
  EXPECT_TRUE(contains(launches, "embed grid=150 threads=32 shared=0"));
  EXPECT_TRUE(contains(launches, "square_loss grid=1 threads=32 shared=1024"));
  // [3, 50, 1, 8] in float32, boxes of 16 rows, swizzled in 32 bytes.
  EXPECT_TRUE(contains(fakeCalls("cuTensorMapEncodeTiled"),
                       "type=7 sizes=8,1,50,3 strides=32,32,1600 box=8,1,16,1 swizzle=1"));
}

TEST_F(Gpu, ProductsOfBf16AreSummedInFloat32AndRoundedOnce) {
  constexpr int64_t rows = 6;
  std::normal_distribution<float> normal;
  std::vector<uint16_t> x, z(rows * width);
  std::vector<float> y(rows * width);
  for (int64_t i = 0; i < rows * width; ++i)
    x.push_back(floatToBfloat16(normal(random)));
  ASSERT_TRUE(gpu->run(plan(*gpu, "product", 2, 3), Bindings{.values = {x.data(), y.data(), z.data()}}));
  const float *first = parameters.data() + image.parameters()[1].offset;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t out = 0; out < width; ++out) {
      double sum = 0;
      for (int64_t i = 0; i < width; ++i)
        sum += double(bfloat16ToFloat(x[row * width + i])) *
               bfloat16ToFloat(floatToBfloat16(first[out * width + i]));
      EXPECT_NEAR(y[row * width + out], sum, 1e-5 * (1 + std::abs(sum)));
      double added = sum + bfloat16ToFloat(x[row * width + out]);
      EXPECT_NEAR(bfloat16ToFloat(z[row * width + out]), added, std::abs(added) / 256 + 1e-6);
    }
}

TEST_F(Gpu, DeterministicProductsTakeTheFirstProposalAndOthersMeasure) {
  auto count = [] { return fakeCalls("cublasLtMatmul ").size(); };
  size_t before = count();
  auto steady = open(true);
  microStep(*steady, someTokens(64), 1, 64);
  EXPECT_EQ(count() - before, 5u); // the sample's products, none of them twice
  auto calls = fakeCalls("cublasLtMatmul ");
  for (size_t i = before; i < calls.size(); ++i)
    EXPECT_TRUE(calls[i].ends_with("algorithm=1")) << calls[i];
  before = count();
  microStep(*gpu, someTokens(64), 1, 64);
  EXPECT_GT(count() - before, 5u);
  EXPECT_TRUE(contains(fakeCalls("cublasLtMatmul "), "algorithm=2"));
}

TEST_F(Gpu, ParametersOfFloat32AreMultipliedWithoutTensorFloat32) {
  microStep(*gpu, someTokens(64), 1, 64);
  for (const std::string &call : fakeCalls("cublasLtMatmul "))
    EXPECT_NE(call.find("compute=68 "), std::string::npos) << call;
}

TEST_F(Gpu, TheArenaIsPoisonedOnRequest) {
  gpu->setPoison(true);
  auto bytes = plan(*gpu, "micro_step", 2, 32).arena.bytes;
  microStep(*gpu, someTokens(64), 2, 32);
  EXPECT_TRUE(contains(fakeCalls("cuMemsetD8Async"), "255 " + std::to_string(bytes)));
}

TEST_F(Gpu, AnObserverSeesEveryCommandOfEveryChunk) {
  size_t seen = 0;
  gpu->setObserver([&](size_t, int64_t rows, double seconds) {
    ++seen;
    EXPECT_GT(rows, 0);
    EXPECT_GT(seconds, 0);
  });
  microStep(*gpu, someTokens(130), 2, 65); // three chunks
  EXPECT_EQ(seen, 2 + 3 * 4 + 1u);
}

} // namespace
} // namespace caa
