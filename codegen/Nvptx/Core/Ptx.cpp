// See Ptx.h. The kernels come as their emitters want them, loops and vectors included: LLVM only cleans up and moves invariants
// out of loops. Its own unrolling and vectorising would undo what an emitter decided.
#include "codegen/Nvptx/Core/Ptx.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/DCE.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/LICM.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"
#include "llvm/Transforms/Scalar/SROA.h"
#include "llvm/Transforms/Scalar/SimplifyCFG.h"

#include <mutex>

extern "C" {
void LLVMInitializeNVPTXTargetInfo();
void LLVMInitializeNVPTXTarget();
void LLVMInitializeNVPTXTargetMC();
void LLVMInitializeNVPTXAsmPrinter();
}

using namespace mlir;

namespace caa::nvptx {

StringRef processorName(caa_target target) { return target == CAA_TARGET_SM90A ? "sm_90a" : "sm_80"; }

void preparePtx(MLIRContext &context) {
  context.loadDialect<LLVM::LLVMDialect>();
  registerBuiltinDialectTranslation(context);
  registerLLVMDialectTranslation(context);
}

static llvm::Expected<std::unique_ptr<llvm::TargetMachine>> makeMachine(caa_target target) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });
  llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string error;
  const llvm::Target *nvptx = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!nvptx)
    return llvm::createStringError("no code generator for PTX: " + error);
  llvm::TargetOptions options;
  // One rounding per op unless the op allows more: scores must have the same bits in every kernel.
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  return std::unique_ptr<llvm::TargetMachine>(nvptx->createTargetMachine(triple, processorName(target), "+ptx83", options, std::nullopt,
                                                                         std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

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
  passes.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  passes.addPass(llvm::EarlyCSEPass());
  passes.addPass(llvm::SimplifyCFGPass());
  passes.addPass(llvm::InstCombinePass());
  passes.addPass(llvm::EarlyCSEPass());
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(llvm::LICMPass(llvm::LICMOptions()), /*UseMemorySSA=*/true));
  passes.addPass(llvm::DCEPass());
  llvm::ModulePassManager all;
  all.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(passes)));
  all.run(module, modules);
}

// What MLIR's export does not know: the calling convention, launch bounds, parameters by value in constant memory.
static void annotate(llvm::Module &module, ModuleOp source) {
  for (auto function : source.getOps<LLVM::LLVMFuncOp>()) {
    auto threads = function->getAttrOfType<IntegerAttr>("caa.threads");
    if (!threads)
      continue;
    llvm::Function &kernel = *module.getFunction(function.getName());
    kernel.setCallingConv(llvm::CallingConv::PTX_Kernel);
    kernel.addFnAttr("nvvm.maxntid", std::to_string(threads.getInt()) + ",1,1");
    if (auto blocks = function->getAttrOfType<IntegerAttr>("caa.min_blocks"); blocks && blocks.getInt())
      kernel.addFnAttr("nvvm.minctasm", std::to_string(blocks.getInt()));
    kernel.addFnAttr(llvm::Attribute::NoUnwind);
    for (llvm::Argument &argument : kernel.args())
      if (argument.hasByValAttr())
        argument.addAttr(llvm::Attribute::get(module.getContext(), "nvvm.grid_constant"));
  }
}

llvm::Expected<std::string> emitPtx(ModuleOp module, caa_target target) {
  auto machine = makeMachine(target);
  if (!machine)
    return machine.takeError();
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(module, context, "kernels");
  if (!code)
    return llvm::createStringError("kernels could not be translated to LLVM IR");
  code->setTargetTriple((*machine)->getTargetTriple());
  code->setDataLayout((*machine)->createDataLayout());
  annotate(*code, module);
  optimize(*code, **machine);
  llvm::SmallString<0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager passes;
  if ((*machine)->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return llvm::createStringError("no PTX from this LLVM");
  passes.run(*code);
  return text.str().str();
}

std::string joinPtx(llvm::ArrayRef<std::string> modules) {
  std::string joined;
  for (const std::string &module : modules)
    for (StringRef rest = module; !rest.empty();) {
      auto [line, after] = rest.split('\n');
      rest = after;
      bool directive = line.starts_with(".version") || line.starts_with(".target") || line.starts_with(".address_size");
      if (line.starts_with("//") || (directive && &module != modules.begin()))
        continue;
      joined.append(line.begin(), line.end());
      joined += '\n';
    }
  return joined;
}

} // namespace caa::nvptx
