// See CpuObjects.h.
#include "codegen/Cpu/CpuObjects.h"

#include "codegen/Cpu/TileToCpu.h"
#include "dialect/Tile/TileDialect.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/LICM.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"
#include "llvm/Transforms/Scalar/SimplifyCFG.h"

#include <atomic>
#include <mutex>
#include <thread>

using namespace mlir;

namespace caa::cpu {

static llvm::Expected<std::unique_ptr<llvm::TargetMachine>> makeMachine(const CpuTarget &target) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
  llvm::Triple triple("x86_64-unknown-linux-gnu");
  std::string error;
  const llvm::Target *x86 = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!x86)
    return llvm::createStringError("no code generator for x86-64: " + error);
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict; // one rounding per op, the same in every kernel
  return std::unique_ptr<llvm::TargetMachine>(x86->createTargetMachine(triple, target.cpu, target.features, options,
                                                                       llvm::Reloc::PIC_, std::nullopt,
                                                                       llvm::CodeGenOptLevel::Default));
}

// The code comes vectorised and unrolled: only what cleans up and moves invariants out of loops is left to do.
static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graphs;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graphs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graphs, modules);
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::SimplifyCFGPass());
  passes.addPass(llvm::EarlyCSEPass());
  passes.addPass(llvm::InstCombinePass());
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(llvm::LICMPass(llvm::LICMOptions()), /*UseMemorySSA=*/true));
  passes.addPass(llvm::EarlyCSEPass());
  llvm::ModulePassManager all;
  all.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(passes)));
  all.run(module, modules);
}

llvm::Expected<std::string> emitObject(ModuleOp module, const CpuTarget &target) {
  registerBuiltinDialectTranslation(*module.getContext());
  registerLLVMDialectTranslation(*module.getContext());
  auto machine = makeMachine(target);
  if (!machine)
    return machine.takeError();
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(module, context, "kernels");
  if (!code)
    return llvm::createStringError("kernels could not be translated to LLVM IR");
  code->setTargetTriple((*machine)->getTargetTriple());
  code->setDataLayout((*machine)->createDataLayout());
  for (llvm::Function &function : *code) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", target.cpu);
    function.addFnAttr("target-features", target.features);
    function.addFnAttr("prefer-vector-width", std::to_string(target.vectorBits));
    function.addFnAttr("min-legal-vector-width", std::to_string(target.vectorBits));
    function.addFnAttr(llvm::Attribute::NoUnwind);
  }
  optimize(*code, **machine);
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  if ((*machine)->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile))
    return llvm::createStringError("no object files for x86-64");
  passes.run(*code);
  return std::string(bytes.begin(), bytes.end());
}

namespace {

/// Kernels that one thread compiles for one target into one object.
struct Job {
  SmallVector<unsigned> kernels;
  const CpuTarget *target;
  std::string object;
  std::vector<ArrayAttr> scratch;
  bool failed = false;
};

void run(Job &job, ArrayRef<func::FuncOp> kernels) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(func::FuncOp(kernels.front()).getLoc());
  for (unsigned n : job.kernels) {
    auto function = lowerKernel(kernels[n], *module, *job.target);
    if (failed(function)) {
      job.failed = true;
      return;
    }
    job.scratch.push_back((*function)->getAttrOfType<ArrayAttr>("tile.scratch"));
  }
  auto object = emitObject(*module, *job.target);
  if (!object) {
    emitError(module->getLoc()) << llvm::toString(object.takeError());
    job.failed = true;
    return;
  }
  job.object = std::move(*object);
}

// The larger constant of two lists of terms; what grows with the length is the same for every target.
ArrayAttr larger(ArrayAttr a, ArrayAttr b) {
  auto constant = [](ArrayAttr terms) { return cast<tile::TermAttr>(terms[0]).getCoefficient(); };
  return !a || constant(a) < constant(b) ? b : a;
}

} // namespace

FailureOr<std::vector<std::string>> compileKernels(ModuleOp module, llvm::ArrayRef<CpuTarget> targets, unsigned threads) {
  MLIRContext *context = module.getContext();
  context->loadDialect<LLVM::LLVMDialect>();
  registerBuiltinDialectTranslation(*context);
  registerLLVMDialectTranslation(*context);
  SmallVector<func::FuncOp> kernels;
  for (auto function : module.getOps<func::FuncOp>())
    if (function->hasAttr("tile.kernel"))
      kernels.push_back(function);
  // Jobs of about equal work, the largest first.
  SmallVector<std::pair<int64_t, unsigned>> weights;
  int64_t total = 0;
  for (auto [n, kernel] : llvm::enumerate(kernels)) {
    int64_t weight = 0;
    kernel.walk([&](Operation *op) { weight += isa<tile::DotOp>(op) ? 20 : 1; });
    weights.emplace_back(-weight, unsigned(n));
    total += weight;
  }
  llvm::sort(weights);
  std::vector<Job> jobs;
  int64_t share = total / (4 * std::max(1u, threads)) + 1;
  for (const CpuTarget &target : targets) {
    int64_t filled = share;
    for (auto [weight, n] : weights) {
      if (filled >= share) {
        jobs.push_back({{}, &target, {}, {}, false});
        filled = 0;
      }
      jobs.back().kernels.push_back(n);
      filled -= weight;
    }
  }
  std::atomic<size_t> next = 0;
  auto work = [&] {
    for (size_t n = next++; n < jobs.size(); n = next++)
      run(jobs[n], kernels);
  };
  std::vector<std::thread> workers;
  for (unsigned n = 1; n < std::min<size_t>(threads, jobs.size()) && context->isMultithreadingEnabled(); ++n)
    workers.emplace_back(work);
  work();
  for (std::thread &worker : workers)
    worker.join();

  std::vector<std::string> objects;
  SmallVector<ArrayAttr> scratch(kernels.size());
  for (Job &job : jobs) {
    if (job.failed)
      return failure();
    for (auto [n, terms] : llvm::zip(job.kernels, job.scratch))
      scratch[n] = larger(scratch[n], terms);
    objects.push_back(std::move(job.object));
  }
  for (auto [kernel, terms] : llvm::zip(kernels, scratch))
    kernel->setAttr("tile.scratch", terms);
  return objects;
}

} // namespace caa::cpu
