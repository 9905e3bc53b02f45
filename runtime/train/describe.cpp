// The facts of an image as JSON: parameters, entries with their memory and work, kernels, modules, visited scores.
#include "runtime/train/describe.h"

#include "runtime/engine/executor.h"
#include "runtime/train/parameters.h"
#include "runtime/train/settings.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace caa {
namespace {

std::string initOf(const caa_parameter &parameter) {
  switch (parameter.init) {
  case CAA_INIT_ONES:
    return "ones";
  case CAA_INIT_NORMAL:
    return parameter.init_a == 0 ? fmt::format("normal({})", parameter.init_b)
                                 : fmt::format("normal({}, {})", parameter.init_a, parameter.init_b);
  case CAA_INIT_UNIFORM:
    return fmt::format("uniform({}, {})", parameter.init_a, parameter.init_b);
  default:
    return "zeros";
  }
}

OrderedJson parametersOf(const Image &image) {
  OrderedJson list = OrderedJson::array();
  for (const caa_parameter &parameter : image.parameters()) {
    OrderedJson record;
    record["name"] = image.text(parameter.name);
    record["shape"] = shapeOf(parameter);
    record["elements"] = parameter.elements;
    record["init"] = initOf(parameter);
    record["decay"] = parameter.decay != 0;
    if (parameter.group.size)
      record["group"] = image.text(parameter.group);
    if (std::isfinite(parameter.low))
      record["low"] = parameter.low;
    if (std::isfinite(parameter.high))
      record["high"] = parameter.high;
    list.push_back(std::move(record));
  }
  return list;
}

OrderedJson kernelsOf(const Image &image) {
  std::vector<int64_t> launches(image.kernels().size());
  for (const caa_command &command : image.commands())
    if (command.kind == CAA_COMMAND_KERNEL)
      ++launches[command.index];
  OrderedJson list = OrderedJson::array();
  for (size_t i = 0; i < launches.size(); ++i) {
    const caa_kernel &kernel = image.kernels()[i];
    OrderedJson record;
    record["name"] = image.text(kernel.name);
    record["location"] = image.text(kernel.location);
    record["target"] = nameOfTarget(kernel.target);
    record["launches"] = launches[i];
    if (kernel.target == CAA_TARGET_CPU) {
      record["isa"] = OrderedJson::array();
      if (kernel.cpu_avx2)
        record["isa"].push_back("AVX2");
      if (kernel.cpu_avx512)
        record["isa"].push_back("AVX-512");
    } else {
      record["threads"] = kernel.threads;
      record["shared_bytes"] = kernel.shared_bytes;
      record["blocks_per_sm"] = kernel.blocks_per_sm;
      record["tensor_maps"] = kernel.tensor_map_count;
      // Known only where the assembler was at hand.
      if (kernel.registers) {
        record["registers"] = kernel.registers;
        record["spill_bytes"] = kernel.spill_bytes;
      }
    }
    record["flops_per_item"] = kernel.flops_per_item;
    if (kernel.tile_queries || kernel.tile_keys)
      record["tile"] = {kernel.tile_queries, kernel.tile_keys};
    list.push_back(std::move(record));
  }
  return list;
}

OrderedJson modulesOf(const Image &image) {
  OrderedJson list = OrderedJson::array();
  for (const caa_module &module : image.modules())
    list.push_back({{"target", nameOfTarget(module.target)},
                    {"kind", module.kind == CAA_MODULE_PTX ? "ptx" : "cubin"},
                    {"bytes", module.code.size}});
  return list;
}

Result<OrderedJson> entriesOf(const Image &image, int64_t batch, int64_t length) {
  OrderedJson list = OrderedJson::array();
  for (const caa_entry &entry : image.entries()) {
    CAA_TRY(auto plan, planEntry(image, caa_target(entry.target), image.text(entry.name), batch, length));
    OrderedJson record;
    record["name"] = image.text(entry.name);
    record["target"] = nameOfTarget(entry.target);
    record["batch"] = batch;
    record["length"] = length;
    record["commands"] = entry.command_count;
    record["arena_bytes"] = plan.arena.bytes;
    if (entry.target == CAA_TARGET_CPU)
      record["scratch_bytes_per_thread"] = plan.scratchBytes;
    record["product_flops"] = plan.productFlops;
    record["kernel_flops"] = plan.kernelFlops;
    record["values"] = OrderedJson::array();
    auto values = image.valuesOf(entry);
    for (size_t i = 0; i < values.size(); ++i)
      record["values"].push_back({{"name", image.text(values[i].name)},
                                  {"direction", values[i].direction == CAA_INPUT ? "input" : "output"},
                                  {"dtype", nameOfDtype(values[i].dtype)},
                                  {"heads", values[i].heads},
                                  {"width", values[i].width},
                                  {"per_token", values[i].per_token != 0},
                                  {"bytes", plan.valueBytes[i]}});
    list.push_back(std::move(record));
  }
  return list;
}

} // namespace

Result<OrderedJson> describe(const Image &image, const DescribeSizes &sizes) {
  const caa_header &header = image.header();
  int64_t length = sizes.length.value_or(modelSetting(image, "context").value_or(1024));
  int64_t batch = sizes.batch.value_or(std::max<int64_t>(1, 4096 / std::max<int64_t>(length, 1)));
  auto counts = countParameters(image);
  OrderedJson out;
  out["file"] = image.path().string();
  out["model"] = image.modelName();
  out["compiler"] = image.text(header.compiler);
  out["abi_version"] = header.abi_version;
  out["seal"] = image.seal();
  out["targets"] = OrderedJson::array();
  for (caa_target target : {CAA_TARGET_CPU, CAA_TARGET_SM80, CAA_TARGET_SM90A})
    if (image.hasTarget(target))
      out["targets"].push_back(nameOfTarget(target));
  out["matrix_parameters_outside_embedding"] = counts.matricesOutsideEmbedding;
  out["parameters_in_all"] = counts.all;
  out["state_bytes"] = parameterElements(image) * 16; // values, gradients, two moments
  out["parameters"] = parametersOf(image);
  CAA_TRY(out["entries"], entriesOf(image, batch, length));
  out["kernels"] = kernelsOf(image);
  out["modules"] = modulesOf(image);
  for (auto [key, text] : {std::pair{"analysis", header.analysis}, {"settings", header.settings}}) {
    auto parsed = OrderedJson::parse(image.text(text), nullptr, false);
    out[key] = parsed.is_discarded() ? OrderedJson(image.text(text)) : parsed;
  }
  return out;
}

} // namespace caa
