// Printing errors, for command.h.
#include "runtime/cli/command.h"

#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace caa {

int reportError(const Error &error) {
  std::string text = error.message;
  size_t at = text.find("error: ");
  if (at == std::string::npos || text.rfind("error: ", 0) == 0) {
    text = (at == 0 ? "caa-run: " : "caa-run: error: ") + text;
    at = text.find("error: ");
  }
  if (::isatty(STDERR_FILENO)) {
    text.insert(at + 6, "\033[0m");
    text.insert(at, "\033[1;31m");
  }
  fmt::print(stderr, "{}\n", text);
  return int(error.kind);
}

} // namespace caa
