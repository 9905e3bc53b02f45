// dlopen, dlsym, and what to tell users when something is missing.
#include "runtime/device/cuda/driver.h"

#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <fmt/format.h>
#include <initializer_list>
#include <vector>

namespace caa::cuda {
namespace {

struct Opened {
  void *handle = nullptr;
  std::string name, reason;
};

/// The first library of the list that opens; a variable of the environment that names one file excludes the others.
Opened openFirst(const char *variable, const std::vector<std::string> &names) {
  Opened opened;
  const char *own = std::getenv(variable);
  for (const std::string &name : own ? std::vector<std::string>{own} : names) {
    opened.name = name;
    opened.handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (opened.handle)
      return opened;
    if (const char *reason = dlerror(); opened.reason.empty() && reason)
      opened.reason = reason;
  }
  return opened;
}

/// Where pip puts NVIDIA's wheels, if a Python environment is active, beside the names that the system resolves.
std::vector<std::string> cublasLtNames() {
  std::vector<std::string> names;
  for (const char *version : {"13", "12"})
    names.push_back(fmt::format("libcublasLt.so.{}", version));
  for (const char *root : {"/usr/local/cuda/lib64", "/usr/local/cuda/lib"})
    for (const char *version : {"13", "12"})
      names.push_back(fmt::format("{}/libcublasLt.so.{}", root, version));
  if (const char *environment = std::getenv("VIRTUAL_ENV")) {
    std::error_code error;
    for (std::filesystem::directory_iterator it(std::filesystem::path(environment) / "lib", error), end;
         !error && it != end; it.increment(error)) {
      auto packages = it->path() / "site-packages" / "nvidia";
      names.push_back(packages / "cu13" / "lib" / "libcublasLt.so.13");
      names.push_back(packages / "cublas" / "lib" / "libcublasLt.so.12");
    }
  }
  return names;
}

template <typename Table> const char *missingSymbol(void *handle, Table &table);

#define CAA_CUDA_LOOKUP(name, symbol, parameters)                                                                      \
  table.name = reinterpret_cast<decltype(table.name)>(dlsym(handle, #symbol));                                         \
  if (!table.name)                                                                                                     \
    return #symbol;
template <> const char *missingSymbol(void *handle, DriverTable &table) {
  CAA_CUDA_FUNCTIONS(CAA_CUDA_LOOKUP)
  return nullptr;
}
template <> const char *missingSymbol(void *handle, CublasLtTable &table) {
  CAA_CUBLASLT_FUNCTIONS(CAA_CUDA_LOOKUP)
  return nullptr;
}
#undef CAA_CUDA_LOOKUP

/// What a kernel did wrong. The device gives it to every call from then on, whoever makes it.
bool isKernelFault(int code) {
  return code == CUDA_ERROR_ILLEGAL_ADDRESS || code == CUDA_ERROR_LAUNCH_TIMEOUT || code == CUDA_ERROR_ASSERT ||
         (code >= CUDA_ERROR_HARDWARE_STACK_ERROR && code <= CUDA_ERROR_LAUNCH_FAILED);
}

Result<CublasLt> openCublasLt() {
  Opened opened = openFirst("CAA_CUBLASLT", cublasLtNames());
  if (!opened.handle)
    return inputError(fmt::format("cuBLASLt is missing: {}; install libcublas (Debian, Ubuntu: `libcublas-13-0` of "
                                  "NVIDIA's repository; Python: `pip install nvidia-cublas`) and let LD_LIBRARY_PATH "
                                  "or CAA_CUBLASLT name it",
                                  opened.reason));
  CublasLt loaded;
  if (const char *missing = missingSymbol(opened.handle, loaded.api))
    return inputError(fmt::format("{} has no `{}`: cuBLAS 12.0 or newer is needed", opened.name, missing));
  return loaded;
}

} // namespace

Result<Driver> Driver::open() {
  Opened opened = openFirst("CAA_CUDA_DRIVER", {"libcuda.so.1"});
  if (!opened.handle)
    return inputError(fmt::format("no NVIDIA driver: {} cannot be opened ({}); `--device cpu` computes without one",
                                  opened.name, opened.reason));
  Driver driver;
  DriverTable &api = driver.api;
  if (const char *missing = missingSymbol(opened.handle, api)) {
    int version = 0;
    if (api.cuDriverGetVersion)
      api.cuDriverGetVersion(&version);
    return inputError(fmt::format("the NVIDIA driver{} is too old: it has no `{}`; CUDA 12.0 (driver 525) or newer is "
                                  "needed",
                                  version ? " for CUDA " + formatCudaVersion(version) : "", missing));
  }
  constexpr const char *noDevice = "the NVIDIA driver sees no GPU (is it given to this container, does "
                                   "CUDA_VISIBLE_DEVICES hide it?); `--device cpu` computes without one";
  int code = api.cuInit(0);
  if (code == CUDA_ERROR_NO_DEVICE)
    return inputError(noDevice);
  if (code == CUDA_ERROR_STUB_LIBRARY)
    return inputError(fmt::format("{} is the toolkit's stub, not the driver: take its folder out of LD_LIBRARY_PATH",
                                  opened.name));
  if (code == CUDA_ERROR_SYSTEM_DRIVER_MISMATCH)
    return inputError("the NVIDIA driver's library and its kernel module are of different versions: restart the "
                      "machine, or load the module that belongs to the library");
  CAA_CHECK(driver.check("the NVIDIA driver cannot start", code));
  CAA_CHECK(driver.check("the NVIDIA driver", api.cuDriverGetVersion(&driver.version_)));
  CAA_CHECK(driver.check("the NVIDIA driver", api.cuDeviceGetCount(&driver.deviceCount_)));
  if (driver.deviceCount_ < 1)
    return inputError(noDevice);
  return driver;
}

Result<const Driver *> Driver::load() {
  static Result<Driver> loaded = open();
  if (!loaded)
    return loaded.error();
  return &*loaded;
}

Error Driver::error(std::string_view what, int code) const {
  const char *name = nullptr, *text = nullptr;
  if (api.cuGetErrorName(code, &name) != CUDA_SUCCESS || !name)
    name = "an unknown error";
  if (api.cuGetErrorString(code, &text) != CUDA_SUCCESS || !text)
    text = "the driver says no more";
  Error error = inputError(fmt::format("{}: {} ({}, {})", what, text, name, code));
  if (isKernelFault(code))
    error.fault.emplace();
  return error;
}

Result<const CublasLt *> CublasLt::load() {
  static Result<CublasLt> loaded = openCublasLt();
  if (!loaded)
    return loaded.error();
  return &*loaded;
}

std::string formatCudaVersion(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

} // namespace caa::cuda
