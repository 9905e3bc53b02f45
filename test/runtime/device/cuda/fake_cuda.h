// The fake driver: a library that has libcuda's and cuBLASLt's functions and no GPU behind them (fake_driver.cpp,
// fake_cublaslt.cpp). Device memory is memory of the host; work queued in a stream is done when somebody waits for it,
// in order, so that what reads too early reads something old. Kernels are the sample program's (test/codegen/GpuSample.h).
//
// CAA_FAKE_CUDA sets what it is like, in words: "capability=75 version=11080 devices=2 memory=BYTES others=BYTES
// multiprocessors=4 fail=cuModuleLoadDataEx:222 fault=embed log=FILE". `others` is held by another process; `fail` lets
// each call of one function fail; `fault` lets a kernel fault when it runs; calls are appended to `log`, a line each.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace caa::test {

struct FakeCuda {
  int capability = 90, version = 12040, devices = 1, multiprocessors = 4;
  int64_t memory = int64_t(8) << 30, others = 0;
  std::map<std::string, int> fail; // by function
  std::string fault, log;
  int64_t allocated = 0;
  int broken = 0; // the code of a fault, after which everything fails

  /// Notes a call; what it returns is not 0 if the call is to fail.
  int call(const std::string &function, const std::string &arguments = "");
};

FakeCuda &fakeCuda();

/// Work in the order of its stream; a stream of null is done at once.
void enqueueWork(void *stream, std::function<int()> work);

/// A kernel on the host: its parameters' bytes; `grid` blocks. Null if there is none of that name.
using FakeKernel = void (*)(const std::vector<std::vector<uint8_t>> &parameters, unsigned grid);
FakeKernel fakeKernel(const std::string &name);

} // namespace caa::test
