// caa-form-kernels: prepare, group, outline, then tidy each kernel once.
#include "passes/Kernels/MergeMaps.h"
#include "passes/Kernels/Outline.h"
#include "passes/Kernels/Passes.h"
#include "passes/Kernels/Prepare.h"

using namespace mlir;

namespace caa {
#define GEN_PASS_DEF_FORMKERNELS
#include "passes/Kernels/Passes.h.inc"

namespace {

class FormKernelsPass : public impl::FormKernelsBase<FormKernelsPass> {
public:
  using FormKernelsBase::FormKernelsBase;

  void runOnOperation() override {
    KernelTable table(getOperation());
    for (auto entry : llvm::to_vector(getOperation().getOps<func::FuncOp>())) {
      if (entry.isDeclaration() || entry->hasAttr("caa.kernel"))
        continue;
      EntryGroups groups(entry, rowBytes);
      if (failed(prepareEntry(entry, table)) || failed(groups.form()))
        return signalPassFailure();
      launches += outlineGroups(groups, table);
    }
    kernels += table.getNumKernels();
    for (auto kernel : getOperation().getOps<func::FuncOp>())
      if (kernel->hasAttr("caa.kernel"))
        mergeMaps(kernel);
  }
};

} // namespace
} // namespace caa
