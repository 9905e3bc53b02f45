// The handlers behind signals.h: only lock-free atomics, write and _exit happen in them.
#include "runtime/base/signals.h"

#include <atomic>
#include <csignal>
#include <string_view>
#include <unistd.h>

namespace caa {
namespace {

std::atomic<bool> stop{false};
std::atomic<int> interrupts{0};

// Handlers have a stack of their own: a library's generated code (oneDNN's products) may use the stack pointer for its own
// buffers, and a signal's frame would be written over them and what lies below. It holds the frames of AVX-512 machines.
alignas(64) char handlerStack[1 << 16];

void say(std::string_view text) { [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, text.data(), text.size()); }

void onSignal(int signal) {
  stop = true;
  if (signal != SIGINT)
    return;
  int count = ++interrupts;
  if (count == 2)
    say("\nstopping as soon as it is safe; press Ctrl-C once more to give up now\n");
  if (count >= 3)
    ::_exit(1);
}

} // namespace

void installSignalHandlers() {
  stack_t stack = {};
  stack.ss_sp = handlerStack;
  stack.ss_size = sizeof handlerStack;
  ::sigaltstack(&stack, nullptr); // of this thread, the one that takes the signals

  struct sigaction action = {};
  action.sa_handler = onSignal;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
  ::sigaction(SIGXFSZ, &action, nullptr);
}

bool stopRequested() { return stop.load(std::memory_order_relaxed); }

void setStopRequested(bool value) {
  stop = value;
  interrupts = 0;
}

} // namespace caa
