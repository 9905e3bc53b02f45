// The texts that travel in a .so beside its tables: where it comes from and how it was set.
#pragma once

#include "codegen/Schedule/Program.h"

#include "mlir/IR/BuiltinOps.h"

namespace caa {

/// Model name, source and settings, from the attributes that the front end puts on the module.
void readModuleTexts(mlir::ModuleOp module, schedule::Texts &texts);

/// The settings as JSON, in the form of docs/settings.md: {"model": {...}, "train": {...}}.
std::string settingsJson(mlir::ModuleOp module);

} // namespace caa
