// See EmitLlvm.h.
#include "codegen/Driver/EmitLlvm.h"
#include "codegen/Cpu/TileToCpu.h"

#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace caa {

FailureOr<std::string> emitLlvm(ModuleOp module, const cpu::CpuTarget &target) {
  MLIRContext *context = module.getContext();
  context->loadDialect<LLVM::LLVMDialect>();
  registerBuiltinDialectTranslation(*context);
  registerLLVMDialectTranslation(*context);
  OwningOpRef<ModuleOp> kernels = ModuleOp::create(module.getLoc());
  for (auto function : module.getOps<func::FuncOp>())
    if (function->hasAttr("tile.kernel") && failed(cpu::lowerKernel(function, *kernels, target)))
      return failure();
  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(*kernels, llvmContext, "kernels");
  if (!code)
    return module.emitError("internal: kernels could not be translated to LLVM IR");
  std::string text;
  llvm::raw_string_ostream(text) << *code;
  return text;
}

} // namespace caa
