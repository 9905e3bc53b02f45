// Tile kernels to LLVM dialect functions for the CPU, and the pass that shows it alone:
// caa-opt --tile-to-cpu="vector-bits=512".
#pragma once

#include "codegen/Cpu/CpuTarget.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace caa::cpu {

/// Writes the kernel as a function of the type of caa_cpu_kernel, named with the target's suffix, into `module`. Buffers must
/// not overlap unless they are one operand; they are aligned to their elements. Scratch is aligned to 64 bytes; the
/// attribute `tile.scratch` of the function, an array of #tile.term, is how much of it a thread needs. Fails with a
/// diagnostic at the op that it cannot lower.
mlir::FailureOr<mlir::LLVM::LLVMFuncOp> lowerKernel(mlir::func::FuncOp kernel, mlir::ModuleOp module, const CpuTarget &target);

/// Adds the lowered functions of all kernels to a module; kernels that nothing names go.
mlir::LogicalResult lowerTileToLLVM(mlir::ModuleOp module, const CpuTarget &target);

/// Registers the pass `tile-to-cpu`.
void registerCpuPasses();

} // namespace caa::cpu
