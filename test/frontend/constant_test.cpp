// Exact arithmetic of constants.
#include "frontend/Sema/Constant.h"
#include <cmath>
#include <gtest/gtest.h>

using caa::evaluate;
using caa::Fn;
using caa::Number;

namespace {

Number at(Fn fn, Number a, Number b = Number()) { return *evaluate(fn, {a, b}); }

TEST(Constants, aWholeResultIsAnIntegerWhateverMadeIt) {
  EXPECT_TRUE(at(Fn::Div, 512, 8).isWhole());
  EXPECT_EQ(at(Fn::Div, 512, 8).asInteger(), 64);
  EXPECT_FALSE(at(Fn::Div, 100, 8).isWhole());
  EXPECT_EQ(at(Fn::Div, 100, 8).asReal(), 12.5);
  EXPECT_EQ(at(Fn::Mul, Number::of(0.5), 4).asInteger(), 2);
  EXPECT_TRUE(at(Fn::Sqrt, 49).isWhole());
  EXPECT_TRUE(at(Fn::Log2, 1024).isWhole());
  EXPECT_EQ(Number::of(1e6).asInteger(), 1000000);
}

TEST(Constants, divisionAndRemainderFloor) {
  for (int64_t a = -7; a <= 7; ++a)
    for (int64_t b : {-3, -2, -1, 1, 2, 3}) {
      int64_t quotient = at(Fn::FloorDiv, a, b).asInteger();
      EXPECT_EQ(quotient, static_cast<int64_t>(std::floor(double(a) / double(b)))) << a << " div " << b;
      EXPECT_EQ(at(Fn::Rem, a, b).asInteger(), a - b * quotient) << a << " % " << b;
    }
  EXPECT_EQ(at(Fn::Rem, Number::of(-0.5), 2).asReal(), 1.5);
}

TEST(Constants, integersStayExactUpTo64BitsAndBecomeFloat64Beyond) {
  Number big(int64_t(1) << 62);
  EXPECT_EQ(at(Fn::Add, big, 1).asInteger(), (int64_t(1) << 62) + 1);
  EXPECT_FALSE(at(Fn::Mul, big, 4).isWhole());
  EXPECT_EQ(at(Fn::Mul, big, 4).asReal(), std::ldexp(1.0, 64));
  EXPECT_EQ(at(Fn::Pow, 3, 39).asInteger(), 4052555153018976267);
  EXPECT_EQ(at(Fn::Pow, 2, -3).asReal(), 0.125);
}

TEST(Constants, whatIsNoFiniteNumberIsNoNumber) {
  EXPECT_FALSE(evaluate(Fn::Div, {1, 0}));
  EXPECT_FALSE(evaluate(Fn::FloorDiv, {1, 0}));
  EXPECT_FALSE(evaluate(Fn::Rem, {1, 0}));
  EXPECT_FALSE(evaluate(Fn::Log, {0}));
  EXPECT_FALSE(evaluate(Fn::Sqrt, {-1}));
  EXPECT_FALSE(evaluate(Fn::Exp, {1000}));
}

TEST(Constants, comparisonsOfIntegersAreExact) {
  int64_t big = (int64_t(1) << 53) + 1;
  EXPECT_TRUE(caa::compare(Fn::Lt, big - 1, big));
  EXPECT_FALSE(caa::compare(Fn::Eq, big - 1, big));
}

// splitmix64 of the published reference: the first outputs from state 0 and from state 1234567.
TEST(Random, chainsSplitmix64AndKeepsTheTop24Bits) {
  EXPECT_EQ(caa::randomFraction({0}), double(0xE220A8397B1DCDAFull >> 40) / 16777216.0);
  EXPECT_EQ(caa::randomFraction({1234567}), double(6457827717110365317ull >> 40) / 16777216.0);
  EXPECT_NE(caa::randomFraction({1, 2}), caa::randomFraction({2, 1}));
  EXPECT_EQ(caa::randomFraction({-1}), caa::randomFraction({-1}));
}

} // namespace
