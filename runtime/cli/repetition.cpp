// The hand-over through the environment: CAA_REPEAT holds the error that the first process met.
#include "runtime/cli/repetition.h"

#include "runtime/base/json.h"
#include "runtime/base/signals.h"
#include "runtime/cli/command.h"

#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace caa {
namespace {

struct First {
  std::string message;
  std::optional<std::string> again;
  int messages = STDERR_FILENO; // where stderr went before it was silenced
};

First begin() {
  First first;
  const char *handed = std::getenv("CAA_REPEAT");
  if (!handed)
    return first;
  Json error = Json::parse(handed, nullptr, false);
  ::unsetenv("CAA_REPEAT");
  if (!error.is_object() || !error.contains("message") || !error.contains("again"))
    return first;
  first.message = error["message"];
  first.again = error["again"].get<std::string>();
  first.messages = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ::dup2(nowhere, STDOUT_FILENO);
  ::dup2(nowhere, STDERR_FILENO);
  ::close(nowhere);
  discardWrites();
  return first;
}

const First &first() {
  static const First read = begin();
  return read;
}

} // namespace

const std::optional<std::string> &repeatedFault() { return first().again; }

void repeat(char **arguments, const Error &error) {
  fmt::print(stderr, "note: {}\nnote: doing it again, one kernel at a time, to find the one that failed\n", error.message);
  std::fflush(nullptr);
  Json handed = {{"message", error.message}, {"again", error.fault->again}};
  ::setenv("CAA_REPEAT", handed.dump(-1, ' ', true, Json::error_handler_t::replace).c_str(), 1);
  ::setenv("CAA_SYNC", "1", 1);
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC); // with the driver's files the memory of the device is given back
  ::execv("/proc/self/exe", arguments);
}

int endRepetition(const Status &status) {
  std::fflush(nullptr);
  ::dup2(first().messages, STDERR_FILENO);
  if (!status && status.error().fault && status.error().fault->isNamed)
    return reportError(status.error());
  std::string why = stopRequested() ? "looking for the kernel was interrupted"
                    : status        ? "it did not happen again when it was repeated one kernel at a time"
                                    : fmt::format("repeating it failed in another way ({})", status.error().message);
  return reportError(inputError(fmt::format("{}; {}: with `CAA_SYNC=1` in the environment the command waits for each "
                                            "kernel, and names the one that fails when it does",
                                            first().message, why)));
}

} // namespace caa
