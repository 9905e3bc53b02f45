// The commands: launches, matrix products, the chunk loop of a head loss.
#include "codegen/Schedule/EntryScheduler.h"
#include "codegen/Schedule/Schedule.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace caa {

using schedule::Buffer;
using schedule::Command;
using schedule::Entry;
using schedule::Operand;
using schedule::Size;

/// A chunk's logits hold at most this many numbers: they are read and written by three products and one kernel, and dW is
/// updated once per chunk, so a chunk should be neither beyond the memory of a small machine nor a few rows.
static constexpr int64_t mostLogits = int64_t(8) << 20;
static constexpr int64_t leastChunk = 64, mostChunk = 4096;

static int64_t chunkRows(int64_t vocab) {
  return std::clamp(mostLogits / vocab / 16 * 16, leastChunk, mostChunk);
}

/// Heads times width: the columns of a token-wise value as a matrix of token rows.
static int64_t columnsOf(Value value) {
  Shape shape = shapeOf(value);
  return shape.heads * shape.width;
}

void EntryScheduler::touch(uint32_t number) {
  Buffer &buffer = entry.buffers[number];
  uint32_t now = entry.commands.size(), from = loop >= 0 ? uint32_t(loop) : now;
  buffer.first = std::min(buffer.first, from);
  buffer.last = std::max(buffer.last, now); // `endLoop` moves it to the loop's end
}

Command &EntryScheduler::addCommand(caa_command_kind kind, std::vector<Operand> operands, Location location) {
  for (const Operand &operand : operands)
    touch(operand.buffer);
  Command &command = entry.commands.emplace_back();
  command.kind = kind;
  command.operands = std::move(operands);
  command.location = sourceLine(location);
  return command;
}

void EntryScheduler::addFill(Operand target, Location location) {
  addCommand(CAA_COMMAND_FILL, {target}, location).m = entry.buffers[target.buffer].bytes;
}

void EntryScheduler::beginLoop(int64_t chunk, Location location) {
  addCommand(CAA_COMMAND_LOOP, {}, location).chunk = chunk;
  loop = entry.commands.size() - 1;
}

void EntryScheduler::endLoop() {
  uint32_t last = entry.commands.size() - 1;
  entry.commands[loop].index = last - loop;
  for (Buffer &buffer : entry.buffers)
    if (buffer.last > uint32_t(loop))
      buffer.last = last;
  loop = -1;
}

LogicalResult EntryScheduler::scheduleLaunch(LaunchOp op) {
  FailureOr<uint32_t> kernel = tables.kernel(op, op.getKernelAttr());
  if (failed(kernel))
    return failure();
  std::vector<Operand> operands;
  for (Value input : op.getOperands()) {
    FailureOr<Operand> place = use(input);
    if (failed(place))
      return failure();
    operands.push_back(*place);
  }
  for (OpResult result : op.getResults()) {
    unsigned number = result.getResultNumber();
    FailureOr<Operand> place = op.isAccumulated(number) ? defineAccumulated(result, op.getLoc()) : define(result, op.getChunk(number));
    if (failed(place))
      return failure();
    operands.push_back(*place);
  }
  addCommand(CAA_COMMAND_KERNEL, std::move(operands), op.getLoc()).index = *kernel;
  return success();
}

namespace {
/// One side of a product as stored: which operand, its row stride, whether the product takes its transpose.
struct Side {
  Operand place;
  int64_t stride;
  bool transpose = false;
};
} // namespace

static void describeProduct(Command &command, Side a, Side b, int64_t ldc, Size m, Size n, Size k, float beta) {
  command.lda = a.stride;
  command.ldb = b.stride;
  command.ldc = ldc;
  command.transposeA = a.transpose;
  command.transposeB = b.transpose;
  command.m = std::move(m);
  command.n = std::move(n);
  command.k = std::move(k);
  command.beta = beta;
}

LogicalResult EntryScheduler::scheduleLinear(LinearOp op) {
  if (op.getBias())
    return op.emitError("internal: the bias of a linear must be added by a kernel");
  FailureOr<Operand> input = use(op.getInput()), weight = use(op.getWeight());
  if (failed(input) || failed(weight))
    return failure();
  int64_t k = columnsOf(op.getInput()), n = columnsOf(op.getResult());
  Command &command = addCommand(CAA_COMMAND_PRODUCT, {*input, *weight, define(op.getResult())}, op.getLoc());
  describeProduct(command, {*input, k}, {*weight, k, true}, n, Size::tokens(1), n, k, 0);
  return success();
}

LogicalResult EntryScheduler::scheduleInputGrad(LinearInputGradOp op) {
  FailureOr<Operand> gradient = use(op.getGradient()), weight = use(op.getWeight());
  if (failed(gradient) || failed(weight))
    return failure();
  int64_t k = columnsOf(op.getGradient()), n = columnsOf(op.getResult());
  Command &command = addCommand(CAA_COMMAND_PRODUCT, {*gradient, *weight, define(op.getResult())}, op.getLoc());
  describeProduct(command, {*gradient, k}, {*weight, n}, n, Size::tokens(1), n, k, 0);
  return success();
}

LogicalResult EntryScheduler::scheduleWeightGrad(LinearWeightGradOp op) {
  FailureOr<Operand> gradient = use(op.getGradient()), input = use(op.getInput());
  if (failed(gradient) || failed(input))
    return failure();
  // Straight into the gradient where that is its only use.
  bool adds = soleSink(op.getResult());
  FailureOr<Operand> target = adds ? defineAccumulated(op.getResult(), op.getLoc()) : define(op.getResult());
  if (failed(target))
    return failure();
  int64_t m = columnsOf(op.getGradient()), n = columnsOf(op.getInput());
  Command &command = addCommand(CAA_COMMAND_PRODUCT, {*gradient, *input, *target}, op.getLoc());
  describeProduct(command, {*gradient, m, true}, {*input, n}, n, m, n, Size::tokens(1), adds ? 1 : 0);
  return success();
}

LogicalResult EntryScheduler::scheduleHeadLoss(ChunkedHeadLossOp op) {
  Location location = op.getLoc();
  FailureOr<uint32_t> kernel = tables.kernel(op, op.getKernelAttr());
  FailureOr<Operand> input = use(op.getInput()), weight = use(op.getWeight()), tokens = use(op.getTokens()), mask = use(op.getMask());
  if (failed(kernel) || failed(input) || failed(weight) || failed(tokens) || failed(mask))
    return failure();
  int64_t width = columnsOf(op.getInput()), vocab = shapeOf(op.getWeight()).heads, chunk = chunkRows(vocab);
  auto inRows = [](Operand place, int64_t rowBytes) { return Operand{place.buffer, place.offset, rowBytes}; };
  Operand inputRows = inRows(*input, 4 * width);

  // Everything that lives beyond the loop has its place, and its zeros, before the loop begins.
  ValueRange gradients = op.getGradients();
  std::vector<Operand> kernelOperands, targets;
  for (unsigned n = 0; n < gradients.size(); ++n) {
    FailureOr<Operand> place = n == 0 ? FailureOr<Operand>(define(gradients[0])) : defineAccumulated(gradients[n], location);
    if (failed(place))
      return failure();
    targets.push_back(*place);
  }
  Operand loss = define(op.getLoss()), logits = {arenaBuffer("logits of a chunk", CAA_F32, chunk * vocab * 4)};
  kernelOperands.push_back(logits);
  if (op.getBias()) {
    FailureOr<Operand> bias = use(op.getBias());
    if (failed(bias))
      return failure();
    kernelOperands.push_back(*bias);
  }
  kernelOperands.push_back(*tokens);
  kernelOperands.push_back(inRows(*mask, 1));
  if (op.getScale()) {
    FailureOr<Operand> scale = use(op.getScale());
    if (failed(scale))
      return failure();
    kernelOperands.push_back(*scale);
  }
  kernelOperands.push_back(inRows(loss, 4));

  beginLoop(chunk, location);
  auto product = [&](Side a, Side b, Operand c, int64_t ldc, Size m, Size n, Size k, float beta) {
    Command &command = addCommand(CAA_COMMAND_PRODUCT, {a.place, b.place, c}, location);
    describeProduct(command, a, b, ldc, std::move(m), std::move(n), std::move(k), beta);
  };
  product({inputRows, width}, {*weight, width, true}, logits, vocab, Size::rows(1), vocab, width, 0);
  addCommand(CAA_COMMAND_KERNEL, kernelOperands, location).index = *kernel;
  if (targets.size() > 0)
    product({logits, vocab}, {*weight, width}, inRows(targets[0], 4 * width), width, Size::rows(1), width, vocab, 0);
  if (targets.size() > 1)
    product({logits, vocab, true}, {inputRows, width}, targets[1], width, vocab, width, Size::rows(1), 1);
  if (targets.size() > 2) {
    FailureOr<uint32_t> biasKernel = tables.kernel(op, op.getBiasKernelAttr());
    if (failed(biasKernel))
      return failure();
    addCommand(CAA_COMMAND_KERNEL, {logits, targets[2]}, location).index = *biasKernel;
  }
  endLoop();
  return success();
}

LogicalResult EntryScheduler::scheduleReturn(func::ReturnOp op) {
  for (auto [value, buffer] : copies) {
    FailureOr<Operand> source = use(value);
    if (failed(source))
      return failure();
    addCommand(CAA_COMMAND_COPY, {{buffer}, *source}, op.getLoc()).m = entry.buffers[buffer].bytes;
  }
  return success();
}

LogicalResult EntryScheduler::schedule(Operation &op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(&op)
      .Case([&](LaunchOp launch) { return scheduleLaunch(launch); })
      .Case([&](LinearOp linear) { return scheduleLinear(linear); })
      .Case([&](LinearInputGradOp grad) { return scheduleInputGrad(grad); })
      .Case([&](LinearWeightGradOp grad) { return scheduleWeightGrad(grad); })
      .Case([&](ChunkedHeadLossOp loss) { return scheduleHeadLoss(loss); })
      .Case([&](func::ReturnOp end) { return scheduleReturn(end); })
      .Case<ParamOp, ConstantOp, LossScaleOp, ReshapeOp, LogitsOp>([](Operation *) { return success(); })
      .Case<AccumulateOp, AccumulateLossOp, AccumulateCountOp, AccumulateReportOp>([&](Operation *sink) -> LogicalResult {
        // The op that makes the value adds it: by now its place is the sink's.
        if (soleSink(sink->getOperand(0)) == sink)
          if (FailureOr<Operand> made = use(sink->getOperand(0)); succeeded(made)) {
            caa_buffer_kind kind = entry.buffers[made->buffer].kind;
            if (kind == CAA_BUFFER_GRADIENT || kind == CAA_BUFFER_LOSS_SUM || kind == CAA_BUFFER_LOSS_COUNT || kind == CAA_BUFFER_REPORT)
              return success();
          }
        return sink->emitError("internal: nothing adds this value to its sink");
      })
      .Default([](Operation *other) {
        return other->emitError("internal: `") << other->getName() << "` is left in an entry: kernel formation must have taken it";
      });
}

FailureOr<Entry> EntryScheduler::run() {
  // "export.caa.forward" is the export's symbol: a model may have the name of an entry.
  StringRef name = function.getName();
  name.consume_front("export.");
  entry.name = name.str();
  addInputs();
  if (failed(addOutputs()))
    return failure();
  for (Operation &op : function.getBody().front())
    if (failed(schedule(op)))
      return failure();
  for (Buffer &buffer : entry.buffers)
    if (buffer.first == UINT32_MAX)
      buffer.first = 0; // made but used by no command
  return std::move(entry);
}

} // namespace caa
