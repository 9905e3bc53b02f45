// The phases in order, and what becomes of a failure in each.
#include "codegen/Driver/Compilation.h"
#include "codegen/Analysis/Analysis.h"
#include "codegen/Cpu/CpuObjects.h"
#include "codegen/Driver/CrashHandler.h"
#include "codegen/Driver/EmitLlvm.h"
#include "codegen/Driver/Remarks.h"
#include "codegen/Driver/Texts.h"
#include "codegen/PlainForm/PlainForm.h"
#include "codegen/Schedule/Schedule.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Process.h"

#include <chrono>
#include <thread>

using namespace mlir;

namespace caa {

static double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

static const DialectRegistry &registry() {
  static DialectRegistry all = [] {
    DialectRegistry registry;
    registerDialects(registry);
    return registry;
  }();
  return all;
}

static MLIRContext &attached(MLIRContext &context, Diagnostics &diagnostics, bool remarks) {
  diagnostics.attach(context, remarks);
  return context;
}

Compilation::Compilation(const Options &options)
    : options(options), context(registry()), diagnostics(sources, llvm::errs(), llvm::sys::Process::StandardErrIsDisplayed()),
      internal(attached(context, diagnostics, options.remarks), [this] { return diagnostics.errorCount() > 0; }), lastTime(now()) {
  context.loadAllAvailableDialects();
  if (options.remarks)
    enableRemarks(context);
}

int Compilation::run() {
  Outcome outcome = compile();
  diagnostics.flush();
  if (outcome == Outcome::Done)
    return 0;
  if (outcome == Outcome::InputAtFault && !internal.any())
    return 1;
  if (internal.reproducer().empty() && module)
    internal.writeReproducer(*module);
  llvm::errs() << "caac: internal error; this is our fault, not your model's\n" << internal.messages();
  if (!internal.reproducer().empty())
    llvm::errs() << "a reproducer is in " << internal.reproducer() << "\n";
  return 3;
}

Compilation::Outcome Compilation::compile() {
  auto stopsAt = [&](Emit stage) { return options.emit == stage; };
  if (stopsAt(Emit::Ast)) {
    std::string text;
    llvm::raw_string_ostream os(text);
    return printSyntax(sources, diagnostics, options.input, os) ? emitText(text) : Outcome::InputAtFault;
  }
  if (Outcome outcome = read(); outcome != Outcome::Done)
    return outcome;
  if (stopsAt(Emit::Caa))
    return emitModule();
  recordOutputs(*module);
  texts.compiler = compilerVersion().substr(5); // without "caac "
  readModuleTexts(*module, texts);
  texts.plainForm = plainForm(*module);
  (*module)->removeAttr("caa.sources"); // it is in the texts now, and the final IR is read by people
  for (Phase phase : {Phase::Differentiate, Phase::Optimize, Phase::FormKernels, Phase::LowerKernels}) {
    if (Outcome outcome = runPasses(phase); outcome != Outcome::Done)
      return outcome;
    if (phase == Phase::Optimize && stopsAt(Emit::SharedObject))
      texts.analysis = analyse(*module);
  }
  if (stopsAt(Emit::Tile))
    return emitModule();
  llvm::raw_string_ostream(texts.finalIr) << *module;
  setCrashReproducer(texts.finalIr);
  internal.everythingIsInternal();
  FailureOr<schedule::Program> scheduled = buildSchedule(*module);
  if (failed(scheduled))
    return Outcome::Internal;
  program = std::move(*scheduled);
  note(Phase::Schedule);
  if (stopsAt(Emit::Schedule)) {
    std::string text;
    llvm::raw_string_ostream os(text);
    schedule::print(os, program);
    return emitText(text);
  }
  if (stopsAt(Emit::Llvm))
    return emitLlvm();
  if (Outcome outcome = generateCode(); outcome != Outcome::Done)
    return outcome;
  return link();
}

Compilation::Outcome Compilation::read() {
  FrontendOptions frontend;
  frontend.sets = options.sets;
  frontend.model = options.model;
  frontend.exports = options.exports;
  module = compileToCaa(sources, diagnostics, options.input, frontend, context);
  note(Phase::Read);
  return module ? Outcome::Done : Outcome::InputAtFault;
}

Compilation::Outcome Compilation::runPasses(Phase phase) {
  // From kernels on, the model is known to be good.
  if (phase >= Phase::FormKernels)
    internal.everythingIsInternal();
  // Unset, a CPU computes in fp32.
  auto train = (*module)->getAttrOfType<DictionaryAttr>("caa.train");
  auto precision = train ? train.getAs<StringAttr>("precision") : StringAttr();
  PassManager passes(&context);
  passes.enableCrashReproducerGeneration(internal.reproducers());
  addPasses(phase, passes, precision ? precision.getValue() : "fp32");
  LogicalResult result = passes.run(*module);
  note(phase);
  if (succeeded(result))
    return Outcome::Done;
  return internal.any() || diagnostics.errorCount() == 0 ? Outcome::Internal : Outcome::InputAtFault;
}

Compilation::Outcome Compilation::emitLlvm() {
  FailureOr<std::string> text = caa::emitLlvm(*module, cpu::CpuTarget::avx2());
  return failed(text) ? Outcome::Internal : emitText(*text);
}

Compilation::Outcome Compilation::generateCode() {
  cpu::CpuTarget targets[] = {cpu::CpuTarget::avx2(), cpu::CpuTarget::avx512()};
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  FailureOr<std::vector<std::string>> code = cpu::compileKernels(*module, targets, threads);
  if (failed(code))
    return Outcome::Internal;
  for (const std::string &object : *code)
    objects.emplace_back(object.begin(), object.end());
  for (schedule::Kernel &kernel : program.kernels) {
    kernel.avx2 = kernel.name + targets[0].suffix;
    kernel.avx512 = kernel.name + targets[1].suffix;
  }
  if (failed(readScratch(*module, program)))
    return Outcome::Internal;
  note(Phase::GenerateCode);
  return Outcome::Done;
}

Compilation::Outcome Compilation::link() {
  llvm::Expected<ObjectBytes> image = emitImageObject(buildImage(program, texts));
  if (!image)
    return internalError(image.takeError());
  objects.push_back(std::move(*image));
  llvm::Expected<ObjectBytes> so = linkSharedObject(objects);
  if (!so)
    return internalError(so.takeError());
  if (llvm::Error error = seal(*so))
    return internalError(std::move(error));
  if (llvm::Error error = writeOutput(options.output, *so))
    return inputError(std::move(error));
  note(Phase::Link);
  return Outcome::Done;
}

Compilation::Outcome Compilation::emitText(StringRef text) {
  if (options.output.empty()) {
    llvm::outs() << text;
    llvm::outs().flush();
    return Outcome::Done;
  }
  if (llvm::Error error = writeOutput(options.output, ArrayRef(text.data(), text.size())))
    return inputError(std::move(error));
  return Outcome::Done;
}

Compilation::Outcome Compilation::emitModule() {
  std::string text;
  llvm::raw_string_ostream(text) << *module << "\n";
  return emitText(text);
}

Compilation::Outcome Compilation::inputError(llvm::Error error) {
  llvm::errs() << "caac: error: " << llvm::toString(std::move(error)) << "\n";
  return Outcome::InputAtFault;
}

Compilation::Outcome Compilation::internalError(llvm::Error error) {
  internal.add(llvm::toString(std::move(error)));
  return Outcome::Internal;
}

void Compilation::note(Phase phase) {
  double time = now();
  if (options.timing)
    llvm::errs() << llvm::format("%8.3f s  ", time - lastTime) << phaseName(phase) << "\n";
  lastTime = time;
}

} // namespace caa
