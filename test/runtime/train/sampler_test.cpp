// Choosing tokens: frequencies against the softmax, and the limits.
#include "runtime/train/sampler.h"

#include <cmath>
#include <gtest/gtest.h>

namespace caa {
namespace {

const std::vector<float> logits = {0.0f, 2.0f, 1.0f, -1.0f, 2.0f};

TEST(Sampler, AtTemperatureZeroTheFirstOfTheLikeliestIsTaken) {
  EXPECT_EQ(chooseToken(logits, {.temperature = 0}, 0.99), 1);
}

TEST(Sampler, FrequenciesAreTheSoftmax) {
  for (double temperature : {0.5, 1.0, 2.0})
    for (int64_t topK : {0, 3}) {
      double sum = 0;
      std::vector<double> expected;
      for (size_t i = 0; i < logits.size(); ++i) {
        bool kept = topK == 0 || i == 1 || i == 2 || i == 4; // the three likeliest
        expected.push_back(kept ? std::exp(logits[i] / temperature) : 0);
        sum += expected.back();
      }
      std::vector<double> found(logits.size());
      const int draws = 20000; // evenly spread uniforms: exact up to one draw
      for (int i = 0; i < draws; ++i)
        found[chooseToken(logits, {.temperature = temperature, .topK = topK}, (i + 0.5) / draws)] += 1.0 / draws;
      for (size_t i = 0; i < logits.size(); ++i)
        EXPECT_NEAR(found[i], expected[i] / sum, 2.0 / draws);
    }
}

TEST(Sampler, TopOneIsTheLikeliest) {
  for (double uniform : {0.001, 0.5, 0.999})
    EXPECT_EQ(chooseToken(logits, {.temperature = 5, .topK = 1}, uniform), 1);
}

TEST(Printable, KeepsTextAndReplacesHalfCharacters) {
  EXPECT_EQ(printable("a\xc3\xa9z"), "a\xc3\xa9z");
  EXPECT_EQ(printable("a\xc3"), "a\xef\xbf\xbd");
}

TEST(RandomStream, IsAFunctionOfSeedNameAndIndex) {
  RandomStream a(1, "x"), same(1, "x"), otherName(1, "y"), otherSeed(2, "x");
  EXPECT_EQ(a.bits(5), same.bits(5));
  EXPECT_NE(a.bits(5), otherName.bits(5));
  EXPECT_NE(a.bits(5), otherSeed.bits(5));
  double mean = 0, square = 0, cube = 0;
  const int count = 200000;
  for (int i = 0; i < count; ++i) {
    double value = a.normal(i);
    mean += value / count;
    square += value * value / count;
    cube += value * value * value / count;
  }
  EXPECT_NEAR(mean, 0, 0.015);
  EXPECT_NEAR(square, 1, 0.02);
  EXPECT_NEAR(cube, 0, 0.05);
}

} // namespace
} // namespace caa
