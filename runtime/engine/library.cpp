// dlopen, one symbol, and addresses relative to the image.
#include "runtime/engine/library.h"

#include "runtime/engine/products.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fmt/format.h>

namespace caa {

std::string_view nameOf(Isa isa) { return isa == Isa::Avx512 ? "AVX-512" : "AVX2"; }

Result<Isa> machineIsa() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    const char *wanted = std::getenv("CAA_ISA");
    if (!wanted || std::string_view(wanted) != "avx2")
      return Isa::Avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return Isa::Avx2;
  return inputError("this processor has no AVX2: compiled models need AVX2 with FMA, or AVX-512");
}

/// Whether the processor's entries have matrix products.
static bool hasProducts(const Image &image) {
  auto entries = image.entries();
  return std::any_of(entries.begin(), entries.end(), [&](const caa_entry &entry) {
    auto commands = image.commands().subspan(entry.first_command, entry.command_count);
    return entry.target == CAA_TARGET_CPU && std::any_of(commands.begin(), commands.end(), [](const caa_command &one) {
             return one.kind == CAA_COMMAND_PRODUCT;
           });
  });
}

Result<Library> Library::load(Image image) {
  if (!image.hasTarget(CAA_TARGET_CPU))
    return image.error("it holds no code for the CPU: compile it with `--target cpu`");
  Library library;
  CAA_TRY(library.isa_, machineIsa());
  if (hasProducts(image))
    CAA_CHECK(loadProducts()); // now, not in the first step
  auto absolute = std::filesystem::absolute(image.path());
  void *handle = dlopen(absolute.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    return image.error(fmt::format("the system cannot load it: {}", dlerror()));
  library.handle_ = std::shared_ptr<void>(handle, [](void *opened) { dlclose(opened); });
  auto query = reinterpret_cast<caa_query_fn>(dlsym(handle, "caa_query"));
  if (!query)
    return image.error("it does not export `caa_query`");
  const caa_header *loaded = query(CAA_ABI_VERSION);
  if (!loaded)
    return image.error("its `caa_query` does not know this version of the interface");
  auto bytes = image.bytes();
  if (std::memcmp(loaded, bytes.data(), bytes.size()) != 0)
    return image.error("it changed while it was being loaded");

  // A model may lack AVX-512 code in single kernels; AVX2 code runs everywhere.
  auto base = reinterpret_cast<uintptr_t>(loaded);
  for (const caa_kernel &kernel : image.kernels()) {
    if (kernel.target != CAA_TARGET_CPU) {
      library.kernels_.push_back(nullptr);
      continue;
    }
    int64_t code = library.isa_ == Isa::Avx512 && kernel.cpu_avx512 ? kernel.cpu_avx512 : kernel.cpu_avx2;
    if (!code)
      return image.error(fmt::format("kernel `{}` has no code for this processor ({})", image.text(kernel.name),
                                     nameOf(library.isa_)));
    library.kernels_.push_back(reinterpret_cast<caa_cpu_kernel>(base + uintptr_t(code)));
  }
  library.image_ = std::move(image);
  return library;
}

} // namespace caa
