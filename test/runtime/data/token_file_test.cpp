// llm.c's two formats, byte for byte, and refusal of what is not one of them.
#include "runtime/data/token_file.h"

#include "test/runtime/temporary_folder.h"

#include <cstring>
#include <gtest/gtest.h>
#include <numeric>

namespace caa {
namespace {

using namespace std::string_literals;

TEST(TokenFile, BothFormatsAreWrittenAsDocumentedAndReadBack) {
  TemporaryFolder folder;
  std::vector<int32_t> tokens(10'000);
  for (size_t i = 0; i < tokens.size(); ++i)
    tokens[i] = int32_t(i * 7919 % 65536);
  for (int width : {2, 4}) {
    if (width == 4)
      tokens[5] = 151'935;
    auto writer = TokenWriter::create(folder / "t.bin", width);
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->write(std::span(tokens).first(1234)));
    ASSERT_TRUE(writer->write(std::span(tokens).subspan(1234)));
    ASSERT_TRUE(writer->finish());
    std::string bytes = *readFile(folder / "t.bin");
    ASSERT_EQ(bytes.size(), 1024 + tokens.size() * size_t(width));
    std::vector<int32_t> header(256);
    std::memcpy(header.data(), bytes.data(), 1024);
    EXPECT_EQ(header[0], width == 2 ? 20240520 : 20240801);
    EXPECT_EQ(header[1], width == 2 ? 1 : 7);
    EXPECT_EQ(header[2], 10'000);
    EXPECT_EQ(std::accumulate(header.begin() + 3, header.end(), 0), 0);
    EXPECT_EQ(uint8_t(bytes[1024 + size_t(width)]), 7919 & 255);

    auto file = TokenFile::open(folder / "t.bin");
    ASSERT_TRUE(file) << file.error().message;
    std::vector<int32_t> read(tokens.size());
    file->read(0, read);
    EXPECT_EQ(read, tokens);
    file->read(77, std::span(read).first(3));
    EXPECT_EQ(read[2], tokens[79]);
    EXPECT_TRUE(file->checkIds(width == 2 ? 65536 : 151'936));
    auto status = file->checkIds(1000);
    ASSERT_FALSE(status);
    EXPECT_NE(status.error().message.find("token 1 is the id 7919, beyond the vocabulary of 1000"), std::string::npos);

    // The count must match the size, either way; other numbers are no token file.
    for (std::string bad : {bytes + "\0"s, bytes + std::string(size_t(width), '\0'), bytes.substr(0, bytes.size() - 1),
                            bytes.substr(0, 1024), bytes.substr(0, 1000), std::string(2000, 'x')}) {
      ASSERT_TRUE(writeFile(folder / "bad.bin", bad));
      auto refused = TokenFile::open(folder / "bad.bin");
      ASSERT_FALSE(refused);
      EXPECT_NE(refused.error().message.find("bad.bin"), std::string::npos);
    }
  }
}

} // namespace
} // namespace caa
