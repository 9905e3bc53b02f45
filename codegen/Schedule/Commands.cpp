// The commands: launches, matrix products, the chunk loop of a head loss.
#include "codegen/Schedule/EntryScheduler.h"
#include "codegen/Schedule/Schedule.h"

#include "llvm/ADT/TypeSwitch.h"

#include <bit>

using namespace mlir;

namespace caa {

using schedule::Buffer;
using schedule::Command;
using schedule::Entry;
using schedule::Operand;
using schedule::Size;

/// The rows of a chunk of logits. They are read and written by three products and one kernel, and dW is updated once per chunk, so
/// a chunk should be neither beyond the memory of a small machine nor a few rows. A GPU is full only from some thousand rows on; at
/// 4,096 the 8 bytes per weight of dW are a twentieth of what a head of 512 moves; and powers of two divide the usual batches.
static int64_t chunkRows(int64_t vocab, bool gpu) {
  if (!gpu)
    return std::clamp<int64_t>((int64_t(8) << 20) / vocab / 16 * 16, 64, 4096);
  return int64_t(std::clamp<uint64_t>(std::bit_floor(uint64_t(640 << 20) / vocab), 256, 8192));
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

Command &EntryScheduler::addProduct(Matrix a, Matrix b, Matrix d, float beta, Size m, Size n, Size k, Location location) {
  Command &command = addCommand(CAA_COMMAND_PRODUCT, {a.place, b.place, d.place}, location);
  command.dtypeA = a.dtype;
  command.dtypeB = b.dtype;
  command.dtypeC = d.dtype;
  command.lda = a.stride;
  command.ldb = b.stride;
  command.ldc = d.stride;
  command.transposeA = a.transposed;
  command.transposeB = b.transposed;
  command.m = std::move(m);
  command.n = std::move(n);
  command.k = std::move(k);
  command.beta = beta;
  return command;
}

/// A value's place as a matrix with rows of `stride` elements.
static auto matrix(Operand place, Value value, int64_t stride, bool transposed = false) {
  return EntryScheduler::Matrix{place, dtypeOf(value.getType()), stride, transposed};
}

LogicalResult EntryScheduler::scheduleLinear(LinearOp op) {
  if (op.getBias())
    return op.emitError("internal: the bias of a linear must be added by a kernel");
  FailureOr<Operand> input = use(op.getInput()), weight = use(op.getWeight());
  if (failed(input) || failed(weight))
    return failure();
  int64_t k = columnsOf(op.getInput()), n = columnsOf(op.getResult());
  addProduct(matrix(*input, op.getInput(), k), matrix(*weight, op.getWeight(), k, true),
             matrix(define(op.getResult()), op.getResult(), n), 0, Size::tokens(1), n, k, op.getLoc());
  return success();
}

LogicalResult EntryScheduler::scheduleLinearAdd(LinearAddOp op) {
  FailureOr<Operand> input = use(op.getInput()), weight = use(op.getWeight()), addend = use(op.getAddend());
  if (failed(input) || failed(weight) || failed(addend))
    return failure();
  int64_t k = columnsOf(op.getInput()), n = columnsOf(op.getResult());
  touch(addend->buffer);
  addProduct(matrix(*input, op.getInput(), k), matrix(*weight, op.getWeight(), k, true),
             matrix(define(op.getResult()), op.getResult(), n), 1, Size::tokens(1), n, k, op.getLoc())
      .operands.push_back(*addend);
  return success();
}

LogicalResult EntryScheduler::scheduleInputGrad(LinearInputGradOp op) {
  FailureOr<Operand> gradient = use(op.getGradient()), weight = use(op.getWeight());
  if (failed(gradient) || failed(weight))
    return failure();
  int64_t k = columnsOf(op.getGradient()), n = columnsOf(op.getResult());
  addProduct(matrix(*gradient, op.getGradient(), k), matrix(*weight, op.getWeight(), n),
             matrix(define(op.getResult()), op.getResult(), n), 0, Size::tokens(1), n, k, op.getLoc());
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
  addProduct(matrix(*gradient, op.getGradient(), m, true), matrix(*input, op.getInput(), n), matrix(*target, op.getResult(), n),
             adds ? 1 : 0, m, n, Size::tokens(1), op.getLoc());
  return success();
}

LogicalResult EntryScheduler::scheduleHeadLoss(ChunkedHeadLossOp op) {
  Location location = op.getLoc();
  FailureOr<uint32_t> kernel = tables.kernel(op, op.getKernelAttr());
  FailureOr<Operand> input = use(op.getInput()), weight = use(op.getWeight()), tokens = use(op.getTokens()), mask = use(op.getMask());
  if (failed(kernel) || failed(input) || failed(weight) || failed(tokens) || failed(mask))
    return failure();
  int64_t width = columnsOf(op.getInput()), vocab = shapeOf(op.getWeight()).heads, chunk = chunkRows(vocab, tables.gpu);
  /// A value as a matrix of the present chunk's rows.
  auto inRows = [](Operand place, Value value, int64_t stride) {
    place.rowBytes = stride * bytesOf(dtypeOf(value.getType()));
    return matrix(place, value, stride);
  };
  Matrix inputRows = inRows(*input, op.getInput(), width), weights = matrix(*weight, op.getWeight(), width);

  // Everything that lives beyond the loop has its place, and its zeros, before the loop begins.
  ValueRange gradients = op.getGradients();
  std::vector<Operand> kernelOperands, targets;
  for (unsigned n = 0; n < gradients.size(); ++n) {
    FailureOr<Operand> place = n == 0 ? FailureOr<Operand>(define(gradients[0])) : defineAccumulated(gradients[n], location);
    if (failed(place))
      return failure();
    targets.push_back(*place);
  }
  Operand loss = define(op.getLoss());
  Matrix logits = {{arenaBuffer("logits of a chunk", CAA_F32, chunk * vocab * 4)}, CAA_F32, vocab};
  kernelOperands.push_back(logits.place);
  if (op.getBias()) {
    FailureOr<Operand> bias = use(op.getBias());
    if (failed(bias))
      return failure();
    kernelOperands.push_back(*bias);
  }
  kernelOperands.push_back(*tokens);
  kernelOperands.push_back(inRows(*mask, op.getMask(), 1).place);
  if (op.getScale()) {
    FailureOr<Operand> scale = use(op.getScale());
    if (failed(scale))
      return failure();
    kernelOperands.push_back(*scale);
  }
  kernelOperands.push_back(inRows(loss, op.getLoss(), 1).place);
  // The gradient of the logits lies where they were, unless products take it rounded.
  Matrix slopes = logits;
  if (!targets.empty() && weights.dtype == CAA_BF16) {
    slopes = {{arenaBuffer("gradient of a chunk's logits", CAA_BF16, chunk * vocab * 2)}, CAA_BF16, vocab};
    kernelOperands.push_back(slopes.place);
  }

  beginLoop(chunk, location);
  Size rows = Size::rows(1);
  addProduct(inputRows, {weights.place, weights.dtype, width, true}, logits, 0, rows, vocab, width, location);
  addCommand(CAA_COMMAND_KERNEL, kernelOperands, location).index = *kernel;
  if (targets.size() > 0)
    addProduct(slopes, weights, inRows(targets[0], gradients[0], width), 0, rows, width, vocab, location);
  if (targets.size() > 1)
    addProduct({slopes.place, slopes.dtype, vocab, true}, inputRows, matrix(targets[1], gradients[1], width), 1, vocab, width, rows,
               location);
  if (targets.size() > 2) {
    FailureOr<uint32_t> biasKernel = tables.kernel(op, op.getBiasKernelAttr());
    if (failed(biasKernel))
      return failure();
    addCommand(CAA_COMMAND_KERNEL, {slopes.place, targets[2]}, location).index = *biasKernel;
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
      .Case([&](LinearAddOp linear) { return scheduleLinearAdd(linear); })
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
