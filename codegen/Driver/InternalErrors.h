// Tells errors of the model's author from errors of the compiler: the latter end with status 3 and a reproducer.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"

#include <functional>
#include <string>

namespace caa {

/// While it lives, errors that no model's author can mend are kept here instead of being printed: those that begin with
/// "internal:", those of verifiers (which quote an op), and, after `everythingIsInternal`, all but those that begin with "cannot be
/// compiled for ": what a target has no code for is known only when its code is generated.
class InternalErrors {
public:
  /// `authorIsTold` says whether an error of the model's author has been reported: then a failing pass is no surprise.
  InternalErrors(mlir::MLIRContext &context, std::function<bool()> authorIsTold);

  void everythingIsInternal() { all = true; }
  bool any() const { return !text.empty(); }
  /// What was kept, one a line, with places.
  const std::string &messages() const { return text; }
  void add(const std::string &message) { text += message + "\n"; }

  /// Streams for PassManager::enableCrashReproducerGeneration: a file with the module and the passes that failed on it (for
  /// `caa-opt --run-reproducer`), nowhere if the author is at fault.
  mlir::ReproducerStreamFactory reproducers();
  /// The reproducer's path, "" if there is none.
  const std::string &reproducer() const { return path; }
  /// Writes a reproducer of a module that no pass failed on.
  void writeReproducer(mlir::ModuleOp module);

private:
  std::unique_ptr<llvm::raw_fd_ostream> openReproducer(std::string &error);

  mlir::LogicalResult take(mlir::Diagnostic &diagnostic);

  bool all = false;
  std::function<bool()> authorIsTold;
  std::string text, path;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace caa
