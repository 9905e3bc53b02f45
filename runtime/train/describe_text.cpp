// The description laid out for people.
#include "runtime/train/describe.h"

#include "runtime/base/progress.h"
#include "runtime/engine/arena.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace caa {
namespace {

/// 134,217,728.
std::string grouped(int64_t value) {
  std::string text = std::to_string(value);
  for (int64_t at = int64_t(text.size()) - 3; at > (value < 0 ? 1 : 0); at -= 3)
    text.insert(size_t(at), ",");
  return text;
}

std::string attends(const OrderedJson &analysis) {
  std::string out;
  if (!analysis.is_object() || !analysis.contains("attends") || !analysis["attends"].is_array())
    return out;
  for (const OrderedJson &attend : analysis["attends"]) {
    if (!attend.is_object() || !attend.contains("visited") || !attend["visited"].is_array())
      continue;
    out += fmt::format("\n  {} (x{}, {} heads)\n", attend.value("location", ""), attend.value("calls", int64_t(1)),
                       attend.value("heads", int64_t(1)));
    for (const OrderedJson &visited : attend["visited"]) {
      double length = visited.value("length", 0.0), scores = visited.value("scores", 0.0);
      if (length > 0)
        out += fmt::format("    length {:>7}: {:>16} scores a head, {:6.2f} % of the causal ones\n", int64_t(length),
                           grouped(int64_t(scores)), 100 * scores / visited.value("causal", length * (length + 1) / 2));
    }
  }
  return out.empty() ? out : "\nScores visited:" + out;
}

/// What a kernel's code is: instruction sets, or what a block takes of a GPU.
std::string codeOf(const OrderedJson &kernel) {
  if (kernel.contains("isa"))
    return fmt::format("{}", fmt::join(kernel["isa"].get<std::vector<std::string>>(), ", "));
  auto out = fmt::format("{}: {} threads", kernel.value("target", ""), kernel.value("threads", 0));
  if (kernel.contains("registers"))
    out += fmt::format(", {} registers", kernel.value("registers", 0));
  if (int64_t spilled = kernel.value("spill_bytes", int64_t(0)))
    out += fmt::format(", {} bytes spilled", spilled);
  if (int64_t shared = kernel.value("shared_bytes", int64_t(0)))
    out += ", shared " + formatBytes(shared);
  return out;
}

} // namespace

std::string describeForPeople(const OrderedJson &d) {
  std::string out =
      fmt::format("{} ({})\n  compiled by caac {}, for {}\n\nParameters\n", d.value("model", ""), d.value("file", ""),
                  d.value("compiler", ""), fmt::join(d["targets"].get<std::vector<std::string>>(), ", "));
  for (const OrderedJson &p : d["parameters"])
    out += fmt::format("  {:<64} {:<18} {:>13}  {}{}{}\n", p.value("name", ""), p["shape"].dump(),
                       grouped(p.value("elements", int64_t(0))), p.value("init", ""),
                       p.value("decay", false) ? "" : ", no decay",
                       p.contains("group") ? ", group " + p.value("group", "") : "");
  out += fmt::format("  matrix parameters outside the embedding: {}\n  parameters in all: {}\n",
                     grouped(d.value("matrix_parameters_outside_embedding", int64_t(0))),
                     grouped(d.value("parameters_in_all", int64_t(0))));
  out += fmt::format("  with gradients and optimizer state: {}\n\nEntries\n",
                     formatBytes(d.value("state_bytes", int64_t(0))));
  for (const OrderedJson &e : d["entries"])
    out += fmt::format("  {:<24} {:<6} {} x {} tokens: arena {}, {} commands, {}FLOP in products, {}FLOP in kernels\n",
                       e.value("name", ""), e.value("target", ""), e.value("batch", 0), e.value("length", 0),
                       formatBytes(e.value("arena_bytes", int64_t(0))), e.value("commands", 0),
                       formatCount(e.value("product_flops", 0.0)), formatCount(e.value("kernel_flops", 0.0)));
  out += "\nKernels\n";
  for (const OrderedJson &k : d["kernels"])
    out += fmt::format("  {:<32} x{:<5} {:<28} {}\n", k.value("name", ""), k.value("launches", 0),
                       k.value("location", ""), codeOf(k));
  if (!d["modules"].empty())
    out += "\nModules\n";
  for (const OrderedJson &m : d["modules"])
    out += fmt::format("  {:<6} {:<6} {}\n", m.value("target", ""), m.value("kind", ""),
                       formatBytes(m.value("bytes", int64_t(0))));
  out += attends(d["analysis"]);
  while (!out.empty() && out.back() == '\n')
    out.pop_back();
  return out;
}

} // namespace caa
