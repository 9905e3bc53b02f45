// The phases in order, and what becomes of a failure in each.
#include "codegen/Driver/Compilation.h"
#include "codegen/Analysis/Analysis.h"
#include "codegen/Cpu/CpuObjects.h"
#include "codegen/Driver/CrashHandler.h"
#include "codegen/Driver/EmitLlvm.h"
#include "codegen/Driver/Remarks.h"
#include "codegen/Driver/Texts.h"
#include "codegen/Nvptx/Core/Nvptx.h"
#include "codegen/PlainForm/PlainForm.h"
#include "codegen/Schedule/Schedule.h"
#include "dialect/Caa/CaaDialect.h"

#include "llvm/ADT/StringSet.h"
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
  if (Outcome outcome = split(); outcome != Outcome::Done)
    return outcome;
  for (Pipeline &pipeline : pipelines) {
    if (Outcome outcome = lower(pipeline); outcome != Outcome::Done)
      return outcome;
    if (stopsAt(Emit::Tile) || stopsAt(Emit::Schedule) || stopsAt(Emit::Llvm))
      return Outcome::Done;
  }
  // The newest first, so that its assembler runs beside all other code generation.
  for (Pipeline &pipeline : llvm::reverse(pipelines))
    if (Outcome outcome = generateCode(pipeline); outcome != Outcome::Done)
      return outcome;
  if (stopsAt(Emit::Ptx))
    return emitText(pipelines.front().program.modules.front().code);
  if (Outcome outcome = assemble(); outcome != Outcome::Done)
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

Compilation::Outcome Compilation::split() {
  // A stage is that of one target.
  ArrayRef<caa_target> targets = options.targets;
  if (options.emit == Emit::Ptx)
    targets = targets.take_back();
  else if (options.emit != Emit::SharedObject)
    targets = targets.take_front();
  bool cpu = targets.front() == CAA_TARGET_CPU;
  for (ArrayRef<caa_target> alike : {targets.take_front(cpu), targets.drop_front(cpu)})
    if (Outcome outcome = alike.empty() ? Outcome::Done : split(alike); outcome != Outcome::Done)
      return outcome;
  return Outcome::Done;
}

Compilation::Outcome Compilation::split(ArrayRef<caa_target> alike) {
  llvm::StringSet<> groups;
  for (auto parameter : module->getOps<ParameterOp>())
    if (!parameter.getGroup().empty())
      groups.insert(parameter.getGroup());
  if (alike.front() != CAA_TARGET_CPU && groups.size() >= CAA_OPTIMIZER_GROUPS)
    return inputError(llvm::createStringError("parameters are in " + std::to_string(groups.size()) +
                                              " optimizer groups; GPUs take at most " + std::to_string(CAA_OPTIMIZER_GROUPS - 1) +
                                              ", a CPU any number (--target cpu)"));
  auto train = (*module)->getAttrOfType<DictionaryAttr>("caa.train");
  auto precision = train ? train.getAs<StringAttr>("precision") : StringAttr();
  // Unset, a CPU computes in fp32, a GPU in bf16.
  PipelineOptions shared{alike.front(), precision ? precision.str() : alike.front() == CAA_TARGET_CPU ? "fp32" : "bf16"};
  OwningOpRef<ModuleOp> own = module->clone();
  if (Outcome outcome = runPasses(Phase::Optimize, *own, shared); outcome != Outcome::Done)
    return outcome;
  if (texts.analysis.empty() && options.emit == Emit::SharedObject)
    texts.analysis = analyse(*own);
  if (Outcome outcome = runPasses(Phase::FormKernels, *own, shared); outcome != Outcome::Done)
    return outcome;
  for (caa_target target : alike)
    pipelines.push_back({{target, shared.precision}, own->clone(), {}, {}});
  return Outcome::Done;
}

Compilation::Outcome Compilation::lower(Pipeline &pipeline) {
  auto stopsAt = [&](Emit stage) { return options.emit == stage; };
  ModuleOp module = *pipeline.module;
  caa_target target = pipeline.options.target;
  if (Outcome outcome = runPasses(Phase::LowerKernels, module, pipeline.options); outcome != Outcome::Done)
    return outcome;
  if (stopsAt(Emit::Tile))
    return emitModule(module);
  llvm::raw_string_ostream(pipeline.finalIr) << module;
  setCrashReproducer(pipeline.finalIr);
  FailureOr<schedule::Program> scheduled = buildSchedule(module, pipeline.options.isGpu());
  if (failed(scheduled))
    return Outcome::Internal;
  pipeline.program = std::move(*scheduled);
  schedule::setTarget(pipeline.program, target);
  note(Phase::Schedule, targetName(target));
  if (stopsAt(Emit::Schedule)) {
    std::string text;
    llvm::raw_string_ostream os(text);
    schedule::print(os, pipeline.program);
    return emitText(text);
  }
  return stopsAt(Emit::Llvm) ? emitLlvm(module, target) : Outcome::Done;
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
  note(phase, phase == Phase::Differentiate  ? ""
              : phase == Phase::LowerKernels ? targetName(passOptions.target)
              : passOptions.isGpu()          ? "GPUs"
                                             : "the CPU");
  if (succeeded(result))
    return Outcome::Done;
  return internal.any() || diagnostics.errorCount() == 0 ? Outcome::Internal : Outcome::InputAtFault;
}

Compilation::Outcome Compilation::emitLlvm(ModuleOp module, caa_target target) {
  FailureOr<std::string> text =
      target == CAA_TARGET_CPU ? caa::emitLlvm(module, cpu::CpuTarget::avx2()) : nvptx::emitLlvm(module, target);
  return failed(text) ? Outcome::Internal : emitText(*text);
}

Compilation::Outcome Compilation::generateCode(Pipeline &pipeline) {
  current = *pipeline.module;
  setCrashReproducer(pipeline.finalIr);
  Outcome outcome = pipeline.options.isGpu() ? generateGpuCode(pipeline) : generateCpuCode(pipeline);
  note(Phase::GenerateCode, targetName(pipeline.options.target));
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
  return failed(readScratch(*pipeline.module, pipeline.program)) ? Outcome::Internal : Outcome::Done;
}

Compilation::Outcome Compilation::generateGpuCode(Pipeline &pipeline) {
  caa_target target = pipeline.options.target;
  if (failed(caa::generateGpuCode(*pipeline.module, pipeline.program, target, threadCount())))
    return internal.any() || diagnostics.errorCount() == 0 ? Outcome::Internal : Outcome::InputAtFault;
  // What is not kept is assembled for its remarks alone.
  if (options.emit == Emit::SharedObject && (target == CAA_TARGET_SM90A || options.remarks))
    assemblers.emplace_back().start(pipeline.program.modules.back().code, target);
  return Outcome::Done;
}

Compilation::Outcome Compilation::assemble() {
  for (Assembler &assembler : assemblers) {
    llvm::Expected<std::optional<Assembler::Result>> result = assembler.finish();
    if (!result)
      return internalError(result.takeError());
    if (!*result)
      continue;
    caa_target target = (*result)->target;
    std::string seconds;
    llvm::raw_string_ostream(seconds) << targetName(target) << llvm::format(" (%.3f s in all)", (*result)->seconds);
    note(Phase::Assemble, seconds);
    for (Pipeline &pipeline : pipelines) {
      if (pipeline.options.target != target)
        continue;
      if (options.remarks)
        remarkOn((*result)->assembly, *pipeline.module);
      if (target == CAA_TARGET_SM90A)
        addAssembly(pipeline.program, **result);
    }
  }
  return Outcome::Done;
}

Compilation::Outcome Compilation::link() {
  schedule::Program program;
  for (Pipeline &pipeline : pipelines) {
    std::string name = targetName(pipeline.options.target);
    texts.finalIr += "// for " + name + "\n" + pipeline.finalIr;
    if (!schedule::append(program, std::move(pipeline.program))) {
      internal.add("the program for " + name + " has other parameters, losses or reports than those before it");
      return Outcome::Internal;
    }
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
