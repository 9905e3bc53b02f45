// See Hopper.h.
#include "codegen/Nvptx/Hopper/Hopper.h"

#include "codegen/Nvptx/Hopper/KernelEmitter.h"

using namespace mlir;

namespace caa::nvptx {

// Guards are worth what can be skipped, but a pipelined kernel, which cannot have them, hides more than one product: tokens that a row
// selects are rarely absent from all of a tile.
static std::optional<hopper::Plan> planOf(func::FuncOp kernel, OwningOpRef<func::FuncOp> &prepared, std::string &reason) {
  prepared = kernel.clone();
  bool opened = hopper::prepareKernel(*prepared, /*opensGuards=*/true);
  std::optional<hopper::Plan> plan = hopper::makePlan(*prepared, reason);
  if (!opened || (plan && plan->pipelined))
    return plan;
  prepared = kernel.clone();
  hopper::prepareKernel(*prepared, /*opensGuards=*/false);
  return hopper::makePlan(*prepared, reason);
}

bool takesHopper(func::FuncOp kernel, caa_target target) {
  bool hasProducts = false;
  kernel.walk([&](tile::DotOp) { hasProducts = true; });
  if (target != CAA_TARGET_SM90A || !hasProducts)
    return false;
  OwningOpRef<func::FuncOp> prepared;
  std::string reason;
  if (planOf(kernel, prepared, reason))
    return true;
  kernel.emitRemark("runs without Hopper's instructions: ") << reason;
  return false;
}

FailureOr<LaunchInfo> emitHopper(func::FuncOp kernel, ModuleOp module, caa_target target) {
  OwningOpRef<func::FuncOp> prepared;
  std::string reason;
  std::optional<hopper::Plan> plan = planOf(kernel, prepared, reason);
  if (!plan)
    return kernel.emitError("the Hopper backend can't take this kernel: ") << reason;
  return hopper::KernelEmitter(*plan, module, target).run();
}

} // namespace caa::nvptx
