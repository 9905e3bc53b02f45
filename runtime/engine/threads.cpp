// The pool: workers spin a few microseconds for the next job (kernels follow each other closely), then sleep.
#include "runtime/engine/threads.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <immintrin.h>
#include <thread>
#include <vector>

namespace caa {
namespace {

constexpr int spins = 2000; // some tens of microseconds

/// Waits until `value` is no longer `old`.
uint32_t awaitChange(const std::atomic<uint32_t> &value, uint32_t old) {
  for (int i = 0; i < spins; ++i) {
    uint32_t now = value.load(std::memory_order_acquire);
    if (now != old)
      return now;
    _mm_pause();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

} // namespace

struct Threads::State {
  std::vector<std::thread> workers;
  std::atomic<uint32_t> job{0};  // raised for every job
  std::atomic<uint32_t> busy{0}; // workers that have not finished it
  const std::function<void(unsigned)> *work = nullptr;
  bool ending = false;

  void run(unsigned thread) {
    uint32_t seen = 0;
    for (;;) {
      seen = awaitChange(job, seen);
      if (ending)
        return;
      (*work)(thread);
      if (busy.fetch_sub(1, std::memory_order_acq_rel) == 1)
        busy.notify_one();
    }
  }
  void start() {
    job.fetch_add(1, std::memory_order_release);
    job.notify_all();
  }
};

Threads::Threads(unsigned count) : count_(std::max(count, 1u)), state_(std::make_unique<State>()) {
  // Signals are the main thread's: workers start with all of them blocked.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (unsigned i = 1; i < count_; ++i)
    state_->workers.emplace_back([state = state_.get(), i] { state->run(i); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Threads::~Threads() {
  state_->ending = true;
  state_->start();
  for (auto &worker : state_->workers)
    worker.join();
}

void Threads::everywhere(const std::function<void(unsigned)> &work) {
  if (count_ == 1)
    return work(0);
  state_->work = &work;
  state_->busy.store(count_ - 1, std::memory_order_relaxed);
  state_->start();
  work(0);
  for (uint32_t left; (left = state_->busy.load(std::memory_order_acquire)) != 0;)
    awaitChange(state_->busy, left);
}

void Threads::split(int64_t items, const Work &work) {
  if (items <= 0)
    return;
  if (count_ == 1 || items == 1)
    return work(0, 0, items);
  int64_t each = items / count_, more = items % count_; // the first `more` threads do one more
  everywhere([&](unsigned thread) {
    int64_t begin = each * thread + std::min<int64_t>(thread, more);
    int64_t end = begin + each + (thread < more ? 1 : 0);
    if (begin < end)
      work(thread, begin, end);
  });
}

void Threads::share(int64_t items, const Work &work) {
  if (items <= 0)
    return;
  if (count_ == 1)
    return work(0, 0, items);
  const int64_t part = std::max<int64_t>(1, items / (int64_t(count_) * 16));
  std::atomic<int64_t> next{0};
  everywhere([&](unsigned thread) {
    for (int64_t begin; (begin = next.fetch_add(part, std::memory_order_relaxed)) < items;)
      work(thread, begin, std::min(begin + part, items));
  });
}

} // namespace caa
