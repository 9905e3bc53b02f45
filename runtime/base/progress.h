// Progress of long work: a bar that redraws itself on a terminal, plain lines now and then anywhere else.
//
//   Progress progress("training", steps);
//   progress.update(step, fmt::format("loss {:.3f}  {} tokens/s", loss, formatCount(rate)));
//   progress.print("step 100: val loss 3.21");     // a lasting line; the bar moves below it
//   progress.finish();
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace caa {

class Progress {
public:
  struct Options {
    FILE *stream = stderr;
    double plainInterval = 10.0; // seconds between plain lines
    bool plain = true;           // plain lines at all where there is no terminal
  };
  /// `total` is in whatever unit `update` counts; 0 means unknown.
  Progress(std::string label, uint64_t total);
  Progress(std::string label, uint64_t total, Options options);
  ~Progress();

  /// Shows `done` of the total, `fields` (text) and the time left by the rate since the start. Cheap: draws ten times
  /// a second at most.
  void update(uint64_t done, std::string_view fields = {});
  /// Work that was done before this process (a resumed run): left out of the rate.
  void startAt(uint64_t done) { first_ = done; }
  /// A line that stays.
  void print(std::string_view line);
  /// Draws the last state and leaves the line.
  void finish();
  bool onTerminal() const { return terminal_; }

private:
  using Clock = std::chrono::steady_clock;
  std::string text() const;
  void draw();
  void clear();

  std::string label_, fields_;
  uint64_t total_, done_ = 0, first_ = 0;
  Options options_;
  bool terminal_, drawn_ = false, finished_ = false;
  Clock::time_point start_, lastDraw_;
};

/// 950, 12.3k, 4.56M, 7.89G.
std::string formatCount(double value);
/// 8 s, 3:05, 1:02:03, 2 d 4:00:00.
std::string formatDuration(double seconds);

} // namespace caa
