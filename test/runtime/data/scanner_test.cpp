// The scanners by hand cut as their regular expressions do, which PCRE2 runs; the cache of pieces never mixes two up.
#include "runtime/data/scanner.h"

#include "runtime/base/utf8.h"
#include "runtime/data/character_class.h"
#include "runtime/data/piece_cache.h"
#include "runtime/data/splitter.h"
#include "test/seed.h"

#include <gtest/gtest.h>
#include <map>
#include <random>

namespace caa {
namespace {

constexpr std::string_view patterns[] = {Scanner::gpt2Pattern, Scanner::qwenPattern, Scanner::llamaPattern};

std::vector<std::string_view> cut(const Splitter &splitter, std::string_view text) {
  Splitter::Scratch scratch(splitter);
  std::vector<std::string_view> pieces;
  EXPECT_TRUE(splitter.split(text, scratch, pieces));
  return pieces;
}

void expectSame(std::string_view pattern, const std::vector<std::string> &texts) {
  ASSERT_TRUE(Scanner::of(pattern));
  auto byHand = Splitter::compile(pattern), byExpression = Splitter::compile(pattern, false);
  ASSERT_TRUE(byHand && byExpression);
  for (const auto &text : texts)
    ASSERT_EQ(cut(*byHand, text), cut(*byExpression, text)) << pattern << "\nin " << testing::PrintToString(text);
}

std::string utf8(char32_t c) {
  std::string text;
  appendUtf8(text, c);
  return text;
}

TEST(Scanner, CutsRandomTextAsTheRegularExpressionDoes) {
  std::vector<std::string> hostile = {
      "'s",      "'S",     "'ll",    "'lL",        "'re",        "'ve",        "'\u017f", "\u017f",     "'",
      "\u2019s", " ",      "  ",     "\t",         "\n",         "\r",         "\r\n",    "\v",         "\f",
      "\u0085",  "\u00a0", "\u1680", "\u180e",     "\u2003",     "\u200b",     "\u2028",  "\u3000",     "\ufeff",
      "a",       "Z",      "é",      "e\u0301",    "ß",          "м",          "東",      "\U0001f600", "\u0301",
      "0",       "9",      "²",      "Ⅷ",          "٣",          ".",          "!?",      "<|",         "_",
      "\x01",    "\x7f",   "\u1c89", "\U00013460", "\U00010d40", "\U0010ffff", "\u212a",  "l",          "L",
      "e",       "E",      "d",      "m",          "t",          "k"};
  hostile.emplace_back(1, '\0');
  std::mt19937 random(testSeed());
  for (std::string_view pattern : patterns) {
    std::vector<std::string> texts;
    for (int i = 0; i < 20'000; ++i) {
      std::string text;
      size_t kinds = 1 + random() % hostile.size(), first = random() % hostile.size(), length = random() % 24;
      for (size_t j = 0; j < length; ++j)
        text += hostile[(first + random() % kinds) % hostile.size()];
      texts.push_back(std::move(text));
    }
    expectSame(pattern, texts);
  }
}

TEST(Scanner, CutsAroundEveryCharacterOfUnicodeAsTheRegularExpressionDoes) {
  std::vector<std::string> texts;
  for (char32_t block = 0; block < 0x110000; block += 256) {
    std::string alone, amongLetters, afterSpaces;
    for (char32_t c = block; c < block + 256; ++c) {
      if (c >= 0xd800 && c <= 0xdfff)
        continue;
      alone += utf8(c);
      amongLetters += "a" + utf8(c) + "b1" + utf8(c) + "'" + utf8(c);
      afterSpaces += "  " + utf8(c) + " \n" + utf8(c);
    }
    texts.insert(texts.end(), {alone, amongLetters, afterSpaces});
  }
  for (std::string_view pattern : patterns)
    expectSame(pattern, texts);
}

TEST(Scanner, KnowsOnlyPatternsThatAreExactlyTheirs) {
  EXPECT_FALSE(Scanner::of(R"(\s+)"));
  EXPECT_FALSE(Scanner::of(std::string(Scanner::qwenPattern) + " "));
}

TEST(CharacterClasses, OfAsciiAreTheSameInBothTables) {
  for (char32_t c = 0; c < 0x80; ++c)
    EXPECT_EQ(asciiClasses[c], classOf(c)) << uint32_t(c);
}

TEST(PieceCache, GivesThePiecesOwnTokensOrNothing) {
  std::mt19937 random(testSeed());
  PieceCache cache;
  std::map<std::string, std::vector<int32_t>> all;
  auto randomPiece = [&] {
    std::string piece(1 + random() % PieceCache::longestPiece, '\0');
    for (char &byte : piece)
      byte = "\0\0a\xff"[random() % 4];
    return piece;
  };
  size_t found = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string piece = randomPiece();
    auto [entry, isNew] = all.try_emplace(piece);
    if (isNew)
      for (size_t count = 1 + random() % PieceCache::mostTokens; count > 0; --count)
        entry->second.push_back(int32_t(random() >> 1));
    std::vector<int32_t> tokens{-7};
    if (cache.find(PieceCache::keyOf(piece), tokens)) {
      tokens.erase(tokens.begin());
      ASSERT_EQ(tokens, entry->second);
      ++found;
    } else {
      ASSERT_EQ(tokens, std::vector<int32_t>{-7});
      cache.add(PieceCache::keyOf(piece), entry->second.data(), entry->second.size());
    }
  }
  EXPECT_GT(found, 10'000u);
}

} // namespace
} // namespace caa
