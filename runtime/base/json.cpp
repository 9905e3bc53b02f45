// json.h: the library's exception becomes a located Error.
#include "runtime/base/json.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace caa {

Result<Json> parseJson(const Path &path, std::string_view text) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error &error) {
    size_t at = std::min(error.byte > 0 ? error.byte - 1 : 0, text.size());
    auto before = text.substr(0, at);
    auto line = 1 + std::count(before.begin(), before.end(), '\n');
    size_t start = before.rfind('\n');
    size_t column = at - (start == std::string_view::npos ? 0 : start + 1) + 1;
    // "[json.exception...] parse error at line 1, column 2: <what we want>"
    std::string reason = error.what();
    if (size_t colon = reason.find("column "); colon != std::string::npos)
      if (size_t end = reason.find(": ", colon); end != std::string::npos)
        reason = reason.substr(end + 2);
    if (reason.size() > 200)
      reason = reason.substr(0, 200) + " ...";
    return inputError(fmt::format("{}:{}:{}: error: not valid JSON: {}", path.string(), line, column, reason));
  } catch (const Json::exception &error) { // numbers out of range
    return inputError(fmt::format("{}: error: not valid JSON: {}", path.string(), error.what()));
  }
}

Result<Json> readJson(const Path &path) {
  CAA_TRY(auto text, readFile(path));
  return parseJson(path, text);
}

} // namespace caa
