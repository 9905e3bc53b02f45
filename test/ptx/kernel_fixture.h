// Small kernels for tests: a body of PTX, device memory that the test owns, and what a wrong kernel is told.
#pragma once

#include "test/ptx/Emulator.h"
#include "test/ptx/TensorMap.h"
#include "test/seed.h"

#include <cstring>
#include <gtest/gtest.h>
#include <random>

namespace caa::ptx {

/// Device memory; what the test did not write, nobody has written.
template <typename T> class DeviceArray {
public:
  explicit DeviceArray(size_t count) : values(count + 16 / sizeof(T) * 16) {
    begin_ = values.data();
    while (uint64_t(begin_) % 128)
      ++begin_;
    GlobalMemory::get().add(uint64_t(begin_), count * sizeof(T));
    count_ = count;
  }
  explicit DeviceArray(const std::vector<T> &given) : DeviceArray(given.size()) {
    std::memcpy(begin_, given.data(), given.size() * sizeof(T));
    GlobalMemory::get().markWritten(uint64_t(begin_), given.size() * sizeof(T));
  }
  ~DeviceArray() { GlobalMemory::get().remove(uint64_t(begin_)); }
  DeviceArray(const DeviceArray &) = delete;
  uint64_t address() const { return uint64_t(begin_); }
  T operator[](size_t index) const { return begin_[index]; }
  size_t size() const { return count_; }

private:
  std::vector<T> values;
  T *begin_ = nullptr;
  size_t count_ = 0;
};

class KernelTest : public testing::Test {
protected:
  /// Runs `body` in one block. Its parameters are %in, %out (64 bits each) and, where `map` is given, a tensor map at
  /// %map; %t is the thread's number, %lane its lane, %warp its warp, %s the begin of `shared` bytes (32 bits).
  /// Registers %p<16>, %h<64>, %r<256>, %d<64> are declared.
  void run(const std::string &body, uint64_t in, uint64_t out, uint32_t threads = 32, uint32_t shared = 0,
           const TensorMap *map = nullptr) {
    Module module(R"(
.version 8.3
.target sm_90a
.address_size 64
.extern .shared .align 1024 .b8 k_shared[];
.visible .entry k(.param .u64 k_0, .param .u64 k_1, .param .align 64 .b8 k_2[128])
{
  .reg .pred %p<16>;
  .reg .b16 %h<64>;
  .reg .b32 %r<256>, %t, %lane, %warp, %s;
  .reg .b64 %d<64>, %in, %out, %map;
  ld.param.b64 %in, [k_0];
  ld.param.b64 %out, [k_1];
  mov.b64 %map, k_2;
  mov.u32 %t, %tid.x;
  and.b32 %lane, %t, 31;
  shr.u32 %warp, %t, 5;
  mov.b32 %s, k_shared;
)" + body + "\n  ret;\n}\n");
    Launch launch;
    launch.kernel = &module.kernel("k");
    launch.threads = threads;
    launch.sharedBytes = shared;
    launch.parameters.resize(launch.kernel->parameterBytes);
    std::memcpy(&launch.parameters[0], &in, 8);
    std::memcpy(&launch.parameters[8], &out, 8);
    if (map)
      std::memcpy(&launch.parameters[64], map, sizeof *map);
    ptx::run(module, launch);
  }

  /// What the emulator says of a wrong kernel.
  std::string faultOf(const std::string &body, uint64_t in = 0, uint64_t out = 0, uint32_t threads = 32,
                      uint32_t shared = 1024, const TensorMap *map = nullptr) {
    try {
      run(body, in, out, threads, shared, map);
    } catch (const Fault &fault) {
      return fault.what();
    }
    return "";
  }

  /// Small whole numbers as bfloat16: their products and sums are exact.
  std::vector<uint16_t> wholeNumbers(size_t count) {
    std::vector<uint16_t> values;
    for (size_t i = 0; i < count; ++i)
      values.push_back(uint16_t(std::bit_cast<uint32_t>(float(int(random() % 17) - 8)) >> 16));
    return values;
  }
  static float valueOf(uint16_t bfloat) { return std::bit_cast<float>(uint32_t(bfloat) << 16); }

  std::mt19937 random{testSeed()};
};

inline void expectSays(const std::string &text, std::initializer_list<const char *> parts) {
  for (const char *part : parts)
    EXPECT_NE(text.find(part), std::string::npos) << "no `" << part << "` in: " << text;
}

} // namespace caa::ptx
