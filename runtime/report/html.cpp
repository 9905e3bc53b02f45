// Puts the page of html.h together. The only script shows a chart's values under the pointer; without it all is there.
#include "runtime/report/html.h"

#include "runtime/report/chart.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <set>

namespace caa {
namespace {

constexpr std::string_view style = R"(
:root { color-scheme: light dark; --back: #fafaf9; --card: #fff; --text: #1c1917; --soft: #78716c; --rule: #e7e5e4;
  --series-0: #2563eb; --series-1: #ea580c; --series-2: #059669; --series-3: #9333ea; --series-4: #db2777;
  --series-5: #0891b2; --series-6: #a16207; --series-7: #475569; }
@media (prefers-color-scheme: dark) { :root { --back: #121214; --card: #1b1b1f; --text: #ececec; --soft: #a1a1aa;
  --rule: #2e2e33; --series-0: #60a5fa; --series-1: #fb923c; --series-2: #34d399; --series-3: #c084fc;
  --series-4: #f472b6; --series-5: #22d3ee; --series-6: #facc15; --series-7: #94a3b8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 32px 20px 64px; background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 22px; margin: 0 0 20px; } h2 { font-size: 16px; margin: 32px 0 12px; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 12px; position: relative; }
.grid-2 { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 14px; margin-top: 14px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 5px 12px; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { color: var(--soft); font-weight: 500; } th:first-child, td:first-child { text-align: left; }
tr:last-child td { border-bottom: 0; }
.dot { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 8px; }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif; }
.title { fill: var(--text); font-weight: 600; } .tick { fill: var(--soft); } .grid { stroke: var(--rule); }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; } .faint { opacity: .28; stroke-width: 1; }
.cursor { stroke: var(--soft); stroke-dasharray: 2 3; }
.read { position: absolute; pointer-events: none; background: var(--card); border: 1px solid var(--rule);
  border-radius: 6px; padding: 4px 9px; font-size: 12px; white-space: pre; display: none;
  font-variant-numeric: tabular-nums; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font: 14px/1.6 ui-serif, Georgia, serif; }
)";

constexpr std::string_view script = R"(
for (const svg of document.querySelectorAll('svg')) {
  const [left, width, low, high] = svg.dataset.x.split(' ').map(Number);
  const lines = [...svg.querySelectorAll('[data-points]')].map(p => ({ label: p.dataset.label,
    points: p.dataset.points.split(' ').map(q => q.split(',').map(Number)) }));
  const read = svg.parentElement.appendChild(Object.assign(document.createElement('div'), { className: 'read' }));
  const cursor = svg.querySelector('.cursor');
  svg.addEventListener('mousemove', event => {
    const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * scale, step = low + (x - left) / width * (high - low);
    const near = lines.map(l => [l.label, l.points.reduce((a, b) => Math.abs(b[0] - step) < Math.abs(a[0] - step) ? b : a)]);
    const at = near.reduce((a, b) => Math.abs(b[1][0] - step) < Math.abs(a[1][0] - step) ? b : a)[1][0];
    const place = left + (high > low ? (at - low) / (high - low) : 0) * width;
    cursor.setAttribute('x1', place); cursor.setAttribute('x2', place);
    read.textContent = `step ${at}\n` + near.map(([label, p]) => `${label ? label + '  ' : ''}${p[1]}`).join('\n');
    read.style.display = 'block';
    const offset = place / scale;
    read.style.left = (offset > box.width / 2 ? offset - read.offsetWidth - 4 : offset + 24) + 'px';
    read.style.top = '44px';
  });
  svg.addEventListener('mouseleave', () => { read.style.display = 'none';
    cursor.setAttribute('x1', -9); cursor.setAttribute('x2', -9); });
}
)";

/// What the log's names mean, in the order of interest; others follow by name, as they are.
constexpr std::pair<std::string_view, std::string_view> knownNames[] = {
    {"loss", "training loss"},      {"val_loss", "validation loss"},       {"val_bpb", "validation bits per byte"},
    {"test_loss", "test loss"},     {"test_bpb", "test bits per byte"},    {"lr", "learning rate"},
    {"grad_norm", "gradient norm"}, {"tokens_per_s", "tokens per second"}, {"mfu", "model FLOPs utilisation"},
};

std::string titleOf(const std::string &key) {
  for (auto [name, title] : knownNames)
    if (name == key)
      return std::string(title);
  return key;
}

/// All names of `maps`, known ones first.
std::vector<std::string> namesOf(const std::vector<RunLog> &runs, auto member) {
  std::set<std::string> all;
  for (const RunLog &run : runs)
    for (const auto &[name, value] : run.*member)
      all.insert(name);
  std::vector<std::string> names;
  for (auto [name, title] : knownNames)
    if (all.erase(std::string(name)))
      names.emplace_back(name);
  names.insert(names.end(), all.begin(), all.end());
  return names;
}

/// Training loss (smoothed over the raw one) and validation loss of all runs.
Chart lossChart(const std::vector<RunLog> &runs) {
  Chart chart{runs.size() > 1 ? "Loss (nats per token; validation dashed)" : "Loss (nats per token)", {}, 1000, 380};
  for (size_t i = 0; i < runs.size(); ++i) {
    int colour = int(i);
    if (auto it = runs[i].series.find("loss"); it != runs[i].series.end()) {
      bool noisy = it->second.size() > 40;
      if (noisy)
        chart.lines.push_back({"", it->second, colour, true});
      size_t reach = std::clamp<size_t>(it->second.size() / 60, 3, 100);
      chart.lines.push_back(
          {runs.size() == 1 ? "training" : runs[i].name, noisy ? smoothed(it->second, reach) : it->second, colour});
    }
    if (auto it = runs[i].series.find("val_loss"); it != runs[i].series.end())
      chart.lines.push_back(
          {runs.size() == 1 ? "validation" : "", it->second, runs.size() == 1 ? 1 : colour, false, true});
  }
  return chart;
}

std::string tableOf(const std::vector<RunLog> &runs) {
  std::vector<std::string> names = namesOf(runs, &RunLog::last);
  // Statistics of layers ("gate/model.layers.0.self_attn/mean") have charts of their own.
  std::erase_if(names, [](const std::string &name) {
    return name == "time" || name == "lr" || std::count(name.begin(), name.end(), '/') > 1;
  });
  auto step = std::find(names.begin(), names.end(), "step");
  if (step != names.end())
    std::rotate(names.begin(), step, step + 1);
  std::string html = "<div class=\"card scroll\"><table><tr><th></th>";
  for (size_t i = 0; i < runs.size(); ++i)
    html += fmt::format("<th><span class=\"dot\" style=\"background:var(--series-{})\"></span>{}</th>", i % 8,
                        escapeHtml(runs[i].name));
  html += "</tr>";
  for (const std::string &name : names) {
    html += fmt::format("<tr><td>{}</td>", escapeHtml(titleOf(name)));
    for (const RunLog &run : runs) {
      auto it = run.last.find(name);
      html += fmt::format("<td>{}</td>", it == run.last.end() ? "–" : shortNumber(it->second));
    }
    html += "</tr>";
  }
  return html + "</table></div>";
}

} // namespace

std::string reportPage(const std::vector<RunLog> &runs) {
  std::string title = runs.size() == 1 ? runs[0].name : fmt::format("{} runs", runs.size());
  std::string html = fmt::format("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                                 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
                                 "<title>{0}</title><style>{1}</style></head>\n<body><h1>{0}</h1>\n",
                                 escapeHtml(title), style);
  if (std::string loss = drawChart(lossChart(runs)); !loss.empty())
    html += fmt::format("<div class=\"card\">{}</div>", loss);
  for (const RunLog &run : runs)
    if (!run.sample.empty())
      html += fmt::format("\n<h2>{}</h2><div class=\"card\"><pre>{}</pre></div>",
                          runs.size() == 1 ? "Sample" : "Sample of " + escapeHtml(run.name), escapeHtml(run.sample));
  html += "\n<h2>At the end</h2>" + tableOf(runs);
  html += "\n<div class=\"grid-2\">";
  for (const std::string &name : namesOf(runs, &RunLog::series)) {
    if (name == "loss" || name == "val_loss" || name == "time")
      continue;
    Chart chart{titleOf(name), {}, 360, 200, false};
    for (size_t i = 0; i < runs.size(); ++i)
      if (auto it = runs[i].series.find(name); it != runs[i].series.end())
        chart.lines.push_back({runs.size() == 1 ? "" : runs[i].name, it->second, int(i)});
    html += fmt::format("<div class=\"card\">{}</div>\n", drawChart(chart));
  }
  html += "</div>";
  return html + fmt::format("\n<script>{}</script></body></html>\n", script);
}

Status writeReport(const std::vector<Path> &runs, const Path &output) {
  std::vector<RunLog> logs;
  for (const Path &run : runs) {
    CAA_TRY(auto log, readRunLog(run));
    logs.push_back(std::move(log));
  }
  return writeFile(output, reportPage(logs));
}

} // namespace caa
