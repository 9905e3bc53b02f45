// Parsing all of the text, so that neither "3x" nor an overflow passes as some number.
#include "runtime/cli/numbers.h"

#include <charconv>
#include <cmath>
#include <fmt/format.h>

namespace caa {
namespace {

template <typename Number> bool parses(const std::string &text, Number &number) {
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  return code == std::errc() && end == text.data() + text.size();
}

} // namespace

CLI::Validator wholeNumber(uint64_t least, uint64_t most) {
  auto check = [=](std::string &text) {
    uint64_t number = 0;
    if (parses(text, number) && number >= least && number <= most)
      return std::string();
    return fmt::format("{} should be a whole number of at least {} and at most {}", text, least, most);
  };
  return CLI::Validator(check, fmt::format("{} or more", least));
}

CLI::Validator notNegative() {
  auto check = [](std::string &text) {
    double number = 0;
    bool good = parses(text, number) && std::isfinite(number) && number >= 0;
    return good ? std::string() : fmt::format("{} should be a number of at least 0", text);
  };
  return CLI::Validator(check, "0 or more");
}

} // namespace caa
