// compileKernels: each kernel in a module of its own, on several threads, and the texts joined.
#include "codegen/Nvptx/Core/Emitter.h"
#include "codegen/Nvptx/Core/Ptx.h"
#include "codegen/Nvptx/Portable/Portable.h"
#include "codegen/Nvptx/Rows/Rows.h"
#include "codegen/Nvptx/Update/UpdateKernels.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <atomic>
#include <thread>

using namespace mlir;

namespace caa::nvptx {

static FailureOr<std::string> compile(func::FuncOp kernel, caa_target target, LaunchInfo &launch) {
  static const Emitter emitters[] = {{"portable", takesPortable, emitPortable}, {"rows", takesRows, emitRows}};
  for (const Emitter &emitter : emitters) {
    if (!emitter.takes(kernel, target))
      continue;
    OwningOpRef<ModuleOp> module = ModuleOp::create(kernel.getLoc());
    FailureOr<LaunchInfo> info = emitter.emit(kernel, *module, target);
    if (failed(info))
      return failure();
    auto ptx = emitPtx(*module, target);
    if (!ptx)
      return kernel.emitError() << llvm::toString(ptx.takeError());
    launch = std::move(*info);
    return std::move(*ptx);
  }
  return kernel.emitError("the GPU backend has no code for this kernel");
}

FailureOr<Code> compileKernels(ModuleOp module, caa_target target, unsigned threads) {
  MLIRContext *context = module.getContext();
  preparePtx(*context);
  SmallVector<func::FuncOp> kernels;
  for (auto function : module.getOps<func::FuncOp>())
    if (function->hasAttr("tile.kernel"))
      kernels.push_back(function);
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
