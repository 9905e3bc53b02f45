// A line chart as inline SVG. Colours are CSS variables (--series-0 ...) of the page, so that it follows light and
// dark.
#pragma once

#include "runtime/report/run_log.h"

#include <string>
#include <vector>

namespace caa {

struct Line {
  std::string label; // in the legend; empty: in none
  Series points;
  int colour = 0;      // of the eight --series-N
  bool faint = false;  // behind the others, pale
  bool dashed = false; // with dots where points are few
};

struct Chart {
  std::string title;
  std::vector<Line> lines;
  int width = 720, height = 320; // in user units; the page scales it
  bool legend = true;            // where it fits beside the title
};

/// `<svg>...</svg>`; empty if no line has a point.
std::string drawChart(const Chart &chart);

/// `&`, `<`, `>`, `"` made harmless.
std::string escapeHtml(std::string_view text);

/// A number for people: at most five digits that matter.
std::string shortNumber(double value);

} // namespace caa
