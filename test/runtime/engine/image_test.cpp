// Opening a compiled model: the real one works; nothing damaged does, sealed anew or not.
#include "runtime/engine/image.h"

#include "runtime/base/hash.h"
#include "runtime/engine/elf.h"
#include "runtime/engine/executor.h"
#include "runtime/engine/image_check.h"
#include "test/runtime/temporary_folder.h"

#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <random>

namespace caa {
namespace {

class SampleFile : public testing::Test {
protected:
  SampleFile() : good(*readFile(CAA_SAMPLE_SO)) {}

  Result<Image> openBytes(std::string_view bytes) {
    std::ofstream(path(), std::ios::binary) << bytes;
    return Image::open(path());
  }
  Path path() const { return folder.path() / "damaged.so"; }
  /// Where a section lies in the good file.
  std::pair<size_t, size_t> section(std::string_view name) const {
    auto elf = ElfFile::parse({reinterpret_cast<const std::byte *>(good.data()), good.size()});
    const ElfSection *found = elf->find(name);
    return {found->offset, found->bytes.size()};
  }
  /// Makes the seal fit again: what a damaged file would not have.
  void sealAnew(std::string &bytes) const {
    auto [offset, size] = section(".caa.seal");
    std::memset(bytes.data() + offset, 0, size);
    auto hex = sha256(bytes);
    for (size_t i = 0; i < size; ++i)
      bytes[offset + i] = char(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  }

  TemporaryFolder folder;
  std::string good;
};

TEST_F(SampleFile, Opens) {
  auto image = Image::open(CAA_SAMPLE_SO);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->modelName(), "sample");
  ASSERT_EQ(image->parameters().size(), 3u);
  EXPECT_EQ(image->text(image->parameters()[1].name), "first.weight");
  ASSERT_TRUE(image->findEntry("micro_step"));
  EXPECT_FALSE(image->findEntry("nothing"));
  EXPECT_EQ(image->valuesOf(*image->findEntry("logits")).size(), 4u);
  std::string bytes = good;
  sealAnew(bytes);
  EXPECT_EQ(bytes, good);
}

TEST_F(SampleFile, WithAnyBitFlippedIsRefusedByName) {
  std::mt19937_64 random(std::random_device{}());
  std::vector<size_t> positions = {0, 4, 40, 63, good.size() - 1};
  for (int i = 0; i < 150; ++i)
    positions.push_back(random() % good.size());
  for (size_t position : positions) {
    std::string bytes = good;
    bytes[position] ^= char(1 << random() % 8);
    auto image = openBytes(bytes);
    ASSERT_FALSE(image) << "byte " << position;
    EXPECT_NE(image.error().message.find(path().string()), std::string::npos);
    EXPECT_EQ(image.error().kind, Error::Kind::Input);
  }
}

TEST_F(SampleFile, CutOffAnywhereIsRefused) {
  for (size_t size : {size_t(0), size_t(3), size_t(64), good.size() / 4, good.size() / 2, good.size() - 1}) {
    auto image = openBytes(std::string_view(good).substr(0, size));
    ASSERT_FALSE(image) << size;
    EXPECT_NE(image.error().message.find(path().string()), std::string::npos);
  }
  EXPECT_FALSE(openBytes(good + '\0'));
  EXPECT_FALSE(Image::open(folder.path() / "none.so"));
  EXPECT_FALSE(Image::open("/proc/self/exe"));
}

// Whoever can make a seal can write any table: every record is checked, so that planning stays inside of the image.
TEST_F(SampleFile, WithEvilTablesUnderAGoodSealIsRefusedOrHarmless) {
  std::mt19937_64 random(std::random_device{}());
  auto [offset, size] = section(".caa.image");
  int refused = 0;
  const int rounds = 2000;
  for (int round = 0; round < rounds; ++round) {
    std::string bytes = good;
    // A whole 32-bit field takes an evil value, or one bit flips.
    size_t position = offset + random() % (size / 4) * 4;
    const uint32_t evil[] = {0, 1, 0x7fffffffu, 0x80000000u, 0xffffffffu, uint32_t(random())};
    if (round % 2 == 0)
      std::memcpy(bytes.data() + position, &evil[random() % 6], 4);
    else
      bytes[position] ^= char(1 << random() % 8);
    sealAnew(bytes);
    auto image = openBytes(bytes);
    if (!image) {
      ++refused;
      continue;
    }
    for (const caa_entry &entry : image->entries()) {
      std::string name(image->text(entry.name));
      (void)planEntry(*image, name, 3, 50);
      (void)planEntry(*image, name, int64_t(1) << 40, int64_t(1) << 20);
    }
  }
  EXPECT_GT(refused, rounds / 10); // many bytes are text or numbers that may be anything
}

TEST_F(SampleFile, NamesTheFaultOfEachField) {
  auto [offset, size] = section(".caa.image");
  auto faultOf = [&, offset = offset](size_t field, auto value) {
    std::string bytes = good;
    std::memcpy(bytes.data() + offset + field, &value, sizeof value);
    sealAnew(bytes);
    auto image = openBytes(bytes);
    return image ? std::string("none") : image.error().message;
  };
  EXPECT_NE(faultOf(offsetof(caa_header, magic), 7u).find("magic"), std::string::npos);
  EXPECT_NE(faultOf(offsetof(caa_header, abi_version), 9u).find("version 9"), std::string::npos);
  EXPECT_NE(faultOf(offsetof(caa_header, header_size), 8u).find("wrong size"), std::string::npos);
  EXPECT_NE(faultOf(offsetof(caa_header, image_size), uint64_t(8)).find("wrong size"), std::string::npos);
  EXPECT_NE(faultOf(offsetof(caa_header, commands) + 12, 8u).find("`commands`"), std::string::npos);
  EXPECT_NE(faultOf(offsetof(caa_header, kernels), uint64_t(1) << 60).find("`kernels`"), std::string::npos);
  EXPECT_NE(faultOf(offsetof(caa_header, settings) + 8, uint64_t(1) << 60).find("settings"), std::string::npos);
}

} // namespace
} // namespace caa
