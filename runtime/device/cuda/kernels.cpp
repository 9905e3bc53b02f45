// Choosing a target, loading its module, and looking every kernel up.
#include "runtime/device/cuda/kernels.h"

#include <array>
#include <fmt/format.h>

namespace caa::cuda {
namespace {

/// What a driver says about a module that it cannot use because of what the module is for, not of what it says.
bool isForeign(int code) {
  return code == CUDA_ERROR_NO_BINARY_FOR_GPU || code == CUDA_ERROR_INVALID_IMAGE ||
         code == CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
}

/// "8.6" of a text's `.version 8.6`; "?" if it has none.
std::string_view ptxVersion(std::string_view ptx) {
  constexpr std::string_view directive = ".version";
  size_t begin = ptx.find(directive);
  if (begin == std::string_view::npos)
    return "?";
  begin = ptx.find_first_not_of(' ', begin + directive.size());
  return ptx.substr(begin, ptx.find_first_of(" \r\n", begin) - begin);
}

std::string listTargets(const Image &image) {
  std::string list;
  for (caa_target target : {CAA_TARGET_CPU, CAA_TARGET_SM80, CAA_TARGET_SM90A})
    if (image.hasTarget(target))
      list += fmt::format("{}{}", list.empty() ? "" : ", ", nameOfTarget(target));
  return list;
}

const caa_module *findModule(const Image &image, caa_target target, uint32_t kind) {
  for (const caa_module &module : image.modules())
    if (module.target == target && module.kind == kind)
      return &module;
  return nullptr;
}

/// What the driver's compiler said, without what it did not fill.
struct JitLog {
  std::array<char, 8192> text = {};
  std::string_view said() const {
    std::string_view all(text.data());
    while (!all.empty() && (all.back() == '\n' || all.back() == ' '))
      all.remove_suffix(1);
    return all;
  }
};

int loadModule(const Device &device, std::string_view code, CUmodule *module, JitLog &log) {
  int options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log.text.data(), reinterpret_cast<void *>(log.text.size() - 1)};
  return device.api().cuModuleLoadDataEx(module, code.data(), 2, options, values);
}

/// The PTX of a target, compiled by the driver.
Status compile(const Device &device, const Image &image, caa_target target, CUmodule *module) {
  const caa_module *ptx = findModule(image, target, CAA_MODULE_PTX);
  if (!ptx)
    return image.error(fmt::format("its machine code for {} does not run on GPU {} ({}), and it holds no PTX",
                                   nameOfTarget(target), device.index(), device.name()));
  JitLog log;
  auto text = image.text(ptx->code);
  int code = loadModule(device, text, module, log);
  if (code == CUDA_SUCCESS)
    return {};
  if (code == CUDA_ERROR_UNSUPPORTED_PTX_VERSION)
    return image.error(fmt::format("the NVIDIA driver (for CUDA {}) is too old for its PTX (version {}): update the "
                                   "driver",
                                   formatCudaVersion(device.driver().version()), ptxVersion(text)));
  if (code == CUDA_ERROR_JIT_COMPILER_NOT_FOUND)
    return inputError("the NVIDIA driver has no compiler for PTX (libnvidia-ptxjitcompiler.so.1 is missing: give the "
                      "container the driver capability `compute,utility`, or install the whole driver)");
  auto said = log.said();
  return image.error(device.driver()
                         .error(fmt::format("the NVIDIA driver cannot compile its PTX for {}", nameOfTarget(target)),
                                code)
                         .message +
                     (said.empty() ? "" : fmt::format("; it says:\n{}", said)));
}

} // namespace

Result<caa_target> targetFor(const Device &device, const Image &image) {
  // Code for sm_90a runs on 9.0 alone; that for sm_80 on everything from 8.0 on.
  if (device.capability() == 90 && image.hasTarget(CAA_TARGET_SM90A))
    return CAA_TARGET_SM90A;
  if (device.capability() >= 80 && image.hasTarget(CAA_TARGET_SM80))
    return CAA_TARGET_SM80;
  const auto what = fmt::format("GPU {} ({}) has compute capability {}.{}", device.index(), device.name(),
                                device.capability() / 10, device.capability() % 10);
  if (device.capability() < 80)
    return inputError(fmt::format("{}; 8.0 or newer is needed (`--device cpu` computes without it)", what));
  return image.error(fmt::format("it holds no code for this device: {}, the file has code for {}; compile it with "
                                 "`--target {}`",
                                 what, listTargets(image), device.capability() == 90 ? "sm_90a" : "sm_80"));
}

Result<Kernels> Kernels::load(const Device &device, const Image &image, caa_target target) {
  Kernels loaded;
  loaded.device_ = &device;
  if (const caa_module *cubin = findModule(image, target, CAA_MODULE_CUBIN)) {
    JitLog log;
    int code = loadModule(device, image.text(cubin->code), &loaded.module_, log);
    loaded.isCubin_ = code == CUDA_SUCCESS;
    if (code != CUDA_SUCCESS && !isForeign(code))
      return image.error(device.driver().error("its machine code cannot be loaded", code).message);
  }
  if (!loaded.isCubin_)
    CAA_CHECK(compile(device, image, target, &loaded.module_));

  int64_t counters = 0;
  for (const caa_kernel &kernel : image.kernels())
    if (kernel.target == uint32_t(target))
      counters += (int64_t(kernel.counters) * 4 + 63) / 64 * 64;
  CAA_TRY(loaded.counters_, DeviceMemory::allocate(device, counters, "the kernels' counters"));
  const DriverTable &api = device.api();
  if (counters) {
    CAA_CHECK(device.check("the kernels' counters",
                           api.cuMemsetD8Async(loaded.counters_.address(), 0, size_t(counters), nullptr)));
    CAA_CHECK(device.check("the kernels' counters", api.cuStreamSynchronize(nullptr)));
  }
  CUdeviceptr nextCounter = loaded.counters_.address();
  for (const caa_kernel &kernel : image.kernels()) {
    Kernel &found = loaded.kernels_.emplace_back();
    if (kernel.target != uint32_t(target))
      continue;
    const auto what = fmt::format("kernel `{}` ({})", image.text(kernel.name), image.text(kernel.location));
    int code = api.cuModuleGetFunction(&found.function, loaded.module_, image.text(kernel.name).data());
    if (code == CUDA_ERROR_NOT_FOUND)
      return image.error(fmt::format("{} is not in its code for {}", what, nameOfTarget(target)));
    CAA_CHECK(device.check(what, code));
    if (int(kernel.shared_bytes) > device.sharedBytes())
      return image.error(fmt::format("{} wants {} bytes of shared memory, GPU {} ({}) has {} for a block", what,
                                     kernel.shared_bytes, device.index(), device.name(), device.sharedBytes()));
    CAA_CHECK(device.check(what, api.cuFuncSetAttribute(found.function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                                        int(kernel.shared_bytes))));
    int threads = 0;
    for (auto [attribute, value] : {std::pair{int(CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK), &threads},
                                    {CU_FUNC_ATTRIBUTE_NUM_REGS, &found.registers},
                                    {CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES, &found.localBytes}})
      CAA_CHECK(device.check(what, api.cuFuncGetAttribute(value, attribute, found.function)));
    if (int(kernel.threads) > threads)
      return image.error(fmt::format("{} wants {} threads in a block and can have {} on GPU {} ({} registers a thread)",
                                     what, kernel.threads, threads, device.index(), found.registers));
    if (kernel.counters) {
      found.counters = nextCounter;
      nextCounter += CUdeviceptr((int64_t(kernel.counters) * 4 + 63) / 64 * 64);
    }
  }
  return loaded;
}

Kernels::~Kernels() {
  if (module_)
    device_->api().cuModuleUnload(module_);
}

} // namespace caa::cuda
