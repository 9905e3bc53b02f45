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

/// What commands are counted under: a kernel's name, a product's shape. `rows` are those of the command's chunk.
std::string labelOf(const Image &image, const EntryPlan &plan, const caa_command &command, int64_t rows) {
  auto size = [&](caa_size value) { return sizeIn(plan, image, value, rows); };
  switch (command.kind) {
  case CAA_COMMAND_KERNEL:
    return std::string(image.text(image.kernels()[command.index].name));
  case CAA_COMMAND_PRODUCT:
    return fmt::format("product {}{} {} x {} x {}{}", command.transpose_a ? "T" : "N", command.transpose_b ? "T" : "N",
                       size(command.m), size(command.n), size(command.k),
                       command.a_dtype == CAA_BF16 ? " bf16" : "");
  case CAA_COMMAND_FILL:
    return "fill";
  default:
    return "copy";
  }
}

/// What a command has to do: floating-point operations, and bytes if each operand is read or written once. (Kernels that
/// look at an operand in part, or again and again, move less or more.)
struct Work {
  double flops = 0, bytes = 0;
};

Work workOf(const Image &image, const EntryPlan &plan, const caa_command &command, int64_t rows) {
  auto size = [&](caa_size value) { return double(sizeIn(plan, image, value, rows)); };
  Work work;
  switch (command.kind) {
  case CAA_COMMAND_PRODUCT: {
    const double m = size(command.m), n = size(command.n), k = size(command.k);
    work.flops = 2 * m * n * k;
    work.bytes = m * k * double(byteSizeOf(command.a_dtype)) + k * n * double(byteSizeOf(command.b_dtype)) +
                 m * n * double(byteSizeOf(command.c_dtype)) * (command.beta != 0 ? 2 : 1);
    return work;
  }
  case CAA_COMMAND_KERNEL: {
    const caa_kernel &kernel = image.kernels()[command.index];
    work.flops = kernel.flops_per_item * size(kernel.grid);
    const double share = double(rows) / double(plan.dimensions.rows);
    for (const caa_operand &operand : image.operands().subspan(command.first_operand, command.operand_count))
      work.bytes += double(plan.bufferBytes[operand.buffer - plan.entry->first_buffer]) *
                    (operand.row_bytes ? share : 1); // a chunk of a larger buffer
    return work;
  }
  default:
    work.bytes = size(command.m) * (command.kind == CAA_COMMAND_COPY ? 2 : 1);
    return work;
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
  int64_t batch = options.batch.value_or(std::max<int64_t>(1, model.engine().usualTokens() / length));
  CAA_TRY(const EntryPlan *plan, model.plan(options.entry, batch, length));
  CAA_TRY(const int64_t available, model.engine().availableMemory());
  if (int64_t needed = model.engine().bytesOf(*plan) + 4 * parameterElements(image); needed > available)
    return inputError(fmt::format("not enough memory: `{}` on {} rows of {} tokens needs {} and {} has {} left: give a "
                                  "smaller `--batch`{}",
                                  options.entry, batch, length, formatBytes(needed), model.engine().place(),
                                  formatBytes(available), model.engine().memoryNote()));
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
    Work work;
    double now = 0;
    std::vector<double> seconds; // per run
  };
  std::map<std::string, Line> lines;
  std::vector<double> totals;
  Engine &engine = model.engine();
  // A GPU may have no room to measure in.
  auto measured = [](Result<double> rate) { return rate ? *rate : 0; };
  const double peak = measured(engine.measureProductPeak()), copyRate = measured(engine.measureCopyRate());
  CAA_CHECK(model.run(*plan, bindings)); // warm-up; on a GPU the products' algorithms are chosen
  engine.setObserver([&](size_t index, int64_t rows, double seconds) {
    const caa_command &command = image.commands()[index];
    Line &line = lines[labelOf(image, *plan, command, rows)];
    if (line.seconds.empty()) {
      const Work work = workOf(image, *plan, command, rows);
      line.location = image.text(command.location);
      ++line.calls;
      line.work.flops += work.flops;
      line.work.bytes += work.bytes;
    }
    line.now += seconds;
  });
  for (int64_t run = 0; run < options.runs; ++run) {
    CAA_CHECK(model.run(*plan, bindings));
    for (auto &[label, line] : lines) {
      line.seconds.push_back(line.now);
      line.now = 0;
    }
  }
  engine.setObserver({});
  // As a step runs: commands one after the other without a look at the clock between.
  for (int64_t run = 0; run <= options.runs; ++run) {
    auto start = std::chrono::steady_clock::now();
    CAA_CHECK(model.run(*plan, bindings));
    if (run > 0) // a GPU makes a graph of it first
      totals.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }

  OrderedJson result;
  double total = median(totals);
  result["entry"] = options.entry;
  result["batch"] = batch;
  result["length"] = length;
  result["device"] = model.gpu() ? engine.place() : "cpu";
  if (!model.gpu())
    result["threads"] = model.threads().count();
  result["isa"] = engine.code();
  result["seconds"] = total;
  result["tokens_per_s"] = double(batch * length) / total;
  result["product_flops_per_s"] = plan->productFlops / total;
  result["peak_flops_per_s"] = peak > 0 ? OrderedJson(peak) : OrderedJson(nullptr);
  result["peak_bytes_per_s"] = copyRate > 0 ? OrderedJson(copyRate) : OrderedJson(nullptr);
  std::vector<std::pair<double, OrderedJson>> sorted;
  for (auto &[label, line] : lines) {
    double seconds = median(line.seconds);
    OrderedJson record;
    record["name"] = label;
    record["location"] = line.location;
    record["calls"] = line.calls;
    record["seconds"] = seconds;
    record["share"] = seconds / total;
    record["flops_per_s"] = line.work.flops / seconds;
    record["bytes_per_s"] = line.work.bytes / seconds;
    if (peak > 0 && copyRate > 0)
      record["of_ceiling"] = std::max(line.work.flops / seconds / peak, line.work.bytes / seconds / copyRate);
    sorted.emplace_back(seconds, std::move(record));
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto &a, const auto &b) { return a.first > b.first; });
  result["kernels"] = OrderedJson::array();
  for (auto &[seconds, record] : sorted)
    result["kernels"].push_back(std::move(record));
  return result;
}

std::string benchForPeople(const OrderedJson &result) {
  auto number = [](const OrderedJson &from, const char *key) {
    return from.contains(key) && from[key].is_number() ? from[key].get<double>() : 0.0;
  };
  std::string where = result.contains("threads")
                          ? fmt::format("{} threads, {}", result.value("threads", 0), result.value("isa", ""))
                          : result.value("isa", "");
  std::string out = fmt::format("{}: {} x {} tokens in {:.2f} ms, {:.0f} tokens/s ({})\n"
                                "ceilings measured here: {:.3g} TFLOP/s of products, {:.4g} GB/s of copies\n",
                                result.value("entry", ""), result.value("batch", 0), result.value("length", 0),
                                1e3 * number(result, "seconds"), number(result, "tokens_per_s"), where,
                                1e-12 * number(result, "peak_flops_per_s"), 1e-9 * number(result, "peak_bytes_per_s"));
  for (const OrderedJson &line : result["kernels"])
    out += fmt::format("  {:<44} x{:<5} {:9.3f} ms {:5.1f} %  {:8.3f} TFLOP/s {:8.1f} GB/s {:5.1f} % of ceiling  {}\n",
                       line.value("name", ""), line.value("calls", 0), 1e3 * number(line, "seconds"),
                       100 * number(line, "share"), 1e-12 * number(line, "flops_per_s"),
                       1e-9 * number(line, "bytes_per_s"), 100 * number(line, "of_ceiling"), line.value("location", ""));
  out.pop_back();
  return out;
}

} // namespace caa
