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

static unsigned threadCount() { return std::max(1u, std::thread::hardware_concurrency()); }

static StringRef machineOf(const PipelineOptions &options) { return options.gpu ? "GPUs" : "the CPU"; }

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
  if (internal.reproducer().empty() && current)
    internal.writeReproducer(current);
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
    return emitModule(*module);
  recordOutputs(*module);
  texts.compiler = compilerVersion().substr(5); // without "caac "
  readModuleTexts(*module, texts);
  texts.plainForm = plainForm(*module);
  (*module)->removeAttr("caa.sources"); // it is in the texts now, and the final IR is read by people
  if (Outcome outcome = runPasses(Phase::Differentiate, *module, {}); outcome != Outcome::Done)
    return outcome;
  split();
  for (Pipeline &pipeline : pipelines) {
    if (Outcome outcome = lower(pipeline); outcome != Outcome::Done)
      return outcome;
    if (stopsAt(Emit::Tile) || stopsAt(Emit::Schedule) || stopsAt(Emit::Llvm))
      return Outcome::Done;
  }
  // GPUs first, so that the assembler runs beside the code generation for the CPU.
  for (Pipeline &pipeline : llvm::reverse(pipelines))
    if (Outcome outcome = generateCode(pipeline); outcome != Outcome::Done)
      return outcome;
  if (stopsAt(Emit::Ptx))
    return emitText(programs.begin()->second.modules.front().code);
  for (auto step : {&Compilation::merge, &Compilation::assemble, &Compilation::link})
    if (Outcome outcome = (this->*step)(); outcome != Outcome::Done)
      return outcome;
  return Outcome::Done;
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

void Compilation::split() {
  // A stage is that of one target.
  std::vector<caa_target> targets = options.targets;
  if (options.emit == Emit::Ptx)
    targets = {targets.back()};
  else if (options.emit != Emit::SharedObject)
    targets = {targets.front()};
  auto train = (*module)->getAttrOfType<DictionaryAttr>("caa.train");
  auto precision = train ? train.getAs<StringAttr>("precision") : StringAttr();
  for (bool gpu : {false, true}) {
    Pipeline pipeline;
    llvm::copy_if(targets, std::back_inserter(pipeline.targets), [&](caa_target target) { return (target != CAA_TARGET_CPU) == gpu; });
    if (pipeline.targets.empty())
      continue;
    // Unset, a CPU computes in fp32, a GPU in bf16.
    pipeline.options = {gpu, precision ? precision.str() : gpu ? "bf16" : "fp32"};
    pipeline.module = module->clone();
    pipelines.push_back(std::move(pipeline));
  }
  module = nullptr;
}

Compilation::Outcome Compilation::lower(Pipeline &pipeline) {
  auto stopsAt = [&](Emit stage) { return options.emit == stage; };
  ModuleOp module = *pipeline.module;
  current = module;
  for (Phase phase : {Phase::Optimize, Phase::FormKernels, Phase::LowerKernels}) {
    if (Outcome outcome = runPasses(phase, module, pipeline.options); outcome != Outcome::Done)
      return outcome;
    if (phase == Phase::Optimize && stopsAt(Emit::SharedObject) && texts.analysis.empty())
      texts.analysis = analyse(module);
  }
  if (stopsAt(Emit::Tile))
    return emitModule(module);
  llvm::raw_string_ostream(pipeline.finalIr) << module;
  setCrashReproducer(pipeline.finalIr);
  internal.everythingIsInternal();
  FailureOr<schedule::Program> scheduled = buildSchedule(module, pipeline.options.gpu);
  if (failed(scheduled))
    return Outcome::Internal;
  pipeline.program = std::move(*scheduled);
  note(Phase::Schedule, machineOf(pipeline.options));
  if (stopsAt(Emit::Schedule)) {
    std::string text;
    llvm::raw_string_ostream os(text);
    schedule::setTarget(pipeline.program, pipeline.targets.front());
    schedule::print(os, pipeline.program);
    return emitText(text);
  }
  return stopsAt(Emit::Llvm) ? emitLlvm(module) : Outcome::Done;
}

Compilation::Outcome Compilation::runPasses(Phase phase, ModuleOp module, const PipelineOptions &passOptions) {
  current = module;
  // From kernels on, the model is known to be good.
  if (phase >= Phase::FormKernels)
    internal.everythingIsInternal();
  PassManager passes(&context);
  passes.enableCrashReproducerGeneration(internal.reproducers());
  addPasses(phase, passes, passOptions);
  LogicalResult result = passes.run(module);
  note(phase, phase == Phase::Differentiate ? "" : machineOf(passOptions));
  if (succeeded(result))
    return Outcome::Done;
  return internal.any() || diagnostics.errorCount() == 0 ? Outcome::Internal : Outcome::InputAtFault;
}

Compilation::Outcome Compilation::emitLlvm(ModuleOp module) {
  FailureOr<std::string> text = caa::emitLlvm(module, cpu::CpuTarget::avx2());
  return failed(text) ? Outcome::Internal : emitText(*text);
}

Compilation::Outcome Compilation::generateCode(Pipeline &pipeline) {
  current = *pipeline.module;
  Outcome outcome = pipeline.options.gpu ? generateGpuCode(pipeline) : generateCpuCode(pipeline);
  note(Phase::GenerateCode, machineOf(pipeline.options));
  return outcome;
}

Compilation::Outcome Compilation::generateCpuCode(Pipeline &pipeline) {
  cpu::CpuTarget targets[] = {cpu::CpuTarget::avx2(), cpu::CpuTarget::avx512()};
  FailureOr<std::vector<std::string>> code = cpu::compileKernels(*pipeline.module, targets, threadCount());
  if (failed(code))
    return Outcome::Internal;
  for (const std::string &object : *code)
    objects.emplace_back(object.begin(), object.end());
  for (schedule::Kernel &kernel : pipeline.program.kernels) {
    kernel.avx2 = kernel.name + targets[0].suffix;
    kernel.avx512 = kernel.name + targets[1].suffix;
  }
  if (failed(readScratch(*pipeline.module, pipeline.program)))
    return Outcome::Internal;
  programs[CAA_TARGET_CPU] = std::move(pipeline.program);
  return Outcome::Done;
}

Compilation::Outcome Compilation::generateGpuCode(Pipeline &pipeline) {
  // The newest one first: its assembler then runs beside all other code generation.
  for (caa_target target : llvm::reverse(pipeline.targets)) {
    FailureOr<schedule::Program> part = generateGpuProgram(*pipeline.module, pipeline.program, target, threadCount());
    if (failed(part))
      return Outcome::Internal;
    if (target == CAA_TARGET_SM90A && options.emit == Emit::SharedObject)
      assembler.start(part->modules.back().code, target);
    programs[target] = std::move(*part);
  }
  return Outcome::Done;
}

Compilation::Outcome Compilation::merge() {
  for (auto &[target, part] : programs)
    if (!schedule::append(program, std::move(part))) {
      internal.add("the program for " + targetName(target) + " has other parameters, losses or reports than those before it");
      return Outcome::Internal;
    }
  return Outcome::Done;
}

Compilation::Outcome Compilation::assemble() {
  llvm::Expected<std::optional<Assembler::Result>> result = assembler.finish();
  if (!result)
    return internalError(result.takeError());
  if (!*result)
    return Outcome::Done;
  std::string seconds;
  llvm::raw_string_ostream(seconds) << llvm::format("GPUs, of %.3f s", (*result)->seconds);
  note(Phase::Assemble, seconds);
  addAssembly(program, std::move(**result), *pipelines.back().module, options.remarks);
  return Outcome::Done;
}

Compilation::Outcome Compilation::link() {
  for (const Pipeline &pipeline : pipelines) {
    std::string names;
    for (caa_target target : pipeline.targets)
      names += " " + targetName(target);
    texts.finalIr += "// for" + names + "\n" + pipeline.finalIr;
  }
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

Compilation::Outcome Compilation::emitModule(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream(text) << module << "\n";
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

void Compilation::note(Phase phase, StringRef machine) {
  double time = now();
  if (options.timing)
    llvm::errs() << llvm::format("%8.3f s  ", time - lastTime) << phaseName(phase) << (machine.empty() ? "" : " for ") << machine << "\n";
  lastTime = time;
}

} // namespace caa
