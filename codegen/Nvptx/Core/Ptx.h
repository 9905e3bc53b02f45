// LLVM dialect kernels to PTX text.
#pragma once

#include "runtime/abi/caa_abi.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

#include <string>

namespace caa::nvptx {

/// "sm_80" or "sm_90a".
llvm::StringRef processorName(caa_target target);

/// Loads and registers what emitPtx needs of a context; once, before threads use it.
void preparePtx(mlir::MLIRContext &context);

/// PTX of a module of kernels (Frame made them). Thread-safe for modules of one context.
llvm::Expected<std::string> emitPtx(mlir::ModuleOp module, caa_target target);

/// One module of several with the same target: the directives at the top stand once.
std::string joinPtx(llvm::ArrayRef<std::string> modules);

} // namespace caa::nvptx
