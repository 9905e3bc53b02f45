// See GpuCode.h.
#include "codegen/Driver/GpuCode.h"

#include "codegen/Nvptx/Core/Nvptx.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringMap.h"

#include <chrono>

using namespace mlir;

namespace caa {

static double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

static void setLaunch(schedule::Kernel &kernel, const nvptx::LaunchInfo &launch) {
  kernel.threads = launch.threads;
  kernel.sharedBytes = launch.sharedBytes;
  kernel.blocksPerSm = launch.blocksPerSm;
  kernel.counters = launch.counters;
  for (const nvptx::TensorMap &map : launch.tensorMaps)
    kernel.tensorMaps.push_back({map.operand, map.dtype, map.heads, map.width, map.boxWidth, map.boxRows, map.swizzleBytes});
}

LogicalResult generateGpuCode(ModuleOp module, schedule::Program &program, caa_target target, unsigned threads) {
  FailureOr<nvptx::Code> code = nvptx::compileKernels(module, target, threads);
  if (failed(code))
    return failure();
  llvm::StringMap<const nvptx::LaunchInfo *> launches;
  for (const nvptx::LaunchInfo &launch : code->kernels)
    launches[launch.name] = &launch;
  for (schedule::Kernel &kernel : program.kernels) {
    const nvptx::LaunchInfo *launch = launches.lookup(kernel.name);
    if (!launch)
      return module.emitError("internal: kernel `") << kernel.name << "` has no code";
    setLaunch(kernel, *launch);
  }
  program.modules.push_back({std::move(code->ptx), CAA_MODULE_PTX, target});
  return success();
}

void Assembler::start(std::string ptx, caa_target target) {
  std::optional<std::string> ptxas = nvptx::findPtxas();
  if (!ptxas)
    return;
  running = std::async(std::launch::async, [ptx = std::move(ptx), ptxas = *ptxas, target]() -> llvm::Expected<Result> {
    double begin = now();
    llvm::Expected<nvptx::Assembly> assembly = nvptx::assemble(ptx, target, ptxas);
    if (!assembly)
      return assembly.takeError();
    return Result{std::move(*assembly), target, now() - begin};
  });
}

llvm::Expected<std::optional<Assembler::Result>> Assembler::finish() {
  if (!running.valid())
    return std::nullopt;
  llvm::Expected<Result> result = running.get();
  if (result)
    return std::move(*result);
  std::string message = llvm::toString(result.takeError());
  if (StringRef(message).contains("Unsupported .version"))
    return std::nullopt;
  return llvm::createStringError(message);
}

void addAssembly(schedule::Program &program, const Assembler::Result &result) {
  for (const nvptx::AssembledKernel &assembled : result.assembly.kernels)
    for (schedule::Kernel &kernel : program.kernels)
      if (kernel.name == assembled.name) {
        kernel.registers = assembled.registers;
        kernel.spillBytes = assembled.spillBytes;
      }
  program.modules.push_back({result.assembly.cubin, CAA_MODULE_CUBIN, result.target});
}

void remarkOn(const nvptx::Assembly &assembly, ModuleOp module) {
  SymbolTable symbols(module);
  for (const nvptx::AssembledKernel &kernel : assembly.kernels)
    if (Operation *function = symbols.lookup(kernel.name); function && kernel.spillBytes)
      emitRemark(function->getLoc()) << "kernel `" << kernel.name << "` moves " << kernel.spillBytes
                                     << " bytes a thread between registers and memory [spill]";
  for (const std::string &warning : assembly.warnings)
    emitRemark(module.getLoc()) << StringRef(warning).trim() << " [assembler]";
}

} // namespace caa
