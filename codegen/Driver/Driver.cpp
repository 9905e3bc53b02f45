// The command line, a compilation, the exit status. A crash ends with status 3, never with a signal.
#include "codegen/Driver/Driver.h"
#include "codegen/Driver/Compilation.h"
#include "codegen/Driver/Options.h"

#include <csignal>
#include <cstring>
#include <new>
#include <unistd.h>

namespace caa {

static void crashed(int) {
  static const char message[] = "caac: internal error: it crashed; this is our fault, not your model's\n";
  (void)!write(STDERR_FILENO, message, sizeof(message) - 1);
  _exit(3);
}

int runCaac(int argc, const char *const *argv) {
  for (int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE})
    std::signal(signal, crashed);
  std::signal(SIGPIPE, SIG_IGN);
  std::variant<Options, int> options = parseOptions(argc, argv);
  if (int *status = std::get_if<int>(&options))
    return *status;
  try {
    return Compilation(std::get<Options>(options)).run();
  } catch (const std::bad_alloc &) {
    llvm::errs() << "caac: error: not enough memory\n";
    return 1;
  }
}

} // namespace caa
