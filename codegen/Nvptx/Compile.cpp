// compileKernels: each kernel in a module of its own, on several threads, and the texts joined.
#include "codegen/Nvptx/Core/Emitter.h"
#include "codegen/Nvptx/Core/Ptx.h"
#include "codegen/Nvptx/Hopper/Hopper.h"
#include "codegen/Nvptx/Portable/Portable.h"
#include "codegen/Nvptx/Rows/Rows.h"
#include "codegen/Nvptx/Update/UpdateKernels.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/Module.h"

#include <atomic>
#include <thread>

using namespace mlir;

namespace caa::nvptx {

/// The kernel in the LLVM dialect.
static FailureOr<OwningOpRef<ModuleOp>> lower(func::FuncOp kernel, caa_target target, LaunchInfo &launch) {
  static const Emitter emitters[] = {
      {"hopper", takesHopper, emitHopper}, {"portable", takesPortable, emitPortable}, {"rows", takesRows, emitRows}};
  std::string reasons;
  SmallVector<std::pair<Location, std::string>> errors; ///< of the last emitter
  for (const Emitter &emitter : emitters) {
    if (!emitter.takes(kernel, target))
      continue;
    OwningOpRef<ModuleOp> module = ModuleOp::create(kernel.getLoc());
    FailureOr<LaunchInfo> info = failure();
    errors.clear();
    {
      // What one emitter cannot do the next one may. Other threads' errors are not ours.
      auto self = std::this_thread::get_id();
      ScopedDiagnosticHandler handler(kernel.getContext(), [&](Diagnostic &diagnostic) {
        if (std::this_thread::get_id() != self || diagnostic.getSeverity() != DiagnosticSeverity::Error)
          return failure();
        std::string reason = emitter.name.str() + ": " + diagnostic.str() + "; ";
        errors.emplace_back(diagnostic.getLocation(), diagnostic.str());
        if (!StringRef(reasons).ends_with(reason))
          reasons += reason;
        return success();
      });
      info = emitter.emit(kernel, *module, target);
    }
    if (failed(info))
      continue;
    if (!reasons.empty())
      emitRemark(kernel.getLoc()) << reasons << "so the kernel takes the slower path `" << emitter.name << "` [slower-kernel]";
    launch = std::move(*info);
    return module;
  }
  if (errors.empty())
    errors.emplace_back(kernel.getLoc(), "no kind of kernel takes it");
  for (const auto &[location, text] : errors)
    emitError(location) << "cannot be compiled for " << processorName(target) << " yet: " << text;
  return failure();
}

static FailureOr<std::string> compile(func::FuncOp kernel, caa_target target, LaunchInfo &launch) {
  FailureOr<OwningOpRef<ModuleOp>> module = lower(kernel, target, launch);
  if (failed(module))
    return failure();
  auto ptx = emitPtx(**module, target);
  if (!ptx)
    return kernel.emitError() << llvm::toString(ptx.takeError());
  return std::move(*ptx);
}

static SmallVector<func::FuncOp> kernelsOf(ModuleOp module) {
  SmallVector<func::FuncOp> kernels;
  for (auto function : module.getOps<func::FuncOp>())
    if (function->hasAttr("tile.kernel"))
      kernels.push_back(function);
  return kernels;
}

FailureOr<std::string> emitLlvm(ModuleOp module, caa_target target) {
  preparePtx(*module.getContext());
  std::string text;
  for (func::FuncOp kernel : kernelsOf(module)) {
    LaunchInfo launch;
    FailureOr<OwningOpRef<ModuleOp>> lowered = lower(kernel, target, launch);
    if (failed(lowered))
      return failure();
    llvm::LLVMContext context;
    std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(**lowered, context, "kernels");
    if (!code)
      return kernel.emitError("internal: it could not be translated to LLVM IR");
    llvm::raw_string_ostream(text) << *code;
  }
  return text;
}

FailureOr<Code> compileKernels(ModuleOp module, caa_target target, unsigned threads) {
  MLIRContext *context = module.getContext();
  preparePtx(*context);
  SmallVector<func::FuncOp> kernels = kernelsOf(module);
  Code code;
  code.kernels.resize(kernels.size());
  std::vector<std::string> texts(kernels.size());
  std::atomic<size_t> next = 0;
  std::atomic<bool> failed = false;
  auto work = [&] {
    for (size_t n = next++; n < kernels.size(); n = next++) {
      FailureOr<std::string> text = compile(kernels[n], target, code.kernels[n]);
      if (llvm::succeeded(text))
        texts[n] = std::move(*text);
      else
        failed = true;
    }
  };
  std::vector<std::thread> workers;
  for (unsigned n = 1; n < std::min<size_t>(threads, kernels.size()) && context->isMultithreadingEnabled(); ++n)
    workers.emplace_back(work);
  work();
  for (std::thread &worker : workers)
    worker.join();
  if (failed)
    return failure();
  if (std::optional<schedule::UpdateShape> shape = schedule::notedUpdate(module)) {
    llvm::Expected<Code> update = compileUpdate(*context, target, *shape);
    if (!update)
      return module.emitError() << llvm::toString(update.takeError());
    llvm::append_range(code.kernels, update->kernels);
    texts.push_back(std::move(update->ptx));
  }
  code.ptx = joinPtx(texts);
  return code;
}

} // namespace caa::nvptx
