// caa-fuse-head-loss: the head's linear, the cross entropy of its logits, the loss and their adjoints in one op, which
// runs in chunks of tokens, so that the logits of all tokens never exist at once.
//
//     y = linear x W (b); c = cross_entropy y; loss c over mask
//     dy = cross_entropy_grad y (seed); dx = linear_input_grad dy W; dW = linear_weight_grad dy x;
//     db = reduce_tokens dy
//
// becomes `dx, dW, db = head_loss x W b`. Without the second and third lines it becomes a head_loss without results.
#include "passes/LossSeed.h"
#include "passes/Passes.h"

#include "dialect/Caa/Builders.h"
#include "llvm/ADT/TypeSwitch.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace caa {
#define GEN_PASS_DEF_FUSEHEADLOSS
#include "passes/Passes.h.inc"

namespace {

/// One head with its loss, and the adjoints if they are there.
class Head {
public:
  explicit Head(LossOp loss) : loss(loss) {}

  /// Finds all parts. Returns why they cannot be one op, or an empty string.
  StringRef match();
  void fuse();

private:
  StringRef matchAdjoint();

  LossOp loss;
  CrossEntropyOp entropy;
  LinearOp linear;
  CrossEntropyGradOp logitsGrad;
  LinearInputGradOp inputGrad;
  LinearWeightGradOp weightGrad;
  ReduceTokensOp biasGrad;
};

StringRef Head::match() {
  entropy = loss.getValue().getDefiningOp<CrossEntropyOp>();
  if (!entropy)
    return "its loss is not a cross entropy alone";
  linear = entropy.getLogits().getDefiningOp<LinearOp>();
  if (!linear)
    return "its logits are more than a linear";
  if (!entropy->hasOneUse())
    return "its cross entropy is read elsewhere too";
  for (Operation *user : linear->getUsers()) {
    if (user == entropy)
      continue;
    if (logitsGrad || !(logitsGrad = dyn_cast<CrossEntropyGradOp>(user)))
      return "its logits are read elsewhere too";
  }
  return logitsGrad ? matchAdjoint() : "";
}

StringRef Head::matchAdjoint() {
  if (logitsGrad.getTokens() != entropy.getTokens() || !isLossSeed(logitsGrad.getGradient(), loss))
    return "the gradient of its loss is not the loss's own";
  for (Operation *user : logitsGrad->getUsers()) {
    bool known = llvm::TypeSwitch<Operation *, bool>(user)
                     .Case([&](LinearInputGradOp op) {
                       return !inputGrad && (inputGrad = op).getWeight() == linear.getWeight();
                     })
                     .Case([&](LinearWeightGradOp op) {
                       return !weightGrad && (weightGrad = op).getInput() == linear.getInput() &&
                              op.getGradient() == logitsGrad.getResult();
                     })
                     .Case([&](ReduceTokensOp op) { return linear.getBias() && !biasGrad && (biasGrad = op); })
                     .Default(false);
    if (!known)
      return "the gradient of its logits is read elsewhere too";
  }
  return "";
}

void Head::fuse() {
  OpBuilder builder(loss);
  Value mask = loss.getMask(), tokens = entropy.getTokens();
  if (!mask) // all tokens count
    mask = buildMap(builder, loss.getLoc(), tokenwiseType(1, 1, builder.getI1Type()), tokens,
                    [&](ScalarBuilder &scalars, ValueRange) -> Value {
                      return arith::ConstantOp::create(scalars.getBuilder(), loss.getLoc(), builder.getBoolAttr(true));
                    });
  SmallVector<Type> types;
  if (logitsGrad) {
    types = {linear.getInput().getType(), linear.getWeight().getType()};
    if (linear.getBias())
      types.push_back(linear.getBias().getType());
  }
  auto head = HeadLossOp::create(builder, loss.getLoc(), types, linear.getInput(), linear.getWeight(), linear.getBias(),
                                 tokens, mask, loss.getNameAttr(), loss.getIndexAttr());
  auto replace = [&](Operation *op, unsigned result) {
    if (!op)
      return;
    op->getResult(0).replaceAllUsesWith(head.getResult(result));
    op->erase();
  };
  replace(inputGrad, 0);
  replace(weightGrad, 1);
  replace(biasGrad, 2);
  if (logitsGrad) {
    Operation *seed = logitsGrad.getGradient().getDefiningOp();
    logitsGrad.erase();
    if (seed->use_empty())
      seed->erase();
  }
  loss.erase();
  entropy.erase();
  linear.erase();
}

class FuseHeadLossPass : public impl::FuseHeadLossBase<FuseHeadLossPass> {
  void runOnOperation() override {
    getOperation().walk([&](func::FuncOp function) {
      for (auto loss : llvm::to_vector(function.getOps<LossOp>())) {
        // Losses that have nothing to do with a vocabulary are no business of this pass.
        Operation *value = loss.getValue().getDefiningOp();
        if (!isa_and_nonnull<CrossEntropyOp>(value))
          continue;
        Head head(loss);
        StringRef reason = head.match();
        if (reason.empty()) {
          head.fuse();
          ++fused;
        } else {
          remark::missed(value->getLoc(), remark::RemarkOpts::name("whole-logits").category("loss"))
              << ("the logits of all tokens are held at once: " + reason).str();
        }
      }
    });
  }
};

} // namespace
} // namespace caa
