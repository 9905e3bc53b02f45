// Code for GPUs: a program's launches and modules, and NVIDIA's assembler running beside the rest of the compilation.
#pragma once

#include "codegen/Nvptx/Core/Ptxas.h"
#include "codegen/Schedule/Program.h"

#include "mlir/IR/BuiltinOps.h"

#include <future>
#include <optional>

namespace caa {

/// Adds the code of the module's kernels to the schedule of its entries: their launches and the PTX. Fails with a diagnostic.
mlir::LogicalResult generateGpuCode(mlir::ModuleOp module, schedule::Program &program, caa_target target, unsigned threads);

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

/// Adds the cubin, and to the kernels of its target's program what the assembler told of them.
void addAssembly(schedule::Program &program, const Assembler::Result &result);

/// Remarks on kernels of `module` that do not fit into registers, and on the assembler's warnings.
void remarkOn(const nvptx::Assembly &assembly, mlir::ModuleOp module);

} // namespace caa
