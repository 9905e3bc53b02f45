// The model before autodiff as JSON, for the float64 oracle: docs/plain-form.md says how it looks.
#pragma once

#include "mlir/IR/BuiltinOps.h"

#include <string>

namespace caa {

/// The plain form of `@model`, of every export and of the parameters. Mechanical: ops and attributes as the dialect names them.
std::string plainForm(mlir::ModuleOp module);

} // namespace caa
