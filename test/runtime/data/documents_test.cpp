// Documents are cut the same however large the file is; compressed files give the same; faults are located.
#include "runtime/data/documents.h"

#include "test/runtime/temporary_folder.h"
#include "test/seed.h"

#include <gtest/gtest.h>
#include <random>
#include <zstd.h>

namespace caa {
namespace {

class Documents : public testing::Test {
protected:
  Result<std::vector<std::string>> read(const Path &path, std::string splitOn = "") {
    DocumentReader reader({path}, std::move(splitOn));
    std::vector<std::string> all;
    for (;;) {
      CAA_TRY(auto batch, reader.next());
      if (!batch)
        return all;
      CAA_TRY(auto documents, batch->parse());
      all.insert(all.end(), documents.begin(), documents.end());
    }
  }
  std::string errorOf(const std::string &name, const std::string &bytes, std::string splitOn = "") {
    EXPECT_TRUE(writeFile(folder / name, bytes));
    auto documents = read(folder / name, std::move(splitOn));
    return documents ? "" : documents.error().message;
  }
  TemporaryFolder folder;
};

/// What cutting means, done on the whole text at once.
std::vector<std::string> cut(const std::string &text, const std::string &separator) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= text.size();) {
    size_t end = std::min(text.find(separator, at), text.size());
    auto part = text.substr(at, end - at);
    if (part.find_first_not_of(" \n\t\r") != std::string::npos)
      parts.push_back(part);
    at = end + separator.size();
  }
  return parts;
}

TEST_F(Documents, LargeFilesAreCutAsIfReadWhole) {
  std::mt19937 random(testSeed());
  for (std::string separator : {"\n\n", "\n", "--", "the end\n"}) {
    std::string text;
    while (text.size() < 5'000'000) {
      text.append(random() % 300, char('a' + random() % 26));
      switch (random() % 4) {
      case 0:
        text += std::string(random() % 5, '\n');
        break;
      case 1:
        text += "the end\n";
        break;
      case 2:
        text += std::string(random() % 5, '-');
      }
    }
    ASSERT_TRUE(writeFile(folder / "a.txt", text));
    auto documents = read(folder / "a.txt", separator);
    ASSERT_TRUE(documents) << documents.error().message;
    EXPECT_EQ(*documents, cut(text, separator));
  }
}

TEST_F(Documents, WithoutASeparatorAFileIsOneDocumentLessItsByteOrderMark) {
  ASSERT_TRUE(writeFile(folder / "a.txt", "\xef\xbb\xbfone\n\ntwo\n"));
  EXPECT_EQ(*read(folder / "a.txt"), std::vector<std::string>{"one\n\ntwo\n"});
}

TEST_F(Documents, CompressedFilesGiveTheSame) {
  std::string text;
  for (int i = 0; i < 200'000; ++i)
    text += "line " + std::to_string(i) + "\n";
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  ASSERT_TRUE(writeFile(folder / "a.txt", text));
  ASSERT_TRUE(writeFile(folder / "b.txt.zst", packed + packed));
  EXPECT_EQ(*read(folder / "b.txt.zst"), std::vector<std::string>{text + text});
  EXPECT_EQ(*read(folder / "a.txt", "\n"), cut(text, "\n"));
  EXPECT_NE(errorOf("c.txt.zst", packed.substr(0, packed.size() / 2)).find("cut short"), std::string::npos);
  EXPECT_NE(errorOf("d.txt.zst", "plain text").find("d.txt.zst: error: cannot decompress"), std::string::npos);
  EXPECT_NE(errorOf("e.txt.gz", "plain text").find("cannot decompress"), std::string::npos);
  EXPECT_NE(errorOf("f.txt.gz", "").find("cut short"), std::string::npos);
}

TEST_F(Documents, JsonLinesGiveTheirTextField) {
  ASSERT_TRUE(
      writeFile(folder / "a.jsonl", "{\"text\": \"one\\n\\u00fc\", \"id\": 3}\n\n{\"id\": [1], \"text\": \"two\"}"));
  EXPECT_EQ(*read(folder / "a.jsonl"), (std::vector<std::string>{"one\nü", "two"}));
}

TEST_F(Documents, FaultsAreLocatedInTheFile) {
  auto at = [&](const std::string &what) { return (folder / "").string() + what; };
  std::string good = "{\"text\": \"x\"}\n";
  EXPECT_EQ(errorOf("a.jsonl", good + "{\"text\": 3}\n").rfind(at("a.jsonl:2: error: there is no string `text`"), 0),
            0u);
  EXPECT_EQ(errorOf("a.jsonl", good + good + "{\"text\n").rfind(at("a.jsonl:3: error: not valid JSON"), 0), 0u);
  EXPECT_EQ(errorOf("a.jsonl", good + "{\"text\": \"\\ud800\"}\n").rfind(at("a.jsonl:2: error"), 0), 0u);
  auto message = errorOf("a.jsonl", good + "{\"text\": \"\xff\"}\n");
  EXPECT_EQ(message.rfind(at("a.jsonl:2:11: error: not UTF-8"), 0), 0u) << message;
  // Beyond the first batch, in text with a separator that is no line end.
  std::string text;
  for (int i = 0; i < 300'000; ++i)
    text += i % 3 ? "word word|" : "word\n";
  size_t lines = size_t(std::count(text.begin(), text.end(), '\n'));
  message = errorOf("a.txt", text + "\nab\xc3(", "|");
  std::string expected = "a.txt:" + std::to_string(lines + 2) + ":3: error: not UTF-8";
  EXPECT_EQ(message.rfind(at(expected), 0), 0u) << message << "\n" << expected;
  EXPECT_NE(message.find("at offset " + std::to_string(text.size() + 3)), std::string::npos) << message;
  EXPECT_NE(errorOf("a.parquet", "PAR1").find("Parquet"), std::string::npos);
  EXPECT_NE(read(folder.path()).error().message.find("folder"), std::string::npos);
}

TEST(Unescape, KnowsTheFourEscapes) { EXPECT_EQ(unescape(R"(\n\t\r\\n\x\)"), "\n\t\r\\n\\x\\"); }

} // namespace
} // namespace caa
