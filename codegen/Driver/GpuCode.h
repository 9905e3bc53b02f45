// Code for GPUs: a program's launches and modules, and NVIDIA's assembler running beside the rest of the compilation.
#pragma once

#include "codegen/Nvptx/Core/Ptxas.h"
#include "codegen/Schedule/Program.h"

#include "mlir/IR/BuiltinOps.h"

#include <future>
#include <optional>

namespace caa {

/// `shared` (the schedule of the module's entries, the same for all GPUs) for one target: with the kernels' launches and PTX.
/// Failures come with a diagnostic.
mlir::FailureOr<schedule::Program> generateGpuProgram(mlir::ModuleOp module, const schedule::Program &shared, caa_target target,
                                                      unsigned threads);

/// Assembles PTX on a thread of its own, where an assembler is installed.
class Assembler {
public:
  /// Does nothing if there is no assembler.
  void start(std::string ptx, caa_target target);

  struct Result {
    nvptx::Assembly assembly;
    caa_target target;
    double seconds;
  };
  /// Waits for the end. Nothing if none was started, or the assembler is too old for the PTX.
  llvm::Expected<std::optional<Result>> finish();

private:
  std::future<llvm::Expected<Result>> running;
};

/// Adds the cubin, and to the target's kernels what the assembler told of them. With `remarks`, kernels of `module` that do not fit
/// into registers are remarked on.
void addAssembly(schedule::Program &program, Assembler::Result result, mlir::ModuleOp module, bool remarks);

} // namespace caa
