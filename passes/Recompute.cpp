// caa-recompute: token-wise values that the backward pass can compute again cheaply are not kept from the forward pass.
//
// Forward is what losses and reports need; the rest of a function is backward. A forward value that backward reads is
// kept, at a cost of its bytes per token for as long as the whole step takes. The cost model:
//
//   - cheap ops are maps, rotations, roundings, sums over the width and moves of components;
//   - dropping an op's kept results saves their bytes, and costs the bytes of what must be kept instead (inputs of the
//     chain of cheap ops back to kept values that were not kept before);
//   - computing again moves the bytes at the ends of the chain and those of its results; between them nothing reaches
//     memory, since chains of cheap ops become one kernel. It is worth it if something is saved and no more than
//     `kTrafficPerByte` bytes are moved for each byte saved.
//
// Ops are looked at in order, so a chain ends at values that earlier decisions left in place. Clones carry
// `caa.recomputed`, which also keeps CSE from merging them with their originals.
#include "passes/Passes.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace caa {
#define GEN_PASS_DEF_RECOMPUTE
#include "passes/Passes.h.inc"

namespace {

constexpr int64_t kTrafficPerByte = 4;

/// Bytes per token; 0 for what does not grow with the tokens.
int64_t bytesOf(Value value) {
  if (!isTokenwise(value.getType()))
    return 0;
  Shape shape = shapeOf(value);
  Type element = elementOf(value);
  return shape.heads * shape.width * std::max<int64_t>(1, element.getIntOrFloatBitWidth() / 8);
}

bool isCheap(Operation *op) {
  return isa<MapOp, RopeOp, RoundOp, SliceOp, ConcatOp, ReshapeOp, BroadcastOp, ReduceWidthOp, ReduceHeadsOp, AsHeadOp,
             ParamOp, ConstantOp, IndexOp, HasNextOp>(op);
}

class Recomputation {
public:
  Recomputation(func::FuncOp function, bool keepsRanked, bool apart)
      : body(function.getBody().front()), keepsRanked(keepsRanked), apart(apart) {}

  void decide();
  void rewrite();

  int64_t keptBefore = 0, saved = 0;

private:
  struct Chain {
    SetVector<Operation *> ops; ///< to clone, besides the op itself
    SetVector<Value> ends;      ///< what it reads
    SetVector<Value> newlyKept; ///< ends that were not kept
    int64_t traffic = 0;        ///< bytes read and written
  };

  void findForward();
  bool isForward(Operation *op) const { return forward.contains(op); }
  void follow(Operation *op, Chain &chain);
  void consider(Operation *op);
  Value cloneOf(Value value, OpBuilder &builder, IRMapping &clones);

  Block &body;
  bool keepsRanked, apart;
  DenseSet<Operation *> forward;
  DenseSet<Value> kept;
  DenseSet<Operation *> dropped; ///< forward ops whose results backward computes again
};

/// Forward: what reaches a loss or a report.
void Recomputation::findForward() {
  SmallVector<Operation *> stack;
  for (Operation &op : body)
    if (isa<LossOp, HeadLossOp, ReportOp>(op))
      stack.push_back(&op);
  while (!stack.empty()) {
    Operation *op = stack.pop_back_val();
    if (!forward.insert(op).second)
      continue;
    for (Value operand : op->getOperands())
      if (Operation *def = operand.getDefiningOp())
        stack.push_back(def);
  }
}

/// Walks back from an op through cheap ops to values that are kept or free.
void Recomputation::follow(Operation *op, Chain &chain) {
  for (Value operand : op->getOperands()) {
    Operation *def = operand.getDefiningOp();
    if (chain.ops.contains(def) || !chain.ends.insert(operand))
      continue;
    bool isEnd = !def || kept.contains(operand);
    if (!isEnd && (isCheap(def) || bytesOf(operand) == 0)) {
      chain.ends.remove(operand);
      chain.ops.insert(def);
      follow(def, chain);
      continue;
    }
    chain.traffic += bytesOf(operand);
    if (!isEnd)
      chain.newlyKept.insert(operand);
  }
}

/// Whether scores are made of a value that are compared with a threshold.
static bool isRanked(Value value) {
  return llvm::any_of(value.getUsers(), [](Operation *user) {
    auto attend = dyn_cast<AttendOp>(user);
    return attend && llvm::any_of(attend.getReductionList(), [](ReductionAttr r) { return r.getKind() == ReductionKind::Kth; });
  });
}

void Recomputation::consider(Operation *op) {
  if (keepsRanked && llvm::any_of(op->getResults(), isRanked))
    return;
  int64_t gain = 0;
  for (Value result : op->getResults())
    if (kept.contains(result))
      gain += bytesOf(result);
  if (gain == 0)
    return;
  Chain chain;
  chain.traffic = gain;
  follow(op, chain);
  for (Value value : chain.newlyKept)
    gain -= bytesOf(value);
  if (gain <= 0 || chain.traffic > kTrafficPerByte * gain)
    return;
  saved += gain;
  dropped.insert(op);
  dropped.insert(chain.ops.begin(), chain.ops.end());
  for (Value result : op->getResults())
    kept.erase(result);
  kept.insert(chain.newlyKept.begin(), chain.newlyKept.end());
}

void Recomputation::decide() {
  findForward();
  for (Operation &op : body)
    if (isForward(&op))
      for (Value result : op.getResults())
        if (!isa<HeadLossOp>(op) && llvm::any_of(result.getUsers(), [&](Operation *user) { return !isForward(user); }))
          kept.insert(result);
  for (Value value : kept)
    keptBefore += bytesOf(value);
  for (Operation &op : body)
    if (isForward(&op) && isCheap(&op))
      consider(&op);
}

/// The value that backward reads in place of `value`: itself if it is kept, else a clone made at the builder.
Value Recomputation::cloneOf(Value value, OpBuilder &builder, IRMapping &clones) {
  Operation *def = value.getDefiningOp();
  if (!def || kept.contains(value) || !dropped.contains(def) || bytesOf(value) == 0)
    return value;
  if (Value done = clones.lookupOrNull(value))
    return done;
  SmallVector<Value> operands = llvm::map_to_vector(def->getOperands(), [&](Value v) { return cloneOf(v, builder, clones); });
  Operation *copy = builder.clone(*def);
  copy->setOperands(operands);
  copy->setAttr("caa.recomputed", builder.getUnitAttr());
  clones.map(def->getResults(), copy->getResults());
  return clones.lookup(value);
}

void Recomputation::rewrite() {
  SmallVector<Operation *> backward;
  for (Operation &op : body)
    if (!isForward(&op))
      backward.push_back(&op);
  IRMapping forMemory, forOthers; // what products and attentions want in memory, others may compute where they read it
  for (Operation *op : backward) {
    bool readsMemory = isa<LinearInputGradOp, LinearWeightGradOp, AttendOp>(op);
    IRMapping &clones = apart && readsMemory ? forMemory : forOthers;
    OpBuilder builder(op);
    for (OpOperand &operand : op->getOpOperands()) {
      Operation *def = operand.get().getDefiningOp();
      if (def && isForward(def) && bytesOf(operand.get()) > 0)
        operand.set(cloneOf(operand.get(), builder, clones));
    }
  }
}

struct RecomputePass : impl::RecomputeBase<RecomputePass> {
  using RecomputeBase::RecomputeBase;

  void runOnOperation() override {
    if (policy != "off" && policy != "cheap") {
      getOperation().emitError("unknown policy `") << policy << "`: off or cheap";
      return signalPassFailure();
    }
    auto step = getOperation().lookupSymbol<func::FuncOp>("micro_step");
    if (policy == "off" || !step)
      return;
    Recomputation recomputation(step, keepRanked, apart);
    recomputation.decide();
    recomputation.rewrite();
    bytesKept += recomputation.keptBefore - recomputation.saved;
    bytesSaved += recomputation.saved;
    Builder builder(&getContext());
    step->setAttr("caa.kept_bytes_per_token",
                  builder.getI64IntegerAttr(recomputation.keptBefore - recomputation.saved));
  }
};

} // namespace
} // namespace caa
