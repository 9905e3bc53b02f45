// Axes with round ticks, thinned lines, a legend; the points ride along in a data attribute for the page's read-out.
#include "runtime/report/chart.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>

namespace caa {
namespace {

constexpr double left = 54, right = 14, top = 34, bottom = 30;
constexpr size_t mostPoints = 800;

/// At most `mostPoints` points: of each stretch the lowest and the highest, so that spikes stay visible.
Series thinned(const Series &series) {
  if (series.size() <= mostPoints)
    return series;
  Series result;
  size_t stretches = mostPoints / 2;
  for (size_t i = 0; i < stretches; ++i) {
    auto begin = series.begin() + ptrdiff_t(series.size() * i / stretches);
    auto end = series.begin() + ptrdiff_t(series.size() * (i + 1) / stretches);
    auto [low, high] = std::minmax_element(begin, end, [](Point a, Point b) { return a.value < b.value; });
    result.push_back(std::min(low, high) == low ? *low : *high);
    if (low != high)
      result.push_back(low < high ? *high : *low);
  }
  return result;
}

struct Axis {
  double low, high, step;

  /// Round ticks (1, 2 or 5 times a power of ten) for about `count` intervals over [low, high].
  static Axis over(double low, double high, int count, bool widen) {
    if (!(high > low)) {
      double margin = low != 0 ? std::fabs(low) * 0.1 : 1;
      low -= margin;
      high += margin;
    }
    double rough = (high - low) / count, power = std::pow(10, std::floor(std::log10(rough)));
    double step = power * (rough / power < 1.5 ? 1 : rough / power < 3.5 ? 2 : rough / power < 7.5 ? 5 : 10);
    if (widen) {
      low = std::floor(low / step + 1e-9) * step;
      high = std::ceil(high / step - 1e-9) * step;
    }
    return {low, high, step};
  }
  std::vector<double> ticks() const {
    std::vector<double> values;
    for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i)
      values.push_back(i == 0 ? 0 : i * step);
    return values;
  }
};

} // namespace

std::string escapeHtml(std::string_view text) {
  std::string out;
  for (char c : text)
    switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    default:
      out += c;
    }
  return out;
}

std::string shortNumber(double value) {
  if (value == std::floor(value) && std::fabs(value) < 1e5)
    return fmt::format("{:.0f}", value);
  double size = std::fabs(value);
  if (size < 1e-3) { // 2.5e-4
    int exponent = int(std::floor(std::log10(size)));
    double mantissa = value / std::pow(10, exponent);
    return std::fabs(mantissa) < 9.9995 ? fmt::format("{:.4g}e{}", mantissa, exponent)
                                        : fmt::format("{}1e{}", value < 0 ? "-" : "", exponent + 1);
  }
  for (auto [unit, name] : {std::pair(1e12, "T"), std::pair(1e9, "G"), std::pair(1e6, "M"), std::pair(1e4, "k")})
    if (size >= unit)
      return fmt::format("{:.4g}{}", value / (unit == 1e4 ? 1e3 : unit), name);
  return fmt::format("{:.4g}", value);
}

std::string drawChart(const Chart &chart) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  double lowX = infinity, highX = -infinity, lowY = infinity, highY = -infinity;
  for (const Line &line : chart.lines)
    for (const Point &point : line.points) {
      lowX = std::min(lowX, point.step);
      highX = std::max(highX, point.step);
      lowY = std::min(lowY, point.value);
      highY = std::max(highY, point.value);
    }
  if (lowX > highX)
    return "";
  if (lowY > 0 && lowY < 0.25 * highY)
    lowY = 0; // a scale that starts near zero had better start there
  Axis x = Axis::over(lowX, highX, chart.width > 500 ? 8 : 4, false);
  Axis y = Axis::over(lowY, highY, chart.height > 250 ? 6 : 4, true);
  double width = chart.width - left - right, height = chart.height - top - bottom;
  auto placeX = [&](double value) { return left + width * (value - x.low) / (x.high - x.low); };
  auto placeY = [&](double value) { return top + height * (1 - (value - y.low) / (y.high - y.low)); };

  std::string svg = fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\" data-x=\"{} {} {} {}\">",
                                chart.width, chart.height, escapeHtml(chart.title), left, width, x.low, x.high);
  svg += fmt::format("<text class=\"title\" x=\"{}\" y=\"18\">{}</text>", left, escapeHtml(chart.title));
  for (double tick : y.ticks())
    svg += fmt::format("<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>"
                       "<text class=\"tick\" x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>",
                       left, left + width, placeY(tick), left - 8, placeY(tick) + 4, shortNumber(tick));
  for (double tick : x.ticks())
    svg += fmt::format("<text class=\"tick\" x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>", placeX(tick),
                       chart.height - 8, shortNumber(tick));
  // The legend, from the right.
  double at = chart.width - right, needed = left + 7.0 * double(chart.title.size()) + 20;
  for (const Line &line : chart.lines)
    needed += line.label.empty() ? 0 : 7.0 * double(line.label.size()) + 40;
  bool legend = chart.legend && needed < at;
  for (auto line = chart.lines.rbegin(); line != chart.lines.rend(); ++line) {
    if (!legend || line->label.empty() || line->points.empty())
      continue;
    at -= 7.0 * double(line->label.size()) + 4;
    svg += fmt::format("<text class=\"tick\" x=\"{:.0f}\" y=\"18\">{}</text>", at, escapeHtml(line->label));
    svg += fmt::format(
        "<line class=\"line\" stroke=\"var(--series-{})\"{} x1=\"{:.0f}\" x2=\"{:.0f}\" y1=\"14\" y2=\"14\"/>",
        line->colour % 8, line->dashed ? " stroke-dasharray=\"5 4\"" : "", at - 24, at - 6);
    at -= 36;
  }
  for (bool faint : {true, false})
    for (const Line &line : chart.lines) {
      if (line.faint != faint || line.points.empty())
        continue;
      Series points = thinned(line.points);
      std::string path, data;
      for (const Point &point : points) {
        path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", placeX(point.step), placeY(point.value));
        data += fmt::format("{}{:.6g},{:.5g}", data.empty() ? "" : " ", point.step, point.value);
      }
      svg += fmt::format("<path class=\"line{}\" stroke=\"var(--series-{})\"{} d=\"{}\"", faint ? " faint" : "",
                         line.colour % 8, line.dashed ? " stroke-dasharray=\"5 4\"" : "", path);
      if (!faint)
        svg += fmt::format(" data-label=\"{}\" data-points=\"{}\"", escapeHtml(line.label), data);
      svg += "/>";
      if (points.size() <= 40 && !faint)
        for (const Point &point : points)
          svg += fmt::format("<circle fill=\"var(--series-{})\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\"/>",
                             line.colour % 8, placeX(point.step), placeY(point.value));
    }
  svg += fmt::format("<line class=\"cursor\" y1=\"{}\" y2=\"{}\" x1=\"-9\" x2=\"-9\"/>", top, top + height);
  return svg + "</svg>";
}

} // namespace caa
