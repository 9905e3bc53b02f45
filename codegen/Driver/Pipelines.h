// The phases of a compilation and the passes of each.
#pragma once

#include "runtime/abi/caa_abi.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/IR/DialectRegistry.h"

#include <string>

namespace caa {

enum class Phase {
  Read,          // .mdl text to the `caa` dialect: syntax, names, types, shapes, parameters
  Differentiate, // norms taken apart; the functions that train, evaluate and export, with their gradients
  Optimize,      // attends merged, heads fused with their loss, precision resolved, recomputation decided
  FormKernels,   // token-wise ops grouped and outlined, equal kernels shared
  LowerKernels,  // kernels in the `tile` dialect
  Schedule,      // entry functions to commands, buffers and products
  GenerateCode,  // kernels to machine code, once per instruction set
  Assemble,      // PTX to machine code, where NVIDIA's assembler is at hand; beside the phases before
  Link           // tables, texts and code to a sealed shared object
};

/// "form-kernels", for timing and messages.
llvm::StringRef phaseName(Phase phase);

/// What passes are to know of the machine. From Optimize on, CPUs and GPUs go separate ways; from LowerKernels on, every target.
struct PipelineOptions {
  caa_target target = CAA_TARGET_CPU;
  std::string precision = "fp32"; // or "bf16"

  bool isGpu() const { return target != CAA_TARGET_CPU; }
};

/// Adds the passes of a phase (from Differentiate to LowerKernels).
void addPasses(Phase phase, mlir::OpPassManager &passes, const PipelineOptions &options);

/// All dialects that a compilation meets.
void registerDialects(mlir::DialectRegistry &registry);
/// All our passes, for caa-opt and reproducers.
void registerPasses();

} // namespace caa
