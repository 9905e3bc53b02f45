// Drawing for progress.h: one line, cut to the terminal's width, rewritten in place.
#include "runtime/base/progress.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace caa {
namespace {

bool isTerminal(FILE *stream) {
  const char *term = std::getenv("TERM");
  return ::isatty(::fileno(stream)) && !(term && std::string_view(term) == "dumb");
}

size_t terminalWidth(FILE *stream) {
  winsize size = {};
  if (::ioctl(::fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return size.ws_col;
  return 80;
}

double secondsBetween(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

} // namespace

Progress::Progress(std::string label, uint64_t total) : Progress(std::move(label), total, Options()) {}

Progress::Progress(std::string label, uint64_t total, Options options)
    : label_(std::move(label)), total_(total), options_(options), terminal_(isTerminal(options.stream)),
      start_(Clock::now()), lastDraw_(start_ - std::chrono::hours(1)) {
  if (!terminal_)
    lastDraw_ = start_; // short work prints only its last line
}

Progress::~Progress() { finish(); }

void Progress::update(uint64_t done, std::string_view fields) {
  done_ = done;
  fields_ = fields;
  auto now = Clock::now();
  if (secondsBetween(lastDraw_, now) < (terminal_ ? 0.1 : options_.plainInterval))
    return;
  lastDraw_ = now;
  draw();
}

std::string Progress::text() const {
  std::string counts = total_ ? fmt::format("{}/{}", done_, total_) : fmt::format("{}", done_);
  std::string line = fmt::format("{} {}", label_, counts);
  if (total_)
    line += fmt::format(" {:3.0f}%", 100.0 * double(done_) / double(total_));
  if (!fields_.empty())
    line += "  " + fields_;
  double elapsed = secondsBetween(start_, Clock::now());
  if (finished_ || !total_ || done_ >= total_)
    line += fmt::format("  {}", formatDuration(elapsed));
  else if (done_ > first_)
    line += fmt::format("  {} left", formatDuration(elapsed * double(total_ - done_) / double(done_ - first_)));
  return line;
}

void Progress::draw() {
  std::string line = text();
  if (!terminal_) {
    if (options_.plain)
      fmt::print(options_.stream, "{}\n", line);
    std::fflush(options_.stream);
    return;
  }
  size_t width = terminalWidth(options_.stream) - 1;
  // The bar takes what the text leaves, up to 30 cells; the text itself is cut only on very narrow terminals.
  size_t cells = total_ && line.size() + 13 < width ? std::min<size_t>(30, width - line.size() - 3) : 0;
  std::string bar;
  if (cells) {
    auto filled = size_t(double(cells) * double(std::min(done_, total_)) / double(total_));
    for (size_t i = 0; i < cells; ++i)
      bar += i < filled ? "█" : "░";
    bar += "  ";
  }
  if (line.size() > width)
    line.resize(width);
  fmt::print(options_.stream, "\r\033[K{}{}", bar, line);
  std::fflush(options_.stream);
  drawn_ = true;
}

void Progress::clear() {
  if (drawn_)
    fmt::print(options_.stream, "\r\033[K");
  drawn_ = false;
}

void Progress::print(std::string_view line) {
  clear();
  fmt::print(options_.stream, "{}\n", line);
  if (terminal_ && !finished_)
    draw();
  std::fflush(options_.stream);
}

void Progress::finish() {
  if (finished_)
    return;
  finished_ = true;
  draw();
  if (drawn_)
    fmt::print(options_.stream, "\n");
  drawn_ = false;
  std::fflush(options_.stream);
}

std::string formatCount(double value) {
  const char *units[] = {"", "k", "M", "G", "T", "P"};
  int unit = 0;
  while (std::fabs(value) >= 999.5 && unit < 5) {
    value /= 1000;
    ++unit;
  }
  if (unit == 0)
    return fmt::format("{:.0f}", value);
  int digits = std::fabs(value) < 9.995 ? 2 : std::fabs(value) < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f}{}", value, digits, units[unit]);
}

std::string formatDuration(double seconds) {
  auto whole = uint64_t(std::max(0.0, std::ceil(seconds)));
  if (whole < 60)
    return fmt::format("{} s", whole);
  uint64_t minutes = whole / 60, hours = minutes / 60;
  if (hours == 0)
    return fmt::format("{}:{:02}", minutes, whole % 60);
  std::string clock = fmt::format("{}:{:02}:{:02}", hours % 24, minutes % 60, whole % 60);
  return hours < 24 ? clock : fmt::format("{} d {}", hours / 24, clock);
}

} // namespace caa
