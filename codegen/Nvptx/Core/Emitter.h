// What each of the GPU backend's emitters (Hopper, Portable, Rows) offers. compileKernels asks them in this order.
#pragma once

#include "codegen/Nvptx/Core/Nvptx.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace caa::nvptx {

struct Emitter {
  llvm::StringRef name;
  /// Whether the emitter has code for this kernel on this target. If not, the next one is asked.
  bool (*takes)(mlir::func::FuncOp kernel, caa_target target);
  /// Writes the kernel into `module` (through a Frame). Failures are errors and come with a diagnostic.
  mlir::FailureOr<LaunchInfo> (*emit)(mlir::func::FuncOp kernel, mlir::ModuleOp module, caa_target target);
};

} // namespace caa::nvptx
