// Files appear whole or not at all, and errors name them.
#include "runtime/base/files.h"

#include "test/runtime/temporary_folder.h"

#include <gtest/gtest.h>

namespace caa {
namespace {

namespace fs = std::filesystem;

size_t entries(const Path &folder) {
  return size_t(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(Files, WhatIsWrittenIsRead) {
  TemporaryFolder folder;
  std::string bytes(3'000'001, '\0');
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = char(i * 2654435761u >> 13);
  ASSERT_TRUE(writeFile(folder / "a", bytes));
  auto read = readFile(folder / "a");
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, bytes);
  auto mapped = MappedFile::open(folder / "a");
  ASSERT_TRUE(mapped);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char *>(mapped->bytes().data()), mapped->bytes().size()), bytes);
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(Files, AnEmptyFileIsReadAndMapped) {
  TemporaryFolder folder;
  ASSERT_TRUE(writeFile(folder / "a", ""));
  EXPECT_EQ(*readFile(folder / "a"), "");
  auto mapped = MappedFile::open(folder / "a");
  ASSERT_TRUE(mapped);
  EXPECT_TRUE(mapped->bytes().empty());
}

TEST(Files, AnUncommittedFileLeavesTheOldOneAndNoTrace) {
  TemporaryFolder folder;
  ASSERT_TRUE(writeFile(folder / "a", "old"));
  {
    auto file = AtomicFile::create(folder / "a");
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->write("new"));
  }
  EXPECT_EQ(*readFile(folder / "a"), "old");
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(Files, AHeaderCanBeFilledInLast) {
  TemporaryFolder folder;
  auto file = AtomicFile::create(folder / "a");
  ASSERT_TRUE(file);
  ASSERT_TRUE(file->write("????body"));
  ASSERT_TRUE(file->writeAt(0, "head", 4));
  ASSERT_TRUE(file->write(" more"));
  ASSERT_TRUE(file->commit());
  EXPECT_EQ(*readFile(folder / "a"), "headbody more");
}

TEST(Files, AFullDiskSaysNoSpaceLeftAndNamesTheFile) {
  if (!fs::exists("/dev/full"))
    GTEST_SKIP();
  auto status = writeFile("/dev/full", "x");
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("no space left"), std::string::npos) << status.error().message;
  EXPECT_NE(status.error().message.find("/dev/full"), std::string::npos) << status.error().message;
}

TEST(Files, AMissingFileIsNamed) {
  auto read = readFile("/nowhere/at-all.txt");
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("/nowhere/at-all.txt"), std::string::npos);
  EXPECT_EQ(read.error().kind, Error::Kind::Input);
  EXPECT_FALSE(readFile("/"));
  EXPECT_FALSE(writeFile("/nowhere/at-all.txt", ""));
}

TEST(Files, AFolderIsPublishedWholeAndReplacesTheOldOne) {
  TemporaryFolder folder;
  for (const char *content : {"first", "second"}) {
    auto atomic = AtomicFolder::create(folder / "sub/target/");
    ASSERT_TRUE(atomic);
    ASSERT_TRUE(writeFile(atomic->path() / "file", content));
    ASSERT_TRUE(atomic->publish());
    EXPECT_EQ(*readFile(folder / "sub/target/file"), content);
    EXPECT_EQ(entries(folder / "sub"), 1u);
  }
  {
    auto atomic = AtomicFolder::create(folder / "sub/target");
    ASSERT_TRUE(atomic);
    ASSERT_TRUE(writeFile(atomic->path() / "file", "third"));
  }
  EXPECT_EQ(*readFile(folder / "sub/target/file"), "second");
  EXPECT_EQ(entries(folder / "sub"), 1u);
}

TEST(Files, ALinkKeepsPointingAtTheFileThatIsReplaced) {
  TemporaryFolder folder;
  ASSERT_TRUE(writeFile(folder / "real", "old"));
  fs::create_symlink("real", folder / "link");
  ASSERT_TRUE(writeFile(folder / "link", "new"));
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(*readFile(folder / "real"), "new");
}

} // namespace
} // namespace caa
