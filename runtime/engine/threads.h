// A pool of threads that shares out the work items of a grid.
//
// Every item is done whole by one thread and owns what it writes, so results do not depend on who does what: equal
// parts are handed out in advance where items cost the same, one by one where they do not (causal attention).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace caa {

class Threads {
public:
  /// `count` threads in all, the caller's included; at least 1.
  explicit Threads(unsigned count);
  ~Threads();
  Threads(const Threads &) = delete;

  unsigned count() const { return count_; }

  /// What each thread is called with: its number, and items [begin, end).
  using Work = std::function<void(unsigned thread, int64_t begin, int64_t end)>;
  /// Contiguous equal parts; returns when all is done. Not reentrant.
  void split(int64_t items, const Work &work);
  /// Small parts taken in turn, for items of unequal cost.
  void share(int64_t items, const Work &work);
  /// Once on every thread.
  void everywhere(const std::function<void(unsigned thread)> &work);

private:
  struct State;
  unsigned count_;
  std::unique_ptr<State> state_;
};

} // namespace caa
