// caa-autodiff: the functions that run, from the functions as written. Each starts as a clone of its source, keeps what
// it is for and loses what is then dead; gradients come from the reverse sweep (ReverseSweep.h).
#include "passes/Autodiff/ReverseSweep.h"
#include "passes/Autodiff/Unreached.h"
#include "passes/LossSeed.h"
#include "passes/Passes.h"

#include "dialect/Caa/Builders.h"

using namespace mlir;

namespace caa {
#define GEN_PASS_DEF_AUTODIFF
#include "passes/Passes.h.inc"

namespace {

/// Erases what nothing reads. To be called once nothing is differentiated any more: `stop` is nothing then.
void finishCode(func::FuncOp function) {
  for (auto stop : llvm::to_vector(function.getOps<StopOp>()))
    stop.getResult().replaceAllUsesWith(stop.getValue());
  SmallVector<Operation *> ops;
  for (Operation &op : function.getBody().front().without_terminator())
    ops.push_back(&op);
  for (Operation *op : llvm::reverse(ops))
    if (isOpTriviallyDead(op))
      op->erase();
}

/// Erases all ops of the given kinds.
template <typename... Ops> void eraseAll(func::FuncOp function) {
  for (Operation &op : llvm::make_early_inc_range(function.getBody().front().without_terminator()))
    if (isa<Ops...>(op))
      op.erase();
}

class AutodiffPass : public impl::AutodiffBase<AutodiffPass> {
  void runOnOperation() override {
    SmallVector<func::FuncOp> sources;
    bool trains = false;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (function.getSymName() == "model" || function->hasAttr("caa.export"))
        sources.push_back(function);
    for (func::FuncOp source : sources) {
      bool isModel = !source->hasAttr("caa.export");
      bool hasLoss = !source.getBody().front().getOps<LossOp>().empty();
      trains |= hasLoss || !isModel;
      if (failed(isModel ? addModel(source, hasLoss) : addExport(source, hasLoss)))
        return signalPassFailure();
    }
    if (trains && failed(reportUnreached(getOperation(), sources, reached)))
      return signalPassFailure();
    for (func::FuncOp source : sources)
      source.erase();
  }

  func::FuncOp clone(func::FuncOp source, const Twine &name) {
    func::FuncOp copy = source.clone();
    copy.setSymName(name.str());
    copy->removeAttr("caa.export");
    source->getBlock()->getOperations().insert(source->getIterator(), copy);
    return copy;
  }

  LogicalResult addModel(func::FuncOp model, bool hasLoss) {
    if (!model.getBody().front().getOps<LogitsOp>().empty()) {
      func::FuncOp logits = clone(model, "logits");
      eraseAll<LossOp, ReportOp>(logits);
      finishCode(logits);
    }
    if (!hasLoss)
      return success();
    func::FuncOp eval = clone(model, "eval_step");
    eraseAll<LogitsOp, ReportOp>(eval);
    finishCode(eval);
    addCounts(model, "loss_counts");
    func::FuncOp step = clone(model, "micro_step");
    eraseAll<LogitsOp>(step);
    ReverseSweep sweep(step, {});
    OpBuilder builder(step.getBody().front().getTerminator());
    for (auto loss : llvm::to_vector(step.getBody().front().getOps<LossOp>()))
      sweep.seed(loss.getValue(), buildLossSeed(builder, loss, {}));
    return finish(step, sweep);
  }

  LogicalResult addExport(func::FuncOp source, bool hasLoss) {
    func::FuncOp forward = clone(source, source.getSymName() + ".forward");
    eraseAll<LogitsOp, ReportOp>(forward);
    finishCode(forward);
    if (hasLoss)
      addCounts(source, source.getSymName() + ".loss_counts");
    return addGradient(source);
  }

  /// The losses' counts, from masks alone.
  void addCounts(func::FuncOp source, const Twine &name) {
    func::FuncOp counts = clone(source, name);
    Block &body = counts.getBody().front();
    for (auto loss : llvm::to_vector(body.getOps<LossOp>())) {
      OpBuilder builder(loss);
      Value like = loss.getMask() ? Value() : counts.getArgument(0);
      LossCountOp::create(builder, loss.getLoc(), loss.getMask(), like, loss.getIndexAttr(),
                          builder.getI64IntegerAttr(shapeOf(loss.getValue()).heads));
      loss.erase();
    }
    eraseAll<LogitsOp, ReportOp>(counts);
    returnOnly(counts, {}, {});
    finishCode(counts);
  }

  LogicalResult addGradient(func::FuncOp source) {
    func::FuncOp gradient = clone(source, source.getSymName() + ".gradient");
    Block &body = gradient.getBody().front();
    Operation *terminator = body.getTerminator();
    SmallVector<Value> inputs;
    for (BlockArgument argument : body.getArguments())
      if (elementOf(argument).isF32())
        inputs.push_back(argument);
    ReverseSweep sweep(gradient, inputs);

    // Gradients arrive as further arguments.
    auto addArgument = [&](Type type, const Twine &name) {
      unsigned number = gradient.getNumArguments();
      (void)gradient.insertArgument(number, type, nameAttribute(name), terminator->getLoc());
      return gradient.getArgument(number);
    };
    OpBuilder builder(terminator);
    for (auto [number, result] : llvm::enumerate(llvm::to_vector(terminator->getOperands())))
      if (elementOf(result).isF32())
        sweep.seed(result, addArgument(result.getType(), "d_" + nameOfResult(source, number)));
    llvm::StringMap<Value> lossGradients;
    for (auto loss : llvm::to_vector(body.getOps<LossOp>())) {
      Value &incoming = lossGradients[loss.getName()];
      if (!incoming)
        incoming = addArgument(perHeadType(1, 1, builder.getF32Type()), "d_" + loss.getName());
      sweep.seed(loss.getValue(), buildLossSeed(builder, loss, incoming));
    }
    if (failed(sweep.run()))
      return failure();
    SmallVector<Value> results;
    SmallVector<DictionaryAttr> names;
    for (Value input : inputs) {
      Value arrived = sweep.gradientOf(input);
      results.push_back(arrived ? arrived
                                : buildZeros(builder, source.getLoc(), cast<RankedTensorType>(input.getType()), input));
      auto name = gradient.getArgAttrOfType<StringAttr>(cast<BlockArgument>(input).getArgNumber(), "caa.name");
      names.push_back(nameAttribute("d_" + (name ? name.getValue() : "input")));
    }
    returnOnly(gradient, results, names);
    eraseAll<LossOp, ReportOp, LogitsOp>(gradient);
    finishCode(gradient);
    record(sweep);
    return success();
  }

  LogicalResult finish(func::FuncOp function, ReverseSweep &sweep) {
    if (failed(sweep.run()))
      return failure();
    finishCode(function);
    record(sweep);
    return success();
  }

  void record(ReverseSweep &sweep) {
    reached.insert(sweep.getReachedParameters().begin(), sweep.getReachedParameters().end());
    adjoints += sweep.getNumAdjoints();
    accumulations += sweep.getNumAccumulations();
  }

  DictionaryAttr nameAttribute(const Twine &name) {
    Builder builder(&getContext());
    return builder.getDictionaryAttr(builder.getNamedAttr("caa.name", builder.getStringAttr(name)));
  }

  static std::string nameOfResult(func::FuncOp function, unsigned number) {
    auto name = function.getResultAttrOfType<StringAttr>(number, "caa.name");
    return name ? name.str() : number == 0 ? "out" : "out" + std::to_string(number);
  }

  /// Makes a function return `results`, named by `names`.
  void returnOnly(func::FuncOp function, ArrayRef<Value> results, ArrayRef<DictionaryAttr> names) {
    function.getBody().front().getTerminator()->setOperands(results);
    function.setFunctionType(
        FunctionType::get(&getContext(), function.getArgumentTypes(), TypeRange(ValueRange(results))));
    function.setAllResultAttrs(names);
  }

  DenseSet<StringAttr> reached;
};

} // namespace
} // namespace caa
