// Entries of one target made into those of another.
#include "test/codegen/GpuSample.h"

#include <map>

namespace caa::test {

using namespace schedule;

namespace {

constexpr caa_target target = CAA_TARGET_SM90A;

/// A kernel's head in PTX, as the ABI wants it.
std::string ptxOf(const Kernel &kernel, size_t operands) {
  std::string text = ".visible .entry " + kernel.name + "(";
  size_t words = operands + 5 + (kernel.counters ? 1 : 0);
  for (size_t i = 0; i < words; ++i)
    text += (i ? ", .param .u64 p" : ".param .u64 p") + std::to_string(i);
  for (size_t i = 0; i < kernel.tensorMaps.size(); ++i)
    text += ", .param .align 64 .b8 map" + std::to_string(i) + "[128]";
  return text + ")\n{\n  ret;\n}\n";
}

Kernel onGpu(const Kernel &kernel) {
  Kernel made;
  made.name = kernel.name;
  made.location = kernel.location;
  made.grid = kernel.grid;
  made.target = target;
  made.threads = 32;
  if (kernel.name == "embed")
    made.tensorMaps.push_back({2, CAA_F32, 1, sampleWidth, sampleWidth, 16, 32});
  if (kernel.name == "square_loss") {
    made.sharedBytes = 1024;
    made.blocksPerSm = 1;
    made.counters = 1;
  }
  return made;
}

} // namespace

Program gpuSampleProgram() {
  Program sample = sampleProgram(), program = sample;
  std::erase_if(program.entries, [](const Entry &entry) { return entry.target != CAA_TARGET_CPU; });
  std::erase_if(program.kernels, [](const Kernel &kernel) { return kernel.target != CAA_TARGET_CPU; });
  program.modules.clear();

  std::string ptx = ".version 8.0\n.target sm_90a\n.address_size 64\n";
  std::map<uint32_t, uint32_t> kernels; // from CPU to GPU
  auto add = [&](Kernel kernel, size_t operands) {
    ptx += ptxOf(kernel, operands);
    program.kernels.push_back(std::move(kernel));
    return uint32_t(program.kernels.size() - 1);
  };
  for (const Entry &entry : sample.entries) {
    if (entry.target == CAA_TARGET_SM80 || (entry.target == target && entry.name == "add.forward"))
      continue;
    Entry made = entry;
    made.target = target;
    for (Command &command : made.commands)
      if (command.kind == CAA_COMMAND_KERNEL) {
        if (!kernels.count(command.index))
          kernels[command.index] = add(onGpu(sample.kernels[command.index]), command.operands.size());
        command.index = kernels[command.index];
      }
    if (made.name == "update") { // a kernel in place of the fill
      Entry refresh = made;
      refresh.name = "refresh";
      refresh.buffers = {made.buffers[0], made.buffers[4]}; // the parameters and their copies
      for (Entry *one : {&made, &refresh}) {
        Command command;
        command.kind = CAA_COMMAND_KERNEL;
        for (uint32_t buffer = 0; buffer < one->buffers.size(); ++buffer) {
          one->buffers[buffer].first = one->buffers[buffer].last = 0;
          command.operands.push_back({buffer});
        }
        Kernel kernel;
        kernel.name = one->name;
        kernel.location = command.location = "sample.mdl:9";
        kernel.target = target;
        kernel.threads = 32;
        command.index = add(std::move(kernel), command.operands.size());
        one->commands = {command};
      }
      program.entries.push_back(std::move(refresh));
    }
    program.entries.push_back(std::move(made));
  }
  program.modules.push_back({ptx, CAA_MODULE_PTX, target});
  return program;
}

} // namespace caa::test
