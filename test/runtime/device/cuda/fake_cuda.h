// The fake driver: a library that has libcuda's and cuBLASLt's functions and no GPU behind them (fake_driver.cpp,
// fake_cublaslt.cpp). Device memory is memory of the host; work queued in a stream is done when somebody waits for it,
// in order, so that what reads too early reads something old. What kernels do, another file says (fakeKernel): either
// it knows those of the sample program (test/codegen/GpuSample.h) by name (fake_kernels.cpp), or it emulates every PTX
// (emulated_kernels.cpp). Products too large for the host (they are there to measure a device) are left out.
//
// CAA_FAKE_CUDA sets what it is like, in words: "capability=75 version=11080 devices=2 memory=BYTES others=BYTES
// multiprocessors=4 fail=cuModuleLoadDataEx:222 fault=embed log=FILE". `others` is held by another process; `fail` lets
// each call of one function fail; `fault` lets a kernel fault when it runs (`fault=embed@5`: when it runs for the fifth
// time); calls are appended to `log`, a line each; `threads` of the host run the blocks of an emulated kernel.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace caa::test {

struct FakeCuda {
  int capability = 90, version = 12040, devices = 1, multiprocessors = 4, threads = 1;
  int64_t memory = int64_t(8) << 30, others = 0;
  std::map<std::string, int> fail; // by function
  std::string fault, log;
  int runsToFault = 0; // of the kernel `fault`; 0 for each run
  int64_t allocated = 0;
  int broken = 0;       // the code of a fault, after which everything fails
  std::string said;     // what a fault is, in words

  /// Notes a call; what it returns is not 0 if the call is to fail.
  int call(const std::string &function, const std::string &arguments = "");
};

FakeCuda &fakeCuda();

/// Work in the order of its stream; a stream of null is done at once.
void enqueueWork(void *stream, std::function<int()> work);

struct FakeLaunch {
  std::vector<std::vector<uint8_t>> parameters; // the bytes of each
  unsigned grid = 1, threads = 32, shared = 0;  // blocks, threads of each, bytes of dynamic shared memory
};
/// A kernel on the host; what it returns is not 0 if it faults. Null if the text has none of that name.
using FakeKernel = std::function<int(const FakeLaunch &)>;
FakeKernel fakeKernel(const std::string &ptx, const std::string &name);

/// Told of what happens to device memory beside kernels.
struct MemoryWatch {
  virtual ~MemoryWatch() = default;
  virtual void made(uint64_t /*address*/, size_t /*size*/) {}
  virtual void gone(uint64_t /*address*/) {}
  virtual void written(uint64_t /*address*/, size_t /*size*/) {}
  virtual void poisoned(uint64_t /*address*/, size_t /*size*/) {} // set to 255: what is read then, nobody wrote
  virtual void copied(uint64_t /*to*/, uint64_t /*from*/, size_t /*size*/) {}
};
MemoryWatch &memoryWatch();

} // namespace caa::test
