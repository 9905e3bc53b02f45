// Damaged and unsupported tokenizer files are refused by name. Agreement with the public library is tested in
// test/e2e/tokenizer_test.py.
#include "runtime/data/tokenizer.h"

#include "runtime/base/json.h"
#include "runtime/data/bpe_trainer.h"
#include "test/runtime/temporary_folder.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace caa {
namespace {

class TokenizerFile : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_TRUE(
        writeFile(folder / "a.txt", "the cat and the dog and the bird in the tree, then the sea and the sky\n"));
    auto text = trainTokenizer({{folder / "a.txt"}, 275, 1, true});
    ASSERT_TRUE(text) << text.error().message;
    json = Json::parse(*text);
  }
  void expectRefused(const Json &changed, const std::string &because) {
    auto tokenizer = Tokenizer::parse("t.json", changed.dump());
    ASSERT_FALSE(tokenizer) << because;
    EXPECT_EQ(tokenizer.error().message.rfind("t.json", 0), 0u) << tokenizer.error().message;
    EXPECT_NE(tokenizer.error().message.find(because), std::string::npos) << tokenizer.error().message;
  }
  Json with(const std::string &pointer, Json value) {
    Json changed = json;
    changed[Json::json_pointer(pointer)] = std::move(value);
    return changed;
  }
  TemporaryFolder folder;
  Json json;
};

TEST_F(TokenizerFile, OurOwnFileHasItsEntriesAndItsEndOfText) {
  auto tokenizer = Tokenizer::parse("t.json", json.dump());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->entryCount(), 275);
  EXPECT_EQ(tokenizer->vocabSize(), 275);
  EXPECT_EQ(*tokenizer->endOfText(), 274);
  EXPECT_EQ(tokenizer->encode("the<|endoftext|>", SpecialTokens::Recognised)->back(), 274);
  EXPECT_NE(tokenizer->encode("the<|endoftext|>")->back(), 274);
  EXPECT_EQ(tokenizer->decode(*tokenizer->encode("thé\n dog")), "thé\n dog");
  EXPECT_NE(tokenizer->encode("a\xff").error().message.find("UTF-8"), std::string::npos);
}

TEST_F(TokenizerFile, TheDamageIsNamed) {
  expectRefused(Json::array(), "no `model`");
  expectRefused(with("/model/type", "Unigram"), "`Unigram` is not supported");
  expectRefused(with("/model/vocab/a", -3), "`a` has the id -3");
  expectRefused(with("/model/vocab/a", 5), "another token has too");
  expectRefused(with("/model/merges/3", "t h e"), "`model.merges[3]`");
  expectRefused(with("/model/merges/3", Json::array({"t", "zzz"})), "`zzz` is not in the vocabulary");
  expectRefused(with("/added_tokens/0/id", 3), "`<|endoftext|>` has the id 3");
  expectRefused(with("/added_tokens/0/lstrip", true), "`lstrip`");
  expectRefused(with("/normalizer", {{"type", "Lowercase"}}), "`Lowercase`");
  expectRefused(with("/pre_tokenizer", {{"type", "Metaspace"}}), "`Metaspace`");
  expectRefused(with("/pre_tokenizer", nullptr), "byte-level");
  expectRefused(with("/decoder", {{"type", "WordPiece"}}), "`WordPiece`");
  expectRefused(with("/model/byte_fallback", true), "byte_fallback");
  Json lacking = json;
  lacking["model"]["vocab"].erase("A");
  expectRefused(lacking, "0x41");
  Json pattern = {{"type", "Split"}, {"pattern", {{"Regex", "(a"}}}, {"behavior", "Isolated"}, {"invert", false}};
  expectRefused(with("/pre_tokenizer", pattern), "pattern `(a`");
  pattern["pattern"]["Regex"] = "\\h+";
  expectRefused(with("/pre_tokenizer", pattern), "`\\h`");
}

TEST_F(TokenizerFile, ATokenWithTwoIdsIsRefused) {
  std::string text = json.dump(), entry = "\"a\":" + json["model"]["vocab"]["a"].dump();
  ASSERT_NE(text.find(entry), std::string::npos);
  text.insert(text.find(entry), "\"a\":3,");
  auto tokenizer = Tokenizer::parse("t.json", text);
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().message, "t.json: error: it contradicts itself: the key `a` occurs twice in one object");
}

TEST_F(TokenizerFile, EveryTruncationIsRefused) {
  std::string text = json.dump();
  for (size_t length = 0; length < text.size(); length += 7)
    ASSERT_FALSE(Tokenizer::parse("t.json", text.substr(0, length)));
}

TEST_F(TokenizerFile, TooLittleTextSaysHowManyEntriesItAllows) {
  auto most = trainTokenizer({{folder / "a.txt"}, 5000, 1, true});
  ASSERT_FALSE(most);
  auto &message = most.error().message;
  size_t at = message.find("it allows ");
  ASSERT_NE(at, std::string::npos) << message;
  int64_t allowed = std::stoll(message.substr(at + 10));
  EXPECT_TRUE(trainTokenizer({{folder / "a.txt"}, allowed, 1, true}));
  EXPECT_FALSE(trainTokenizer({{folder / "a.txt"}, allowed + 1, 1, true}));
  EXPECT_EQ(trainTokenizer({{folder / "a.txt"}, 256, 1, true}).error().kind, Error::Kind::Usage);
}

} // namespace
} // namespace caa
