// From entry functions to a program: what `caa-form-kernels` and the kernels' lowering leave becomes commands on buffers.
//
// An entry holds launches, matrix products, chunked head losses, reads of parameters and sinks. Every value gets a home:
// the buffer of the sink or output it ends in where it can be written there directly, else a part of the arena that lives
// from the command that writes it to the last one that reads it.
#pragma once

#include "codegen/Schedule/Program.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/LLVM.h"

namespace caa {

/// Notes on the module, as attributes `caa.losses` and `caa.reports`, which loss and report ops the model has, before
/// autodiff and fusion take them apart. The scheduler numbers losses and reports by it.
void recordOutputs(mlir::ModuleOp module);

/// The schedule of every entry of the module, in the module's order. Kernels are the launched functions; their grids are the
/// attribute `tile.grid`. `gpu`: sizes that depend on the machine are a GPU's, and there are the entries of Update.h, whose shape
/// is noted on the module. Fails with a diagnostic.
mlir::FailureOr<schedule::Program> buildSchedule(mlir::ModuleOp module, bool gpu);

/// Takes over what code generation found out: the scratch of every kernel (attribute `tile.scratch`).
mlir::LogicalResult readScratch(mlir::ModuleOp module, schedule::Program &program);

/// "file:line" of the place in the model's text that an op comes from, "" if there is none.
std::string sourceLine(mlir::Location location);

/// Registers `caa-print-schedule` with caa-opt.
void registerSchedulePasses();

} // namespace caa
