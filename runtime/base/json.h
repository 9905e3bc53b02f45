// JSON (nlohmann-json) with errors as values that name file, line and column.
#pragma once

#include "runtime/base/files.h"

#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace caa {

/// Keeps the order in which keys stand in the file.
using Json = nlohmann::ordered_json;

/// Parses the text of `path` (used in errors only).
Result<Json> parseJson(const Path &path, std::string_view text);

/// Reads and parses a file.
Result<Json> readJson(const Path &path);

} // namespace caa
