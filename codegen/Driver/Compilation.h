// One compilation: from options to a shared object or to the stage that --emit asks for.
#pragma once

#include "codegen/Driver/GpuCode.h"
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

  /// A target from LowerKernels on.
  struct Pipeline {
    PipelineOptions options;
    mlir::OwningOpRef<mlir::ModuleOp> module;
    std::string finalIr;
    schedule::Program program;
  };

  Outcome compile();
  Outcome read();
  Outcome runPasses(Phase phase, mlir::ModuleOp module, const PipelineOptions &passOptions);
  /// From the differentiated module to a pipeline for each target: what the targets of one kind of machine share.
  Outcome split();
  Outcome split(llvm::ArrayRef<caa_target> alike);
  /// Kernels and schedule; or the text of a stage between them.
  Outcome lower(Pipeline &pipeline);
  Outcome generateCode(Pipeline &pipeline);
  Outcome generateCpuCode(Pipeline &pipeline);
  Outcome generateGpuCode(Pipeline &pipeline);
  Outcome assemble();
  Outcome link();
  /// Writes a stage's text to the output file or to standard output.
  Outcome emitText(llvm::StringRef text);
  Outcome emitModule(mlir::ModuleOp module);
  Outcome emitLlvm(mlir::ModuleOp module, caa_target target);
  Outcome inputError(llvm::Error error);
  Outcome internalError(llvm::Error error);
  void note(Phase phase, llvm::StringRef machine = ""); // for --timing

  const Options &options;
  mlir::MLIRContext context;
  SourceManager sources;
  Diagnostics diagnostics;
  InternalErrors internal; // after the diagnostics are attached: the handler that came last is asked first
  mlir::OwningOpRef<mlir::ModuleOp> module; // until `split`
  std::vector<Pipeline> pipelines; // in the order of targets
  mlir::ModuleOp current; // what is being worked on, for a reproducer
  schedule::Texts texts;
  std::vector<ObjectBytes> objects;
  std::vector<Assembler> assemblers;
  double lastTime;
};

} // namespace caa
