// What kernels do, from their PTX, by the emulator (test/ptx/Emulator.h). A Fault is what the runtime then tells its
// user.
#include "test/ptx/Emulator.h"
#include "test/runtime/device/cuda/fake_cuda.h"

#include "runtime/device/cuda/cuda_api.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

namespace caa::test {
namespace {

struct Watch : MemoryWatch {
  void made(uint64_t address, size_t size) override { ptx::GlobalMemory::get().add(address, size); }
  void gone(uint64_t address) override { ptx::GlobalMemory::get().remove(address); }
  void written(uint64_t address, size_t size) override { ptx::GlobalMemory::get().markWritten(address, size); }
  void poisoned(uint64_t address, size_t size) override { ptx::GlobalMemory::get().forget(address, size); }
  void copied(uint64_t to, uint64_t from, size_t size) override { ptx::GlobalMemory::get().copied(to, from, size); }
};

/// One per text: kernels are looked up one by one.
std::shared_ptr<ptx::Module> moduleOf(const std::string &text) {
  static std::map<std::string, std::shared_ptr<ptx::Module>> modules;
  auto &made = modules[text];
  if (!made)
    made = std::make_shared<ptx::Module>(text);
  return made;
}

int launchOn(ptx::Module &module, const std::string &name, const FakeLaunch &given) {
  try {
    ptx::Launch launch;
    launch.kernel = &module.kernel(name);
    launch.parameters.resize(launch.kernel->parameterBytes);
    for (size_t i = 0; i < given.parameters.size(); ++i)
      std::memcpy(&launch.parameters[launch.kernel->parameters[i].offset], given.parameters[i].data(),
                  given.parameters[i].size());
    launch.blocks = given.grid;
    launch.threads = given.threads;
    launch.sharedBytes = given.shared;
    ptx::run(module, launch, unsigned(fakeCuda().threads));
    return 0;
  } catch (const ptx::Fault &fault) {
    fakeCuda().said = fault.what();
    return cuda::CUDA_ERROR_ILLEGAL_ADDRESS;
  }
}

} // namespace

FakeKernel fakeKernel(const std::string &ptx, const std::string &name) {
  return [module = moduleOf(ptx), name](const FakeLaunch &launch) { return launchOn(*module, name, launch); };
}

MemoryWatch &memoryWatch() {
  static Watch watch;
  return watch;
}

} // namespace caa::test
