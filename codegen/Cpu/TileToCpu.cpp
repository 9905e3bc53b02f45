// See TileToCpu.h.
#include "codegen/Cpu/TileToCpu.h"

#include "codegen/Cpu/KernelEmitter.h"
#include "codegen/Cpu/Prepare.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

namespace caa::cpu {

FailureOr<LLVM::LLVMFuncOp> lowerKernel(func::FuncOp kernel, ModuleOp module, const CpuTarget &target) {
  MLIRContext *context = kernel.getContext();
  OwningOpRef<func::FuncOp> prepared = kernel.clone();
  prepareKernel(*prepared);
  KernelPlan plan(*prepared, target.lanes());

  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  Type pointer = LLVM::LLVMPointerType::get(context), i64 = builder.getI64Type();
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), {pointer, pointer, i64, i64, pointer});
  auto function = LLVM::LLVMFuncOp::create(builder, kernel.getLoc(), (kernel.getName() + target.suffix).str(), type);
  function.setArgAttr(4, LLVM::LLVMDialect::getAlignAttrName(), builder.getI64IntegerAttr(64));
  Code code(function, target);
  KernelEmitter emitter(*prepared, code, plan);
  if (failed(emitter.run())) {
    function.erase();
    return failure();
  }
  function->setAttr("tile.scratch", emitter.scratchTerms());
  return function;
}

LogicalResult lowerTileToLLVM(ModuleOp module, const CpuTarget &target) {
  SmallVector<func::FuncOp> kernels;
  for (auto function : module.getOps<func::FuncOp>())
    if (function->hasAttr("tile.kernel"))
      kernels.push_back(function);
  for (func::FuncOp kernel : kernels) {
    if (failed(lowerKernel(kernel, module, target)))
      return failure();
    if (SymbolTable::symbolKnownUseEmpty(kernel, module))
      kernel.erase();
  }
  return success();
}

namespace {

struct TileToCpuPass : PassWrapper<TileToCpuPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TileToCpuPass)
  TileToCpuPass() = default;
  TileToCpuPass(const TileToCpuPass &other) : PassWrapper(other) {}

  StringRef getArgument() const override { return "tile-to-cpu"; }
  StringRef getDescription() const override { return "Lowers tile kernels to LLVM functions for one instruction set"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<LLVM::LLVMDialect>(); }
  void runOnOperation() override {
    if (vectorBits != 256 && vectorBits != 512) {
      getOperation().emitError("vector-bits is 256 (AVX2) or 512 (AVX-512)");
      return signalPassFailure();
    }
    if (failed(lowerTileToLLVM(getOperation(), vectorBits == 512 ? CpuTarget::avx512() : CpuTarget::avx2())))
      signalPassFailure();
  }

  Option<int64_t> vectorBits{*this, "vector-bits", llvm::cl::desc("Width of a vector register: 256 or 512"),
                             llvm::cl::init(512)};
};

} // namespace

void registerCpuPasses() { PassRegistration<TileToCpuPass>(); }

} // namespace caa::cpu
