// One compilation: from options to a shared object or to the stage that --emit asks for.
#pragma once

#include "codegen/Driver/InternalErrors.h"
#include "codegen/Driver/Options.h"
#include "codegen/Driver/Pipelines.h"
#include "codegen/Image/Image.h"
#include "frontend/Frontend.h"

#include "mlir/IR/MLIRContext.h"

namespace caa {

class Compilation {
public:
  explicit Compilation(const Options &options);
  /// Runs it and tells what is wrong; the exit status.
  int run();

private:
  enum class Outcome { Done, InputAtFault, Internal };

  Outcome compile();
  Outcome read();
  Outcome runPasses(Phase phase);
  Outcome generateCode();
  Outcome link();
  /// Writes a stage's text to the output file or to standard output.
  Outcome emitText(llvm::StringRef text);
  Outcome emitModule();
  Outcome emitLlvm();
  Outcome inputError(llvm::Error error);
  Outcome internalError(llvm::Error error);
  void note(Phase phase); // for --timing

  const Options &options;
  mlir::MLIRContext context;
  SourceManager sources;
  Diagnostics diagnostics;
  InternalErrors internal; // after the diagnostics are attached: the handler that came last is asked first
  mlir::OwningOpRef<mlir::ModuleOp> module;
  schedule::Texts texts;
  schedule::Program program;
  std::vector<ObjectBytes> objects;
  double lastTime;
};

} // namespace caa
