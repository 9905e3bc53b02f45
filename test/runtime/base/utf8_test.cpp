// Every code point is accepted, and every kind of malformed sequence is found at its first byte.
#include "runtime/base/utf8.h"

#include <gtest/gtest.h>

namespace caa {
namespace {

TEST(Utf8, EveryCodePointRoundTrips) {
  for (char32_t codePoint = 0; codePoint <= 0x10ffff; ++codePoint) {
    if (codePoint >= 0xd800 && codePoint <= 0xdfff)
      continue;
    std::string text;
    appendUtf8(text, codePoint);
    ASSERT_FALSE(findInvalidUtf8(text)) << uint32_t(codePoint);
    size_t offset = 0;
    ASSERT_EQ(decodeUtf8(text, offset), codePoint);
    ASSERT_EQ(offset, text.size());
  }
}

TEST(Utf8, MalformedSequencesAreFoundWhereTheyStart) {
  for (std::string bad :
       {"\x80", "\xc3", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xe2\x82", "\xed\xa0\x80", "\xf0\x80\x80\xaf",
        "\xf0\x9f\x98", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xc3("}) {
    std::string before = "line one\nüber ", text = before + bad + " and more";
    auto fault = findInvalidUtf8(text);
    ASSERT_TRUE(fault) << testing::PrintToString(bad);
    EXPECT_EQ(fault->offset, before.size());
    EXPECT_EQ(fault->line, 2u);
    EXPECT_EQ(fault->column, 7u);
    std::string atEnd = before + bad;
    EXPECT_TRUE(findInvalidUtf8(atEnd));
  }
}

TEST(Utf8, TheErrorSaysUtf8AndTheFile) {
  std::string text = "a\n\xff";
  auto error = utf8Error("book.txt", text, *findInvalidUtf8(text));
  EXPECT_EQ(error.message.rfind("book.txt:2:1: error: not UTF-8 text: byte 0xff at offset 2", 0), 0u) << error.message;
}

} // namespace
} // namespace caa
