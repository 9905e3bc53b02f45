// f64 functions on a GPU thread, without a library: range reduction and series. Relative errors below 1e-14 (pow: 1e-13 for
// results between 1e-100 and 1e100; sin, cos, tan: absolute, for |x| < 1e9). They also serve the f32 functions that are too rare
// to have code of their own.
#pragma once

#include "codegen/Llvm/Code.h"

namespace caa::nvptx {

/// The function `name` of the C library, "sigmoid" or "softplus" on f64 scalars; null if it is unknown.
emit::Value emitDouble(emit::Code &code, llvm::StringRef name, emit::ValueRange operands);

} // namespace caa::nvptx
