// JSON (nlohmann-json) with errors as values that name file, line and column.
#pragma once

#include "runtime/base/files.h"

#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace caa {

/// What is read: keys sorted, so that a vocabulary of any size parses in n log n.
using Json = nlohmann::json;
/// What is written: keys in the order in which they were put.
using OrderedJson = nlohmann::ordered_json;

/// Parses the text of `path` (used in errors only). A key twice in one object is an error.
Result<Json> parseJson(const Path &path, std::string_view text);

/// Reads and parses a file.
Result<Json> readJson(const Path &path);

} // namespace caa
