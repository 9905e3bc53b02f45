// Libraries of our own that the program loads only when it needs what they link: lib<name>.so in ../lib/caa from the
// program's folder, in the build as installed.
#pragma once

#include "runtime/base/result.h"

#include <filesystem>
#include <string_view>

namespace caa {

std::filesystem::path pluginPath(std::string_view name);

/// Loads a plugin for the rest of the process and finds its one symbol. The error's message is `absent` and the path
/// where there is no such file, and `unloadable` and the system's reason where it does not load. No file is named in front.
Result<void *> loadPlugin(std::string_view name, const char *symbol, std::string_view absent,
                          std::string_view unloadable);

/// Says that a plugin is of another build than the program.
Error foreignPlugin(std::string_view name);

} // namespace caa
