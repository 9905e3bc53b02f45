// The executor on the sample's entries, against the formulas in float64.
#include "runtime/engine/executor.h"

#include "test/seed.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace caa {
namespace {

constexpr int64_t width = 8, wide = 24, vocab = 512; // of test/codegen/SampleProgram.h

class Sample : public testing::Test {
protected:
  Sample() : library(*Library::load(*Image::open(CAA_SAMPLE_SO))), elements(parameterElements(library.image())) {
    parameters.resize(elements);
    std::normal_distribution<float> normal;
    for (float &value : parameters)
      value = normal(random);
  }
  const float *parameter(int index) const { return parameters.data() + library.image().parameters()[index].offset; }
  std::vector<int32_t> someTokens(int64_t count) {
    std::vector<int32_t> tokens(count);
    for (int32_t &token : tokens)
      token = int32_t(random() % vocab);
    return tokens;
  }
  /// y = table[token] first^T, z = y head^T in float64.
  void forward(int32_t token, double (&y)[width], double (&z)[wide]) const {
    for (int64_t o = 0; o < width; ++o) {
      y[o] = 0;
      for (int64_t i = 0; i < width; ++i)
        y[o] += double(parameter(0)[token * width + i]) * parameter(1)[o * width + i];
    }
    for (int64_t o = 0; o < wide; ++o) {
      z[o] = 0;
      for (int64_t i = 0; i < width; ++i)
        z[o] += y[i] * parameter(2)[o * width + i];
    }
  }

  std::mt19937 random{testSeed()};
  Library library;
  int64_t elements;
  std::vector<float> parameters;
};

TEST_F(Sample, StepsInChunksGiveTheFormulasGradients) {
  for (unsigned count : {1u, 2u, 3u}) {
    Threads threads(count);
    Executor executor(library, threads);
    executor.setPoison(true);
    for (auto [batch, length] : {std::pair<int64_t, int64_t>{1, 1}, {3, 50}, {2, 64}, {1, 129}}) {
      auto plan = planEntry(library.image(), CAA_TARGET_CPU, "micro_step", batch, length);
      ASSERT_TRUE(plan) << plan.error().message;
      auto tokens = someTokens(batch * length);
      std::vector<int32_t> zeros(batch * length);
      std::vector<float> gradients(elements, 0.0f), scale = {0.25f};
      std::vector<double> sum = {1.0}, number = {0};
      Bindings bindings{parameters, gradients, scale, sum, number, {}, {tokens.data(), zeros.data(), zeros.data()}};
      ASSERT_TRUE(executor.run(*plan, bindings));

      double loss = 1.0;
      std::vector<double> dHead(wide * width), dFirst(width * width);
      for (int32_t token : tokens) {
        double y[width], z[wide], dy[width] = {};
        forward(token, y, z);
        for (int64_t o = 0; o < wide; ++o) {
          loss += 0.25 * z[o] * z[o];
          for (int64_t i = 0; i < width; ++i) {
            dHead[o * width + i] += 0.5 * z[o] * y[i];
            dy[i] += 0.5 * z[o] * parameter(2)[o * width + i];
          }
        }
        for (int64_t o = 0; o < width; ++o)
          for (int64_t i = 0; i < width; ++i)
            dFirst[o * width + i] += dy[o] * parameter(0)[token * width + i];
      }
      EXPECT_NEAR(sum[0], loss, 1e-5 * loss);
      auto expectClose = [&](const std::vector<double> &expected, int index) {
        double error = 0, norm = 0;
        for (size_t i = 0; i < expected.size(); ++i) {
          double got = gradients[library.image().parameters()[index].offset + i];
          error += (got - expected[i]) * (got - expected[i]);
          norm += expected[i] * expected[i];
        }
        EXPECT_LE(std::sqrt(error / norm), 1e-5);
      };
      expectClose(dFirst, 1);
      expectClose(dHead, 2);
    }
  }
}

TEST_F(Sample, LogitsAndCountsComeOut) {
  Threads threads(2);
  Executor executor(library, threads);
  executor.setPoison(true);
  auto plan = *planEntry(library.image(), CAA_TARGET_CPU, "logits", 2, 5);
  auto tokens = someTokens(10);
  std::vector<int32_t> zeros(10);
  std::vector<float> logits(10 * wide);
  ASSERT_TRUE(
      executor.run(plan, {parameters, {}, {}, {}, {}, {}, {tokens.data(), zeros.data(), zeros.data(), logits.data()}}));
  for (int64_t row = 0; row < 10; ++row) {
    double y[width], z[wide];
    forward(tokens[row], y, z);
    for (int64_t o = 0; o < wide; ++o)
      EXPECT_NEAR(logits[row * wide + o], z[o], 1e-4);
  }
  auto counts = *planEntry(library.image(), CAA_TARGET_CPU, "loss_counts", 2, 5);
  std::vector<double> number = {3};
  ASSERT_TRUE(executor.run(counts, {{}, {}, {}, {}, number, {}, {tokens.data(), zeros.data(), zeros.data()}}));
  EXPECT_EQ(number[0], 13);
}

TEST_F(Sample, ExportsRunOnTheirValues) {
  Threads threads(2);
  Executor executor(library, threads);
  auto plan = *planEntry(library.image(), CAA_TARGET_CPU, "add.gradient", 1, 3);
  std::vector<float> a(24, 1), b(24, 2), dOut(24, 7), out(24), dA(24), dB(24);
  ASSERT_TRUE(executor.run(
      plan, {{}, {}, {}, {}, {}, {}, {a.data(), b.data(), dOut.data(), out.data(), dA.data(), dB.data()}}));
  EXPECT_EQ(out, std::vector<float>(24, 3));
  EXPECT_EQ(dA, dOut);
  EXPECT_EQ(dB, dOut);
}

TEST_F(Sample, AMissingBindingIsAnError) {
  Threads threads(1);
  Executor executor(library, threads);
  auto plan = *planEntry(library.image(), CAA_TARGET_CPU, "logits", 1, 2);
  auto status = executor.run(plan, {parameters, {}, {}, {}, {}, {}, {nullptr, nullptr, nullptr, nullptr}});
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("tokens"), std::string::npos);
}

TEST_F(Sample, SizesBeyondSixtyFourBitsAreAnError) {
  auto plan = planEntry(library.image(), CAA_TARGET_CPU, "micro_step", int64_t(1) << 40, int64_t(1) << 22);
  ASSERT_FALSE(plan);
  EXPECT_FALSE(planEntry(library.image(), CAA_TARGET_CPU, "micro_step", 0, 5));
  EXPECT_FALSE(planEntry(library.image(), CAA_TARGET_CPU, "nothing", 1, 5));
}

} // namespace
} // namespace caa
