// Compiles kernels of the tile dialect, loads the objects and runs them; the tile interpreter runs the same kernels in
// float64. Memory that a kernel must not read or write is poisoned.
#pragma once

#include "codegen/Cpu/CpuTarget.h"
#include "runtime/abi/caa_abi.h"
#include "test/tile/TileInterpreter.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <memory>
#include <string>

namespace llvm::orc {
class LLJIT;
}

namespace caa::test {

/// The targets that this machine can run.
std::vector<cpu::CpuTarget> runnableTargets();

/// A context with all dialects that kernels are written in.
std::unique_ptr<mlir::MLIRContext> makeKernelContext();

class KernelRunner {
public:
  /// Compiles all kernels of `text` for `targets`; fails the present test on errors.
  KernelRunner(mlir::MLIRContext &context, llvm::StringRef text, llvm::ArrayRef<cpu::CpuTarget> targets);
  KernelRunner(mlir::ModuleOp module, llvm::ArrayRef<cpu::CpuTarget> targets);
  ~KernelRunner();

  mlir::func::FuncOp kernel(llvm::StringRef name);
  caa_cpu_kernel function(llvm::StringRef name, const cpu::CpuTarget &target);
  int64_t scratchBytes(llvm::StringRef name, const Extents &extents);

  /// Runs all items of a kernel on copies of `buffers` in their element types and takes the results back. With
  /// `pieces`, in that many ranges, the last first.
  void run(llvm::StringRef name, const cpu::CpuTarget &target, std::vector<Buffer> &buffers, const Extents &extents,
           int64_t pieces = 1);

private:
  void compile(llvm::ArrayRef<cpu::CpuTarget> targets);

  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

/// The shape of a kernel's buffer: dynamic axes are the batch and the length, or the rows.
std::vector<int64_t> shapeOfArgument(mlir::func::FuncOp kernel, unsigned number, const Extents &extents);

} // namespace caa::test
