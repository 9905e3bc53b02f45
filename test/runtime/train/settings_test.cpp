// Training settings: defaults, overrides, and what is refused.
#include "runtime/train/settings.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace caa {
namespace {

class Settings : public testing::Test {
protected:
  Image image = *Image::open(CAA_SAMPLE_SO);
  std::string errorOf(const std::string &text) {
    auto settings = trainSettings(image, {text});
    return settings ? "none" : settings.error().message;
  }
};

TEST_F(Settings, HaveTheLanguagesDefaults) {
  auto settings = *trainSettings(image, {});
  EXPECT_EQ(settings.batch, 512);
  EXPECT_EQ(settings.optimizer.lr, 3e-4);
  EXPECT_EQ(settings.optimizer.beta1, 0.9);
  EXPECT_EQ(settings.optimizer.beta2, 0.95);
  EXPECT_EQ(settings.optimizer.eps, 1e-8);
  EXPECT_EQ(settings.optimizer.weightDecay, 0.1);
  EXPECT_EQ(settings.optimizer.clip, 1.0);
  EXPECT_EQ(settings.seed, 0u);
  EXPECT_EQ(settings.schedule.warmup, 0);
  EXPECT_TRUE(settings.groups.empty());
  EXPECT_EQ(modelSetting(image, "context"), 64);
  EXPECT_FALSE(modelSetting(image, "nothing"));
}

TEST_F(Settings, AreOverriddenByKey) {
  auto settings = trainSettings(
      image, {"train.optimizer.lr=1e-3", "train.batch=2^5", "train.schedule=wsd(warmup=3,decay=4,end=1e-5)",
              "train.groups=[group(\"gate\", weight_decay = 0)]", "train.groups.gate.clip=0.1",
              "train.groups.gate.lr=0.5", "train.data=bible", "train.seed=7"});
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->optimizer.lr, 1e-3);
  EXPECT_EQ(settings->batch, 32);
  EXPECT_EQ(settings->schedule.kind, Schedule::Kind::Wsd);
  EXPECT_EQ(settings->schedule.decay, 4);
  ASSERT_EQ(settings->groups.size(), 1u);
  EXPECT_EQ(settings->groups[0].clip, 0.1);
  EXPECT_EQ(settings->groups[0].weightDecay, 0);
  EXPECT_EQ(settings->groups[0].lr, 0.5);
  // What is written is read again.
  auto again = trainSettings(image, {}, settings->toJson());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->toJson(), settings->toJson());
}

TEST_F(Settings, AreRefusedByName) {
  EXPECT_NE(errorOf("layers=4").find("caac --set layers=4"), std::string::npos);
  EXPECT_NE(errorOf("train.precision=bf16").find("caac --set train.precision=bf16"), std::string::npos);
  EXPECT_NE(errorOf("train.bach=4").find("batch"), std::string::npos);
  EXPECT_NE(errorOf("train.optimizer.rate=4").find("weight_decay"), std::string::npos);
  EXPECT_NE(errorOf("train.batch=0").find("train.batch"), std::string::npos);
  EXPECT_NE(errorOf("train.batch=1.5").find("whole"), std::string::npos);
  EXPECT_NE(errorOf("train.optimizer.beta1=1").find("below 1"), std::string::npos);
  EXPECT_NE(errorOf("train.schedule=linear()").find("cosine"), std::string::npos);
  EXPECT_NE(errorOf("train.groups=[group(\"none\")]").find("`none`"), std::string::npos);
  EXPECT_NE(errorOf("train.groups.gate.clip=1").find("no group `gate`"), std::string::npos);
  EXPECT_NE(errorOf("train.steps").find("KEY=VALUE"), std::string::npos);
}

} // namespace
} // namespace caa
