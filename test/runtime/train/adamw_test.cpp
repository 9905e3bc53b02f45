// The optimizer against its formula in float64: groups, clips, decay, bounds, several steps, any number of threads.
#include "runtime/train/adamw.h"

#include "test/seed.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <random>

namespace caa {
namespace {

class Optimizer : public testing::Test {
protected:
  Image image = *Image::open(CAA_SAMPLE_SO); // table (no decay), first.weight (bounded), head.weight (group "gate")
  TrainSettings settings;
  std::mt19937_64 random{testSeed()};

  void fill(const ParameterArena &arena, double deviation) {
    std::normal_distribution<float> normal(0, float(deviation));
    for (const caa_parameter &parameter : image.parameters())
      for (float &value : arena.of(parameter))
        value = normal(random);
  }
};

TEST_F(Optimizer, FollowsTheFormulaOfEachGroup) {
  settings.optimizer = {.lr = 0.05, .beta1 = 0.8, .beta2 = 0.9, .eps = 1e-6, .weightDecay = 0.3, .clip = 2.0};
  settings.groups = {{"gate", 0.5, 0.7, 0.25}};
  Threads threads(2);
  auto optimizer = *AdamW::create(image, settings);
  auto values = *ParameterArena::allocate(image), gradients = *ParameterArena::allocate(image);
  fill(values, 0.5);
  struct Reference {
    std::vector<double> w, m, v;
  };
  std::vector<Reference> references;
  for (const caa_parameter &parameter : image.parameters()) {
    auto w = values.of(parameter);
    references.push_back({{w.begin(), w.end()}, std::vector<double>(w.size()), std::vector<double>(w.size())});
  }
  for (int step = 1; step <= 10; ++step) {
    fill(gradients, step == 3 ? 1e-3 : 0.5); // step 3 is below the clip
    double lr = settings.optimizer.lr / step, global = 0, gate = 0;
    std::vector<std::vector<double>> slopes;
    for (size_t i = 0; i < references.size(); ++i) {
      auto g = gradients.of(image.parameters()[i]);
      slopes.emplace_back(g.begin(), g.end());
      for (double value : slopes.back())
        (i == 2 ? gate : global) += value * value;
    }
    global = std::sqrt(global);
    gate = std::sqrt(gate);
    auto norms = optimizer.norms(gradients, threads);
    ASSERT_EQ(norms.norms.size(), 2u);
    EXPECT_NEAR(norms.norms[0], global, 1e-9 * global);
    EXPECT_NEAR(norms.norms[1], gate, 1e-9 * gate);
    optimizer.update(values, gradients, norms, lr, step, threads);
    for (size_t i = 0; i < references.size(); ++i) {
      auto &[w, m, v] = references[i];
      double scale = i == 2 ? std::min(1.0, 0.25 / (gate + 1e-6)) : std::min(1.0, 2.0 / (global + 1e-6));
      double rate = lr * (i == 2 ? 0.5 : 1.0), decay = i == 0 ? 0 : i == 2 ? 0.7 : 0.3, error = 0, size = 0;
      for (size_t j = 0; j < w.size(); ++j) {
        double g = slopes[i][j] * scale;
        m[j] = 0.8 * m[j] + 0.2 * g;
        v[j] = 0.9 * v[j] + 0.1 * g * g;
        double mHat = m[j] / (1 - std::pow(0.8, step)), vHat = v[j] / (1 - std::pow(0.9, step));
        w[j] -= rate * (mHat / (std::sqrt(vHat) + 1e-6) + decay * w[j]);
        if (i == 1)
          w[j] = std::clamp(w[j], -0.9, 0.9);
        double now = values.of(image.parameters()[i])[j];
        error += (now - w[j]) * (now - w[j]);
        size += w[j] * w[j];
        EXPECT_EQ(gradients.of(image.parameters()[i])[j], 0.0f);
      }
      EXPECT_LE(std::sqrt(error / size), 2e-6) << "parameter " << i << ", step " << step;
    }
  }
}

TEST_F(Optimizer, GivesTheSameBitsOnAnyNumberOfThreads) {
  auto start = *ParameterArena::allocate(image), slopes = *ParameterArena::allocate(image);
  fill(start, 1);
  fill(slopes, 1);
  std::vector<float> first;
  for (unsigned count : {1u, 2u, 5u}) {
    Threads threads(count);
    auto optimizer = *AdamW::create(image, settings);
    auto values = *ParameterArena::allocate(image), gradients = *ParameterArena::allocate(image);
    std::ranges::copy(start.values(), values.values().begin());
    std::ranges::copy(slopes.values(), gradients.values().begin());
    optimizer.update(values, gradients, optimizer.norms(gradients, threads), 0.1, 1, threads);
    std::vector<float> now(values.values().begin(), values.values().end());
    if (first.empty())
      first = now;
    EXPECT_EQ(std::memcmp(now.data(), first.data(), now.size() * 4), 0) << count;
  }
}

TEST_F(Optimizer, SeesEveryGradientThatIsNoNumber) {
  Threads threads(2);
  auto optimizer = *AdamW::create(image, settings);
  auto gradients = *ParameterArena::allocate(image);
  for (const caa_parameter &parameter : image.parameters())
    for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1e30f}) {
      fill(gradients, 1);
      EXPECT_TRUE(optimizer.norms(gradients, threads).usable());
      gradients.of(parameter)[random() % parameter.elements] = bad;
      EXPECT_FALSE(optimizer.norms(gradients, threads).usable());
    }
}

} // namespace
} // namespace caa
