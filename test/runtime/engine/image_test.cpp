// Opening a compiled model: the real one works; nothing damaged does, sealed anew or not.
#include "runtime/engine/image.h"

#include "runtime/base/hash.h"
#include "runtime/engine/elf.h"
#include "runtime/engine/executor.h"
#include "runtime/engine/image_check.h"
#include "test/runtime/temporary_folder.h"
#include "test/seed.h"

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
  ASSERT_TRUE(image->findEntry(CAA_TARGET_CPU, "micro_step"));
  EXPECT_FALSE(image->findEntry(CAA_TARGET_CPU, "nothing"));
  EXPECT_EQ(image->valuesOf(*image->findEntry(CAA_TARGET_CPU, "logits")).size(), 4u);
  std::string bytes = good;
  sealAnew(bytes);
  EXPECT_EQ(bytes, good);
}

TEST_F(SampleFile, WithAnyBitFlippedIsRefusedByName) {
  std::mt19937_64 random(testSeed());
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
  std::mt19937_64 random(testSeed());
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
      (void)planEntry(*image, caa_target(entry.target), name, 3, 50);
      (void)planEntry(*image, caa_target(entry.target), name, int64_t(1) << 40, int64_t(1) << 20);
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

/// Changes one record of one table under a good seal.
class ChangedRecord : public SampleFile {
protected:
  ChangedRecord() : image(*Image::open(CAA_SAMPLE_SO)) {}

  /// What is wrong with the file whose record is `change`d; `record` is of `image`.
  template <typename T, typename F> std::string faultOf(const T &record, F change) {
    T changed = record;
    change(changed);
    std::string bytes = good;
    size_t at = reinterpret_cast<const std::byte *>(&record) - image.bytes().data();
    std::memcpy(bytes.data() + section(".caa.image").first + at, &changed, sizeof changed);
    sealAnew(bytes);
    auto opened = openBytes(bytes);
    return opened ? std::string("none") : opened.error().message;
  }
  const caa_entry &entry(caa_target target, std::string_view name) const { return *image.findEntry(target, name); }
  const caa_command &command(const caa_entry &entry, size_t number) const {
    return image.commands()[entry.first_command + number];
  }
  const caa_kernel &kernelOf(caa_target target) const {
    return image.kernels()[command(entry(target, "add.forward"), 0).index];
  }

  Image image;
};

#define EXPECT_FAULT(record, change, text)                                                                             \
  EXPECT_NE(faultOf(record, [&](auto &r) { change; }).find(text), std::string::npos)                                   \
      << faultOf(record, [&](auto &r) { change; })

TEST_F(ChangedRecord, IsFineIfNothingChanges) {
  EXPECT_EQ(faultOf(kernelOf(CAA_TARGET_SM90A), [](auto &) {}), "none");
  EXPECT_EQ(faultOf(image.header(), [](auto &) {}), "none");
}

TEST_F(ChangedRecord, OfATargetIsRefused) {
  EXPECT_FAULT(image.header(), r.targets |= 8, "target that this program does not know");
  EXPECT_FAULT(image.header(), r.targets &= ~uint32_t(CAA_TARGET_SM80), "target that the file does not have");
  EXPECT_FAULT(entry(CAA_TARGET_SM80, "update"), r.target = 3, "target that the file does not have");
  EXPECT_FAULT(entry(CAA_TARGET_SM80, "update"), r.target = CAA_TARGET_SM90A, "two entries");
  EXPECT_FAULT(entry(CAA_TARGET_SM80, "product"), r.target = CAA_TARGET_CPU, "cannot compute");
  EXPECT_FAULT(command(entry(CAA_TARGET_SM80, "add.forward"), 0), r.index = 0, "kernel of another target");
  EXPECT_FAULT(image.parameters()[2], r.group_number = 2, "number 2, not 1");
}

TEST_F(ChangedRecord, OfALaunchIsRefused) {
  const caa_kernel &hopper = kernelOf(CAA_TARGET_SM90A), &portable = kernelOf(CAA_TARGET_SM80);
  for (uint32_t threads : {0u, 16u, 33u, 1056u})
    EXPECT_FAULT(hopper, r.threads = threads, "no device");
  EXPECT_FAULT(hopper, r.shared_bytes = 227 * 1024 + 1, "no device");
  EXPECT_FAULT(hopper, r.blocks_per_sm = 33, "no device");
  EXPECT_FAULT(hopper, r.counters = UINT32_MAX, "no device");
  EXPECT_FAULT(hopper, r.cpu_avx2 = 16, "not code");
  EXPECT_FAULT(hopper, r.tensor_map_count = 2, "tensor maps that do not exist");
  EXPECT_FAULT(hopper, r.first_tensor_map = UINT32_MAX, "tensor maps that do not exist");
  EXPECT_FAULT(portable, (r.first_tensor_map = 0, r.tensor_map_count = 1), "no device");
  EXPECT_FAULT(image.kernels()[1], r.threads = 32, "has a GPU's launch");
}

TEST_F(ChangedRecord, OfATensorMapIsRefused) {
  const caa_tensor_map &map = image.tensorMaps()[0];
  EXPECT_FAULT(map, r.operand = 3, "no whole operand");
  EXPECT_FAULT(map, r.dtype = CAA_F64, "tensor map 0 has no meaning");
  EXPECT_FAULT(map, r.heads = 0, "tensor map 0 has no meaning");
  EXPECT_FAULT(map, r.heads = int64_t(1) << 40, "tensor map 0 has no meaning");
  EXPECT_FAULT(map, r.width = 3, "tensor map 0 has no meaning");
  EXPECT_FAULT(map, r.box_width = 257, "tensor map 0 has no meaning");
  EXPECT_FAULT(map, r.box_width = 2, "tensor map 0 has no meaning");
  EXPECT_FAULT(map, r.box_rows = 0, "tensor map 0 has no meaning");
  EXPECT_FAULT(map, r.swizzle = 48, "tensor map 0 has no meaning");
  EXPECT_FAULT(map, (r.box_width = 16, r.swizzle = 32), "tensor map 0 has no meaning");
  const caa_command &launch = command(entry(CAA_TARGET_SM90A, "add.forward"), 0);
  EXPECT_FAULT(image.operands()[launch.first_operand + 1], r.offset = 8, "no whole operand");
  EXPECT_FAULT(image.operands()[launch.first_operand + 1], r.row_bytes = 32, "no whole operand");
}

TEST_F(ChangedRecord, OfATensorMapBeyondItsBufferIsRefusedByThePlan) {
  std::string bytes = good;
  caa_tensor_map map = image.tensorMaps()[0];
  size_t at = reinterpret_cast<const std::byte *>(&image.tensorMaps()[0]) - image.bytes().data();
  map.heads = 3;
  std::memcpy(bytes.data() + section(".caa.image").first + at, &map, sizeof map);
  sealAnew(bytes);
  auto opened = openBytes(bytes);
  ASSERT_TRUE(opened) << opened.error().message;
  auto plan = planEntry(*opened, CAA_TARGET_SM90A, "add.forward", 2, 5);
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().message.find("beyond its buffer"), std::string::npos) << plan.error().message;
  EXPECT_TRUE(planEntry(image, CAA_TARGET_SM90A, "add.forward", 2, 5));
}

TEST_F(ChangedRecord, OfAModuleIsRefused) {
  const caa_module &module = image.modules()[0];
  EXPECT_FAULT(module, r.kind = 2, "module 0 is of an unknown kind");
  EXPECT_FAULT(module, r.target = CAA_TARGET_CPU, "module 0 is of an unknown kind");
  EXPECT_FAULT(module, r.target = CAA_TARGET_SM90A, "two modules");
  EXPECT_FAULT(module, r.kind = CAA_MODULE_CUBIN, "no module for sm_80");
  EXPECT_FAULT(module, r.code.size = uint64_t(1) << 50, "code of a module");
  EXPECT_FAULT(module, r.code = (caa_text{r.code.offset + r.code.size, 0}), "holds no code");
  EXPECT_FAULT(image.header(), r.modules.count = 1, "no module for sm_90a");
}

TEST_F(ChangedRecord, OfAProductIsRefused) {
  const caa_entry &gpu = entry(CAA_TARGET_SM90A, "product"), &cpu = entry(CAA_TARGET_CPU, "logits");
  EXPECT_FAULT(command(gpu, 0), r.a_dtype = CAA_I32, "cannot compute");
  EXPECT_FAULT(command(gpu, 0), r.c_dtype = 77, "cannot compute");
  EXPECT_FAULT(command(cpu, 1), r.b_dtype = CAA_BF16, "cannot compute");
  EXPECT_FAULT(command(gpu, 0), r.operand_count = 5, "operands");
  EXPECT_FAULT(command(cpu, 1), r.operand_count = 4, "operands");
}

TEST_F(ChangedRecord, OfABufferThatGpusHaveAloneIsRefusedOnTheCpu) {
  const caa_buffer &parameter = image.buffersOf(entry(CAA_TARGET_CPU, "logits"))[3];
  ASSERT_EQ(parameter.kind, uint32_t(CAA_BUFFER_PARAMETER));
  EXPECT_FAULT(parameter, r.kind = CAA_BUFFER_PARAMETER_BF16, "GPUs have alone");
  EXPECT_FAULT(parameter, r.kind = CAA_BUFFER_OPTIMIZER, "GPUs have alone");
  EXPECT_FAULT(parameter, r.kind = 16, "unknown kind");
}

TEST_F(ChangedRecord, OfBf16ProductsIsCheckedInBf16Bytes) {
  // x is [rows, 8] of bf16, exactly as large as what the product reads: half of it would hold f32.
  EXPECT_TRUE(planEntry(image, CAA_TARGET_SM80, "product", 2, 5));
  std::string bytes = good;
  caa_command product = command(entry(CAA_TARGET_SM80, "product"), 0);
  size_t at = reinterpret_cast<const std::byte *>(&command(entry(CAA_TARGET_SM80, "product"), 0)) - image.bytes().data();
  product.a_dtype = CAA_F32;
  std::memcpy(bytes.data() + section(".caa.image").first + at, &product, sizeof product);
  sealAnew(bytes);
  auto opened = openBytes(bytes);
  ASSERT_TRUE(opened) << opened.error().message;
  auto plan = planEntry(*opened, CAA_TARGET_SM80, "product", 2, 5);
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().message.find("beyond its buffer"), std::string::npos) << plan.error().message;
}

} // namespace
} // namespace caa
