// What prepare writes, PreparedData reads; and no changed byte of any file goes unnoticed.
#include "runtime/data/prepared_data.h"

#include "runtime/data/bpe_trainer.h"
#include "runtime/data/prepare.h"
#include "runtime/data/tokenizer.h"
#include "test/runtime/temporary_folder.h"
#include "test/seed.h"

#include <gtest/gtest.h>
#include <random>

namespace caa {
namespace {

class PreparedDataTest : public testing::Test {
protected:
  void SetUp() override {
    std::mt19937 random(7);
    std::string text;
    for (int i = 0; i < 60; ++i) {
      std::string document;
      for (int word = 0; word < 20; ++word)
        document += "word" + std::to_string(random() % 100) + " ";
      documents.push_back(document);
      text += document + "\n\n";
    }
    ASSERT_TRUE(writeFile(folder / "text.txt", text));
    auto json = trainTokenizer({{folder / "text.txt"}, 300, 1, true});
    ASSERT_TRUE(json) << json.error().message;
    ASSERT_TRUE(writeFile(folder / "t.json", *json));
    Preparation preparation;
    preparation.files = {folder / "text.txt"};
    preparation.output = folder / "data";
    preparation.tokenizer = folder / "t.json";
    preparation.splitOn = "\n\n";
    preparation.shardTokens = 700; // several shards
    preparation.quiet = true;
    auto manifest = prepareData(preparation);
    ASSERT_TRUE(manifest) << manifest.error().message;
  }
  TemporaryFolder folder;
  std::vector<std::string> documents;
};

TEST_F(PreparedDataTest, HoldsEveryDocumentInOrderInItsSplit) {
  auto data = PreparedData::open(folder / "data");
  ASSERT_TRUE(data) << data.error().message;
  auto tokenizer = Tokenizer::load(data->tokenizerPath());
  ASSERT_TRUE(tokenizer);
  EXPECT_GT(data->manifest().part(Split::Train).shards.size(), 1u);
  for (Split split : allSplits) {
    std::string expected;
    uint64_t bytes = 0;
    for (const auto &document : documents)
      if (splitOf(document, "caa") == split) {
        expected += document + "<|endoftext|>";
        bytes += document.size();
      }
    const TokenStream &tokens = data->tokens(split);
    std::vector<int32_t> ids(tokens.size());
    tokens.read(0, ids);
    EXPECT_EQ(tokenizer->decode(ids), expected);
    EXPECT_DOUBLE_EQ(data->bytesPerToken(split), double(bytes) / double(ids.size()));
    // Rows, across the borders of shards.
    std::vector<int32_t> row(64);
    for (uint64_t i = 0; i < tokens.rows(64); ++i) {
      tokens.readRow(i, row);
      EXPECT_TRUE(std::equal(row.begin(), row.end(), ids.begin() + ptrdiff_t(64 * i)));
    }
  }
}

TEST_F(PreparedDataTest, NoFlippedBitGoesUnnoticed) {
  std::mt19937 random(testSeed());
  for (const auto &entry : std::filesystem::directory_iterator(folder / "data")) {
    std::string good = *readFile(entry.path());
    bool manifest = entry.path().filename() == Manifest::fileName;
    for (int i = 0; i < 100; ++i) {
      std::string bad = good;
      size_t at = random() % bad.size();
      bad[at] = char(bad[at] ^ (1 << random() % 8));
      if (manifest && std::isspace(static_cast<unsigned char>(good[at])) &&
          std::isspace(static_cast<unsigned char>(bad[at])))
        continue; // layout only
      ASSERT_TRUE(writeFile(entry.path(), bad));
      auto data = PreparedData::open(folder / "data");
      ASSERT_FALSE(data) << entry.path() << " byte " << at;
      EXPECT_NE(data.error().message.find(entry.path().filename().string()), std::string::npos) << data.error().message;
    }
    ASSERT_TRUE(writeFile(entry.path(), good.substr(0, good.size() / 2)));
    EXPECT_FALSE(PreparedData::open(folder / "data"));
    std::filesystem::remove(entry.path());
    EXPECT_FALSE(PreparedData::open(folder / "data"));
    ASSERT_TRUE(writeFile(entry.path(), good));
  }
  EXPECT_TRUE(PreparedData::open(folder / "data"));
}

TEST_F(PreparedDataTest, MissingDataNamesTheCommandThatMakesIt) {
  auto data = PreparedData::open(folder / "nothing");
  ASSERT_FALSE(data);
  EXPECT_NE(data.error().message.find("caa-run data prepare"), std::string::npos);
}

TEST(Split, WhiteSpaceDoesNotMatterAndTheSharesAreRight) {
  EXPECT_EQ(splitOf(" a  b\n", "s"), splitOf("a\u00a0\tb", "s"));
  int counts[3] = {};
  for (int i = 0; i < 20000; ++i)
    ++counts[size_t(splitOf("document " + std::to_string(i), "caa"))];
  EXPECT_NEAR(counts[0], 16000, 300);
  EXPECT_NEAR(counts[1], 2000, 200);
  EXPECT_NEAR(counts[2], 2000, 200);
}

} // namespace
} // namespace caa
