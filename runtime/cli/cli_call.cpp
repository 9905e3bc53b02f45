// `caa-run call`: one attention or block on tensors in files.
#include "runtime/base/parallel.h"
#include "runtime/cli/command.h"
#include "runtime/cli/compute_options.h"
#include "runtime/cli/oracle.h"
#include "runtime/train/call.h"

#include <memory>

namespace caa {
namespace {

struct CallOptions {
  Path so, inputs, outputs;
  std::string name;
  std::optional<Path> gradOutputs;
  bool oracle = false;
  ComputeOptions compute;
};

/// One that the file has entries for: what goes in and comes out is the same for all.
caa_target anyTarget(const Image &image) {
  for (caa_target target : {CAA_TARGET_CPU, CAA_TARGET_SM80})
    if (image.hasTarget(target))
      return target;
  return CAA_TARGET_SM90A;
}

Status call(const CallOptions &options) {
  CAA_CHECK(options.compute.check());
  const uint64_t seed = options.compute.seed.value_or(0);
  if (options.oracle) { // no code of the file runs
    CAA_TRY(auto image, Image::open(options.so));
    Threads threads(threadCount(options.compute.threads));
    CAA_TRY(auto request, readCall(image, anyTarget(image), options.name, options.inputs, options.gradOutputs, seed, threads));
    CAA_TRY(auto outputs, runOracle(image, request));
    return writeCall(options.outputs, outputs);
  }
  CAA_TRY(auto model, Model::load(options.so, options.compute.choice()));
  CAA_TRY(auto request, readCall(model->image(), model->engine().target(), options.name, options.inputs,
                                 options.gradOutputs, seed, model->threads()));
  CAA_TRY(auto outputs, runCall(*model, request));
  return writeCall(options.outputs, outputs);
}

} // namespace

void addCallCommand(CLI::App &app, Action &action) {
  auto options = std::make_shared<CallOptions>();
  auto *command = app.add_subcommand("call", "Run one exported attention or block on tensors");
  command->add_option("SO", options->so, "A model compiled with --export")->required();
  command->add_option("NAME", options->name, "The export")->required();
  command->add_option("--inputs", options->inputs, "Inputs, and parameters by name (safetensors)")->required();
  command->add_option("--outputs", options->outputs, "The file to write")->required();
  command->add_option("--grad-outputs", options->gradOutputs,
                      "The gradient of `out` (and of losses): adds d_<name> to the outputs");
  command->add_flag("--oracle", options->oracle, "Interpret in float64 instead of running the compiled code");
  options->compute.addTo(*command);
  command->callback([options, &action] { action = [options] { return call(*options); }; });
}

} // namespace caa
