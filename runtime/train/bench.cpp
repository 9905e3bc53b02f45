// Medians per kernel over several runs, beside the work that each does.
#include "runtime/train/bench.h"

#include "runtime/train/random.h"
#include "runtime/train/settings.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace caa {
namespace {

/// Random values for every input: normal floats, ids below the vocabulary, positions, one document.
std::vector<std::byte> randomValue(const Image &image, const caa_value &value, int64_t bytes, int64_t length) {
  std::vector<std::byte> data(size_t(bytes), std::byte(0));
  auto name = image.text(value.name);
  RandomStream random(0, name);
  if (value.dtype == CAA_F32) {
    auto *floats = reinterpret_cast<float *>(data.data());
    for (int64_t i = 0; i < bytes / 4; ++i)
      floats[i] = float(random.normal(uint64_t(i)));
  } else if (value.dtype == CAA_I32) {
    auto *integers = reinterpret_cast<int32_t *>(data.data());
    int64_t vocab = modelSetting(image, "vocab").value_or(1);
    for (int64_t i = 0; i < bytes / 4 && name != "doc"; ++i)
      integers[i] = name == "position" ? int32_t(i % length)
                                       : int32_t(random.bits(uint64_t(i)) % uint64_t(std::max<int64_t>(vocab, 1)));
  }
  return data;
}

/// What commands are counted under: a kernel's name, a product's shape.
std::string labelOf(const Image &image, const EntryPlan &plan, const caa_command &command) {
  auto size = [&](caa_size value) { return evaluate(image.terms(), value, plan.dimensions, "a size"); };
  switch (command.kind) {
  case CAA_COMMAND_KERNEL:
    return std::string(image.text(image.kernels()[command.index].name));
  case CAA_COMMAND_PRODUCT: {
    auto m = size(command.m), n = size(command.n), k = size(command.k);
    return fmt::format("product {}{} {} x {} x {}", command.transpose_a ? "T" : "N", command.transpose_b ? "T" : "N",
                       m ? *m : 0, n ? *n : 0, k ? *k : 0);
  }
  case CAA_COMMAND_FILL:
    return "fill";
  default:
    return "copy";
  }
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + int64_t(values.size() / 2), values.end());
  return values[values.size() / 2];
}

} // namespace

Result<OrderedJson> bench(Model &model, const BenchOptions &options) {
  const Image &image = model.image();
  int64_t length = options.length.value_or(modelSetting(image, "context").value_or(1024));
  int64_t batch = options.batch.value_or(std::max<int64_t>(1, 4096 / length));
  CAA_TRY(const EntryPlan *plan, model.plan(options.entry, batch, length));
  CAA_TRY(ParameterArena * gradients, model.gradients());
  std::vector<float> scales(model.lossCount(), 1e-3f);
  std::vector<double> sums(model.lossCount()), counts(model.lossCount()), reports = model.emptyReports();
  Bindings bindings{.parameters = model.parameters().values(),
                    .gradients = gradients->values(),
                    .lossScale = scales,
                    .lossSum = sums,
                    .lossCount = counts,
                    .reports = reports};
  std::vector<std::vector<std::byte>> storage;
  auto values = image.valuesOf(*plan->entry);
  for (size_t i = 0; i < values.size(); ++i) {
    storage.push_back(randomValue(image, values[i], plan->valueBytes[i], length));
    bindings.values.push_back(storage.back().data());
  }

  struct Line {
    std::string location;
    int64_t calls = 0;
    double now = 0;
    std::vector<double> seconds; // per run
  };
  std::map<std::string, Line> lines;
  std::vector<double> totals;
  CAA_CHECK(model.executor().run(*plan, bindings)); // warm-up
  model.executor().setObserver([&](size_t index, double seconds) {
    const caa_command &command = image.commands()[index];
    Line &line = lines[labelOf(image, *plan, command)];
    line.location = image.text(command.location);
    line.calls += totals.empty();
    line.now += seconds;
  });
  for (int64_t run = 0; run < options.runs; ++run) {
    auto start = std::chrono::steady_clock::now();
    CAA_CHECK(model.executor().run(*plan, bindings));
    totals.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    for (auto &[label, line] : lines) {
      line.seconds.push_back(line.now);
      line.now = 0;
    }
  }
  model.executor().setObserver({});

  OrderedJson result;
  double total = median(totals);
  result["entry"] = options.entry;
  result["batch"] = batch;
  result["length"] = length;
  result["threads"] = model.threads().count();
  result["isa"] = nameOf(model.library().isa());
  result["seconds"] = total;
  result["tokens_per_s"] = double(batch * length) / total;
  result["product_flops_per_s"] = plan->productFlops / total;
  std::vector<std::pair<double, OrderedJson>> sorted;
  for (auto &[label, line] : lines) {
    double seconds = median(line.seconds);
    OrderedJson record;
    record["name"] = label;
    record["location"] = line.location;
    record["calls"] = line.calls;
    record["seconds"] = seconds;
    record["share"] = seconds / total;
    sorted.emplace_back(seconds, std::move(record));
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto &a, const auto &b) { return a.first > b.first; });
  result["kernels"] = OrderedJson::array();
  for (auto &[seconds, record] : sorted)
    result["kernels"].push_back(std::move(record));
  return result;
}

std::string benchForPeople(const OrderedJson &result) {
  std::string out =
      fmt::format("{}: {} x {} tokens in {:.2f} ms, {:.0f} tokens/s ({} threads, {})\n", result.value("entry", ""),
                  result.value("batch", 0), result.value("length", 0), 1e3 * result.value("seconds", 0.0),
                  result.value("tokens_per_s", 0.0), result.value("threads", 0), result.value("isa", ""));
  for (const OrderedJson &line : result["kernels"])
    out += fmt::format("  {:<44} x{:<5} {:9.3f} ms {:5.1f} %  {}\n", line.value("name", ""), line.value("calls", 0),
                       1e3 * line.value("seconds", 0.0), 100 * line.value("share", 0.0), line.value("location", ""));
  out.pop_back();
  return out;
}

} // namespace caa
