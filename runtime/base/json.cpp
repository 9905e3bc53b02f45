// json.h: the library's exception becomes a located Error.
#include "runtime/base/json.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

namespace caa {

Result<Json> parseJson(const Path &path, std::string_view text) {
  // The keys of each object that is open, to find one that occurs twice: readers differ in which value they take then.
  std::vector<std::unordered_set<std::string>> keys;
  std::optional<std::string> twice;
  auto watch = [&](int, Json::parse_event_t event, Json &parsed) {
    if (event == Json::parse_event_t::object_start)
      keys.emplace_back();
    else if (event == Json::parse_event_t::object_end)
      keys.pop_back();
    else if (event == Json::parse_event_t::key && !twice)
      if (const auto &key = parsed.get_ref<const std::string &>(); !keys.back().insert(key).second)
        twice = key;
    return true;
  };
  try {
    auto json = Json::parse(text, watch);
    if (twice)
      return inputError(fmt::format("{}: error: it contradicts itself: the key `{}` occurs twice in one object",
                                    path.string(), *twice));
    return json;
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
