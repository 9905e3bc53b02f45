// The first step of kernel formation. See Prepare.h.
#include "passes/Kernels/Prepare.h"

#include "dialect/Caa/Builders.h"

using namespace mlir;

namespace caa {
namespace {

/// A scalar of any element as f64.
Value asDouble(OpBuilder &builder, Location location, Value scalar) {
  Type type = scalar.getType(), f64 = builder.getF64Type();
  if (type == f64)
    return scalar;
  if (isa<FloatType>(type))
    return arith::ExtFOp::create(builder, location, f64, scalar);
  if (type.isInteger(1))
    return arith::UIToFPOp::create(builder, location, f64, scalar);
  return arith::SIToFPOp::create(builder, location, f64, scalar);
}

class Preparation {
public:
  Preparation(func::FuncOp entry, KernelTable &kernels) : entry(entry), kernels(kernels), builder(entry.getContext()) {}

  LogicalResult run() {
    SmallVector<Operation *> ops;
    for (Operation &op : entry.getBody().front().without_terminator())
      ops.push_back(&op);
    for (Operation *op : ops) {
      builder.setInsertionPoint(op);
      if (failed(prepare(op)))
        return failure();
    }
    // Sums that were made for `accumulate` may have got several uses or an op that cannot add: Outline sees to it.
    useOneLike();
    return success();
  }

private:
  LogicalResult prepare(Operation *op) {
    if (auto linear = dyn_cast<LinearOp>(op))
      splitBias(linear);
    else if (auto loss = dyn_cast<LossOp>(op))
      expandLoss(loss);
    else if (auto count = dyn_cast<LossCountOp>(op))
      expandCount(count);
    else if (auto report = dyn_cast<ReportOp>(op))
      expandReport(report);
    else if (auto sum = dyn_cast<ReduceTokensOp>(op))
      splitSum(sum);
    else if (auto head = dyn_cast<HeadLossOp>(op))
      chunkHeadLoss(head);
    else if (auto sink = dyn_cast<AccumulateOp>(op))
      splitAccumulate(sink);
    else if (auto stop = dyn_cast<StopOp>(op))
      replace(stop, stop.getValue());
    else if (isa<RoundOp, RmsNormOp, LayerNormOp>(op))
      return op->emitOpError("must be decomposed before kernels are formed");
    return success();
  }

  void replace(Operation *op, Value value) {
    op->getResult(0).replaceAllUsesWith(value);
    op->erase();
  }

  void splitBias(LinearOp linear) {
    if (!linear.getBias())
      return;
    Location location = linear.getLoc();
    Shape shape = shapeOf(linear.getResult());
    Type f32 = builder.getF32Type();
    Value bias = AsHeadOp::create(builder, location, perHeadType(1, shape.heads * shape.width, f32), linear.getBias());
    if (shape.heads > 1)
      bias = ReshapeOp::create(builder, location, perHeadType(shape.heads, shape.width, f32), bias);
    Value product = LinearOp::create(builder, location, linear.getResult().getType(), linear.getInput(),
                                     linear.getWeight(), Value());
    replace(linear, buildMap(builder, location, product.getType(), {product, bias},
                             [](ScalarBuilder &scalars, ValueRange v) { return scalars.add(v[0], v[1]); }));
  }

  /// The sum of an f64 value over tokens and heads: tensor<1x1xf64>.
  Value sumAll(Location location, Value value) {
    Type f64 = builder.getF64Type();
    if (shapeOf(value).heads > 1)
      value = ReduceHeadsOp::create(builder, location, tokenwiseType(1, 1, f64), value);
    return sumTokens(location, value, perHeadType(1, 1, f64));
  }

  Value sumTokens(Location location, Value value, Type result) {
    Shape shape = shapeOf(value);
    Type partials = RankedTensorType::get({ShapedType::kDynamic, shape.heads, shape.width}, elementOf(value));
    Value rows = PartialSumsOp::create(builder, location, partials, value, chunkRows);
    return SumPartialsOp::create(builder, location, result, rows, chunkRows);
  }

  void expandLoss(LossOp loss) {
    addLoss(loss.getLoc(), loss.getValue(), loss.getMask(), loss.getIndex());
    loss.erase();
  }

  void addLoss(Location location, Value value, Value mask, int64_t index) {
    Type f32 = builder.getF32Type(), f64 = builder.getF64Type();
    SmallVector<Value> operands = {value, LossScaleOp::create(builder, location, perHeadType(1, 1, f32), index)};
    if (mask)
      operands.push_back(mask);
    Value scaled = buildMap(builder, location, tokenwiseType(shapeOf(value).heads, 1, f64), operands,
                            [&](ScalarBuilder &scalars, ValueRange v) {
                              OpBuilder &b = scalars.getBuilder();
                              Value product = scalars.mul(asDouble(b, location, v[0]), asDouble(b, location, v[1]));
                              return mask ? scalars.select(v[2], product) : product;
                            });
    AccumulateLossOp::create(builder, location, sumAll(location, scaled), index);
  }

  /// Counts in f64, token by token: the mask's heads each serve some of the loss's.
  void expandCount(LossCountOp count) {
    Location location = count.getLoc();
    Type f64 = builder.getF64Type();
    Value mask = count.getMask();
    Value source =
        mask ? mask
             : Value(IndexOp::create(builder, location, tokenwiseType(1, 1, builder.getI64Type()), count.getLike()));
    int64_t heads = shapeOf(source).heads;
    Value counts =
        buildMap(builder, location, tokenwiseType(heads, 1, f64), source, [&](ScalarBuilder &scalars, ValueRange v) {
          Value each = scalars.constant(double(count.getHeads()) / double(heads), f64);
          return mask ? scalars.select(v[0], each) : each;
        });
    AccumulateCountOp::create(builder, location, sumAll(location, counts), count.getIndex());
    count.erase();
  }

  void expandReport(ReportOp report) {
    Location location = report.getLoc();
    Type f64 = builder.getF64Type(), row = perHeadType(1, 5, f64);
    Value value = report.getValue();
    if (isTokenwise(value.getType())) {
      Type partials = RankedTensorType::get({ShapedType::kDynamic, 1, 5}, f64);
      value = ReportPartialsOp::create(builder, location, partials, value, chunkRows);
      value = CombineReportsOp::create(builder, location, row, value, chunkRows);
    } else {
      value = ReportPartialsOp::create(builder, location, row, value, 0);
    }
    AccumulateReportOp::create(builder, location, value, report.getNameAttr(), report.getPathAttr());
    report.erase();
  }

  void splitSum(ReduceTokensOp sum) {
    replace(sum, sumTokens(sum.getLoc(), sum.getValue(), sum.getResult().getType()));
  }

  /// accumulate(a + b) is accumulate(a), accumulate(b): gradients of shared parameters are never added up on their own.
  void splitAccumulate(AccumulateOp sink) {
    auto map = sink.getValue().getDefiningOp<MapOp>();
    if (!map || !map->hasOneUse() || map.getNumResults() != 1)
      return;
    Block &block = map.getBody().front();
    SmallVector<Value> terms;
    std::function<bool(Value)> collect = [&](Value scalar) {
      if (auto argument = dyn_cast<BlockArgument>(scalar)) {
        terms.push_back(map.getOperand(argument.getArgNumber()));
        return terms.back().getType() == map.getResult(0).getType();
      }
      auto add = scalar.getDefiningOp<arith::AddFOp>();
      return add && collect(add.getLhs()) && collect(add.getRhs());
    };
    if (!collect(block.getTerminator()->getOperand(0)))
      return;
    for (Value term : terms)
      AccumulateOp::create(builder, sink.getLoc(), sink.getParameterAttr(), term);
    sink.erase();
    map.erase();
  }

  void chunkHeadLoss(HeadLossOp head) {
    Location location = head.getLoc();
    Type f32 = builder.getF32Type();
    bool differentiates = !head.getGradients().empty();
    Type logits = tokenwiseType(1, shapeOf(head.getWeight()).heads, f32), loss = tokenwiseType(1, 1, f32);
    Value scale, bias = head.getBias();
    if (differentiates)
      scale = LossScaleOp::create(builder, location, perHeadType(1, 1, f32), head.getIndex());

    SmallVector<Type> inputs = {logits};
    if (bias)
      inputs.push_back(bias.getType());
    inputs.append({head.getTokens().getType(), head.getMask().getType()});
    if (scale)
      inputs.push_back(scale.getType());
    func::FuncOp kernel = createKernel(location, inputs);
    SmallVector<Value> arguments(kernel.getArguments());
    OpBuilder body = OpBuilder::atBlockEnd(&kernel.getBody().front());
    unsigned next = 1;
    Value biasArgument = bias ? arguments[next++] : Value();
    Value tokens = arguments[next++], mask = arguments[next++];
    Type gradient = tokenwiseType(1, shapeOf(head.getWeight()).heads, elementOf(head.getWeight())); // as products take it
    auto rows = HeadLossRowsOp::create(body, location, loss, scale ? gradient : Type(), arguments[0], biasArgument,
                                       tokens, mask, scale ? arguments[next] : Value());
    finishKernel(kernel, rows.getResults(), {});
    if (scale && gradient == logits)
      kernel.setResultAttr(1, "caa.in_place", builder.getI64IntegerAttr(0));
    kernel = kernels.add(kernel, "head_loss");

    FlatSymbolRefAttr columnSum;
    if (bias && scale) {
      func::FuncOp sum = createKernel(location, gradient);
      OpBuilder inner = OpBuilder::atBlockEnd(&sum.getBody().front());
      Value total = ReduceTokensOp::create(inner, location, bias.getType(), sum.getArgument(0));
      finishKernel(sum, total, {0});
      columnSum = FlatSymbolRefAttr::get(kernels.add(sum, "column_sum"));
    }
    SmallVector<Type> gradients(head.getGradients().getTypes());
    auto chunked =
        ChunkedHeadLossOp::create(builder, location, loss, gradients, head.getInput(), head.getWeight(), bias,
                                  head.getTokens(), head.getMask(), scale, FlatSymbolRefAttr::get(kernel), columnSum);
    addLoss(location, chunked.getLoss(), Value(), head.getIndex());
    head.getGradients().replaceAllUsesWith(chunked.getGradients());
    head.erase();
  }

  /// `like` gives the batch and the length, which are the same everywhere: the first argument stands for all.
  void useOneLike() {
    auto argument = llvm::find_if(entry.getArguments(), [](Value v) { return isTokenwise(v.getType()); });
    if (argument == entry.getArguments().end())
      return;
    for (Operation &op : entry.getBody().front()) {
      if (auto index = dyn_cast<IndexOp>(op))
        index.getLikeMutable().set(*argument);
      else if (auto next = dyn_cast<HasNextOp>(op))
        next.getLikeMutable().set(*argument);
      else if (auto broadcast = dyn_cast<BroadcastOp>(op); broadcast && broadcast.getLike())
        broadcast.getLikeMutable().assign(*argument);
    }
  }

  func::FuncOp entry;
  KernelTable &kernels;
  OpBuilder builder;
};

} // namespace

LogicalResult prepareEntry(func::FuncOp entry, KernelTable &kernels) { return Preparation(entry, kernels).run(); }

} // namespace caa
