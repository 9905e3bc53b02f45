// Rates of the schedules at the steps that matter, worked out by hand.
#include "runtime/train/schedule.h"

#include <gtest/gtest.h>

namespace caa {
namespace {

TEST(Schedule, CosineRisesThenFallsToItsEnd) {
  Schedule schedule{Schedule::Kind::Cosine, 10, 0, 0.1};
  EXPECT_DOUBLE_EQ(schedule.rate(1, 110, 2.0), 0.2);
  EXPECT_DOUBLE_EQ(schedule.rate(10, 110, 2.0), 2.0);
  EXPECT_NEAR(schedule.rate(60, 110, 2.0), 1.05, 1e-12); // half-way: the mean of peak and end
  EXPECT_NEAR(schedule.rate(110, 110, 2.0), 0.1, 1e-12);
  EXPECT_GT(schedule.rate(11, 110, 2.0), schedule.rate(12, 110, 2.0));
}

TEST(Schedule, WithoutWarmupTheFirstStepIsBelowThePeakByOneStepOfCosine) {
  Schedule schedule{};
  EXPECT_NEAR(schedule.rate(1, 4, 1.0), (1 + 0.70710678118654752) / 2, 1e-12);
  EXPECT_NEAR(schedule.rate(4, 4, 1.0), 0, 1e-12);
}

TEST(Schedule, WsdIsConstantThenLinear) {
  Schedule schedule{Schedule::Kind::Wsd, 5, 20, 0.5};
  EXPECT_DOUBLE_EQ(schedule.rate(5, 100, 1.0), 1.0);
  EXPECT_DOUBLE_EQ(schedule.rate(6, 100, 1.0), 1.0);
  EXPECT_DOUBLE_EQ(schedule.rate(80, 100, 1.0), 1.0);
  EXPECT_DOUBLE_EQ(schedule.rate(90, 100, 1.0), 0.75);
  EXPECT_DOUBLE_EQ(schedule.rate(100, 100, 1.0), 0.5);
}

} // namespace
} // namespace caa
