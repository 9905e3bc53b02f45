// Object files from tile kernels, for several instruction sets at once.
#pragma once

#include "codegen/Cpu/CpuTarget.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace caa::cpu {

/// Object code (x86-64 ELF, position independent) of a module of LLVM dialect functions. Undefined symbols are functions of
/// the C library's mathematics alone (and memcpy, memset).
llvm::Expected<std::string> emitObject(mlir::ModuleOp module, const CpuTarget &target);

/// Lowers and compiles every kernel (`tile.kernel`) of a module for each target, on `threads` threads. Kernel `k` becomes the
/// symbol `k` + suffix in one of the objects. Sets on every kernel the attribute `tile.scratch`, the bytes of scratch that a
/// thread needs for any of the targets. Errors are diagnostics. The module's context must not be in use elsewhere.
mlir::FailureOr<std::vector<std::string>> compileKernels(mlir::ModuleOp module, llvm::ArrayRef<CpuTarget> targets,
                                                         unsigned threads);

} // namespace caa::cpu
