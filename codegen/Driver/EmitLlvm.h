// `--emit llvm`: the kernels as LLVM IR, before LLVM's own passes.
#pragma once

#include "codegen/Cpu/CpuTarget.h"

#include "mlir/IR/BuiltinOps.h"

namespace caa {

/// The text of all kernels of the module for one target. Fails with a diagnostic.
mlir::FailureOr<std::string> emitLlvm(mlir::ModuleOp module, const cpu::CpuTarget &target);

} // namespace caa
