// See CrashHandler.h. The handler calls nothing but what a signal handler may call.
#include "codegen/Driver/CrashHandler.h"

#include <atomic>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace caa {

static std::atomic<const std::string *> reproducer = nullptr;
static char path[] = "/tmp/caac-reproducer-0000000000.mlir";

static void say(const char *text) { (void)!write(STDERR_FILENO, text, std::strlen(text)); }

/// The process number in decimal, into the path's zeros.
static void numberPath() {
  char *digit = std::strrchr(path, '.');
  for (long number = getpid(); number > 0; number /= 10)
    *--digit = char('0' + number % 10);
}

static void crashed(int) {
  say("caac: internal error: it crashed; this is our fault, not your model's\n");
  if (const std::string *ir = reproducer.exchange(nullptr)) {
    numberPath();
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    size_t written = 0;
    while (descriptor >= 0 && written < ir->size()) {
      ssize_t count = write(descriptor, ir->data() + written, ir->size() - written);
      if (count <= 0)
        break;
      written += size_t(count);
    }
    if (written == ir->size()) {
      say("a reproducer is in ");
      say(path);
      say("\n");
    }
  }
  _exit(3);
}

void handleCrashes() {
  for (int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE})
    std::signal(signal, crashed);
  std::signal(SIGPIPE, SIG_IGN);
}

void setCrashReproducer(const std::string &ir) { reproducer = &ir; }

} // namespace caa
