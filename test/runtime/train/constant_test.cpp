// The constants of --set.
#include "runtime/train/settings.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace caa {
namespace {

TEST(Constant, NumbersAreComputed) {
  EXPECT_EQ(*parseConstant("3e-4"), Json(3e-4));
  EXPECT_EQ(*parseConstant("12"), Json(12));
  EXPECT_TRUE(parseConstant("1e3")->is_number_integer());
  EXPECT_EQ(*parseConstant("2 * (3 + 4) / 7 - 2^3"), Json(-6));
  EXPECT_EQ(*parseConstant("-2^2"), Json(-4));
  EXPECT_EQ(*parseConstant("1 / 4"), Json(0.25));
}

TEST(Constant, WordsStringsListsAndRecordsAreRead) {
  EXPECT_EQ(*parseConstant("fineweb"), Json("fineweb"));
  EXPECT_EQ(*parseConstant("data/fine.web"), Json("data/fine.web"));
  EXPECT_EQ(*parseConstant("\"a b\""), Json("a b"));
  EXPECT_EQ(*parseConstant("true"), Json(true));
  EXPECT_EQ(*parseConstant("wsd(warmup = 10, decay = 5 * 4)"), Json({{"kind", "wsd"}, {"warmup", 10}, {"decay", 20}}));
  EXPECT_EQ(*parseConstant("[group(\"gate\", clip = 0.1)]"),
            Json::array({{{"kind", "group"}, {"name", "gate"}, {"clip", 0.1}}}));
}

TEST(Constant, NonsenseIsRefused) {
  for (const char *text :
       {"", "1 +", "(1", "[1", "adamw(lr = )", "1 / 0", "1 2", "word + 1", "\"open", "adamw(lr = 1", "$"}) {
    auto value = parseConstant(text);
    EXPECT_FALSE(value) << text;
    if (!value) {
      EXPECT_EQ(value.error().kind, Error::Kind::Usage);
    }
  }
}

} // namespace
} // namespace caa
