// dlopen beside the program, for plugin.h.
#include "runtime/base/plugin.h"

#include <dlfcn.h>
#include <fmt/format.h>

namespace caa {

std::filesystem::path pluginPath(std::string_view name) {
  std::error_code code;
  auto program = std::filesystem::read_symlink("/proc/self/exe", code);
  return program.parent_path().parent_path() / "lib" / "caa" / fmt::format("lib{}.so", name);
}

Result<void *> loadPlugin(std::string_view name, const char *symbol, std::string_view absent,
                          std::string_view unloadable) {
  auto path = pluginPath(name);
  std::error_code code;
  if (!std::filesystem::exists(path, code))
    return inputError(fmt::format("{}: {} is missing", absent, path.string()));
  void *handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    return inputError(fmt::format("{}: {}", unloadable, ::dlerror()));
  void *found = ::dlsym(handle, symbol);
  return found ? Result<void *>(found) : foreignPlugin(name);
}

Error foreignPlugin(std::string_view name) {
  return inputError(fmt::format("{} belongs to another version of caa-run: build both again", pluginPath(name).string()));
}

} // namespace caa
