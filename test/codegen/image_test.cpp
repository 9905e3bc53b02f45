// The .so writer: what is in the file, that nothing else is, and that its code runs.
#include "test/codegen/SampleProgram.h"

#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/SHA256.h"
#include "gtest/gtest.h"

#include <cstring>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <set>
#include <unistd.h>

namespace caa {
namespace {

using namespace llvm;

class SharedObject : public testing::Test {
protected:
  static void SetUpTestSuite() {
    folder = std::filesystem::temp_directory_path() / ("caa-image-test-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    path = (folder / "sample.so").string();
    std::vector<ObjectBytes> objects;
    objects.push_back(cantFail(test::sampleKernels()));
    cantFail(writeSharedObject(path, test::sampleProgram(), test::sampleTexts(), std::move(objects)));
    std::ifstream file(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder); }

  static object::ELF64LEObjectFile elf() { return cantFail(object::ELF64LEObjectFile::create(MemoryBufferRef(bytes, path))); }
  static StringRef section(StringRef name) {
    auto file = elf();
    for (const object::SectionRef &section : file.sections())
      if (cantFail(section.getName()) == name)
        return cantFail(section.getContents());
    return {};
  }

  static std::filesystem::path folder;
  static std::string path, bytes;
};
std::filesystem::path SharedObject::folder;
std::string SharedObject::path, SharedObject::bytes;

TEST_F(SharedObject, ExportsCaaQueryAlone) {
  std::vector<std::string> exported, undefined;
  auto file = elf();
  for (const object::ELFSymbolRef &symbol : file.getDynamicSymbolIterators()) {
    std::string name = cantFail(symbol.getName()).str();
    bool isUndefined = cantFail(symbol.getFlags()) & object::SymbolRef::SF_Undefined;
    if (!name.empty())
      (isUndefined ? undefined : exported).push_back(name);
  }
  EXPECT_EQ(exported, std::vector<std::string>{"caa_query"});
  EXPECT_EQ(undefined, std::vector<std::string>{});
}

TEST_F(SharedObject, HasNoConstructorsAndNoRelocations) {
  auto file = elf();
  for (const object::SectionRef &section : file.sections()) {
    StringRef name = cantFail(section.getName());
    EXPECT_FALSE(name.starts_with(".init") || name.starts_with(".fini") || name.starts_with(".rela")) << name.str();
  }
}

TEST_F(SharedObject, IsSealedWithTheHashOfTheFile) {
  StringRef sealed = section(".caa.seal");
  ASSERT_EQ(sealed.size(), 32u);
  std::string stored = sealed.str(), zeroed = bytes;
  size_t at = zeroed.find(stored);
  ASSERT_NE(at, std::string::npos);
  std::fill_n(zeroed.begin() + at, 32, 0);
  auto hash = SHA256::hash(arrayRefFromStringRef(zeroed));
  EXPECT_EQ(stored, std::string(hash.begin(), hash.end()));
}

TEST_F(SharedObject, SectionHoldsTheSameImageAsTheLoadedFile) {
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_TRUE(handle) << dlerror();
  auto query = reinterpret_cast<caa_query_fn>(dlsym(handle, "caa_query"));
  ASSERT_TRUE(query);
  EXPECT_EQ(query(CAA_ABI_VERSION - 1), nullptr);
  const caa_header *header = query(CAA_ABI_VERSION);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->magic, CAA_ABI_MAGIC);
  StringRef stored = section(".caa.image");
  ASSERT_EQ(stored.size(), header->image_size);
  EXPECT_EQ(std::memcmp(stored.data(), header, stored.size()), 0);
  dlclose(handle);
}

TEST_F(SharedObject, TablesReadBackAsWritten) {
  StringRef image = section(".caa.image");
  const auto &header = *reinterpret_cast<const caa_header *>(image.data());
  auto text = [&](caa_text t) {
    EXPECT_EQ(image[t.offset + t.size], '\0');
    return image.substr(t.offset, t.size).str();
  };
  EXPECT_EQ(text(header.model_name), "sample");
  EXPECT_EQ(text(header.settings), test::sampleTexts().settings);
  auto sourceHash = SHA256::hash(arrayRefFromStringRef(test::sampleTexts().source));
  EXPECT_EQ(std::memcmp(header.source_sha256, sourceHash.data(), 32), 0);
  schedule::Program program = test::sampleProgram();
  ASSERT_EQ(header.entries.count, program.entries.size());
  ASSERT_EQ(header.entries.stride, sizeof(caa_entry));
  auto *entries = reinterpret_cast<const caa_entry *>(image.data() + header.entries.offset);
  auto *buffers = reinterpret_cast<const caa_buffer *>(image.data() + header.buffers.offset);
  auto *values = reinterpret_cast<const caa_value *>(image.data() + header.values.offset);
  auto *terms = reinterpret_cast<const caa_term *>(image.data() + header.terms.offset);
  for (unsigned e = 0; e < header.entries.count; ++e) {
    EXPECT_EQ(text(entries[e].name), program.entries[e].name);
    ASSERT_EQ(entries[e].buffer_count, program.entries[e].buffers.size());
    for (unsigned b = 0; b < entries[e].buffer_count; ++b) {
      const caa_buffer &record = buffers[entries[e].first_buffer + b];
      const schedule::Buffer &buffer = program.entries[e].buffers[b];
      EXPECT_EQ(text(record.name), buffer.name);
      ASSERT_EQ(record.bytes.count, buffer.bytes.terms.size());
      EXPECT_EQ(terms[record.bytes.first].coefficient, buffer.bytes.terms[0].coefficient);
      EXPECT_EQ(terms[record.bytes.first].batch_power, buffer.bytes.terms[0].batch);
      if (record.kind == CAA_BUFFER_VALUE) {
        EXPECT_EQ(text(values[record.index].name), buffer.name);
      }
    }
  }
}

TEST_F(SharedObject, EachTargetHasItsEntriesKernelsAndModule) {
  StringRef image = section(".caa.image");
  const auto &header = *reinterpret_cast<const caa_header *>(image.data());
  EXPECT_EQ(header.targets, uint32_t(CAA_TARGET_CPU | CAA_TARGET_SM80 | CAA_TARGET_SM90A));
  auto *entries = reinterpret_cast<const caa_entry *>(image.data() + header.entries.offset);
  auto *commands = reinterpret_cast<const caa_command *>(image.data() + header.commands.offset);
  auto *kernels = reinterpret_cast<const caa_kernel *>(image.data() + header.kernels.offset);
  auto *maps = reinterpret_cast<const caa_tensor_map *>(image.data() + header.tensor_maps.offset);
  auto *modules = reinterpret_cast<const caa_module *>(image.data() + header.modules.offset);
  std::map<uint32_t, std::set<std::string>> names;
  for (unsigned e = 0; e < header.entries.count; ++e) {
    const caa_entry &entry = entries[e];
    std::string name(image.data() + entry.name.offset);
    EXPECT_TRUE(names[entry.target].insert(name).second) << name;
    for (unsigned c = 0; c < entry.command_count; ++c) {
      const caa_command &command = commands[entry.first_command + c];
      if (command.kind == CAA_COMMAND_KERNEL) {
        EXPECT_EQ(kernels[command.index].target, entry.target) << name;
      }
    }
  }
  std::set<std::string> ofGpu = {"add.forward", "product", "update"};
  EXPECT_EQ(names[CAA_TARGET_SM80], ofGpu);
  EXPECT_EQ(names[CAA_TARGET_SM90A], ofGpu);
  const caa_kernel &hopper = kernels[header.kernels.count - 1];
  ASSERT_EQ(hopper.tensor_map_count, 1u);
  EXPECT_EQ(maps[hopper.first_tensor_map].box_rows, 16u);
  ASSERT_EQ(header.modules.count, 2u);
  schedule::Program program = test::sampleProgram();
  for (unsigned m = 0; m < 2; ++m) {
    EXPECT_EQ(modules[m].target, uint32_t(program.modules[m].target));
    EXPECT_EQ(modules[m].code.offset % 64, 0u);
    EXPECT_EQ(std::string(image.data() + modules[m].code.offset), program.modules[m].code);
  }
}

TEST_F(SharedObject, KernelsAreFoundFromTheImageAndRun) {
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_TRUE(handle) << dlerror();
  auto image = reinterpret_cast<const char *>(reinterpret_cast<caa_query_fn>(dlsym(handle, "caa_query"))(CAA_ABI_VERSION));
  const auto &header = *reinterpret_cast<const caa_header *>(image);
  auto *kernels = reinterpret_cast<const caa_kernel *>(image + header.kernels.offset);
  const caa_kernel &add = kernels[1];
  ASSERT_STREQ(image + add.name.offset, "add");
  for (int64_t code : {add.cpu_avx2, add.cpu_avx512}) {
    std::vector<float> a(24), b(24), out(24, -1);
    std::iota(a.begin(), a.end(), 1.0f);
    std::iota(b.begin(), b.end(), 100.0f);
    void *buffers[] = {a.data(), b.data(), out.data()};
    int64_t sizes[CAA_SIZE_COUNT] = {1, 3, 3, 0};
    reinterpret_cast<caa_cpu_kernel>(image + code)(buffers, sizes, 1, 3, nullptr);
    for (int n = 0; n < 24; ++n)
      EXPECT_EQ(out[n], n < 8 ? -1 : a[n] + b[n]);
  }
  dlclose(handle);
}

TEST_F(SharedObject, CallsOutsideTheCLibraryAreRefusedByName) {
  Image image;
  image.bytes.resize(64);
  image.slots.push_back({8, "no_such_function"});
  std::vector<ObjectBytes> objects;
  objects.push_back(cantFail(emitImageObject(image)));
  auto so = linkSharedObject(objects);
  ASSERT_FALSE(so);
  EXPECT_NE(toString(so.takeError()).find("no_such_function"), std::string::npos);
}

TEST_F(SharedObject, FullDeviceSaysSpace) {
  std::string message = toString(writeOutput("/dev/full", ArrayRef(bytes.data(), bytes.size())));
  EXPECT_NE(message.find("no space left"), std::string::npos) << message;
}

TEST_F(SharedObject, MissingFolderNamesThePathAndLeavesNothing) {
  std::string target = (folder / "missing" / "x.so").string();
  std::string message = toString(writeOutput(target, ArrayRef(bytes.data(), bytes.size())));
  EXPECT_NE(message.find(target), std::string::npos) << message;
  EXPECT_FALSE(std::filesystem::exists(folder / "missing"));
}

} // namespace
} // namespace caa
