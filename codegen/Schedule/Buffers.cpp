// Where values live: parameters, inputs, outputs, sinks, the arena.
#include "codegen/Schedule/EntryScheduler.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace caa {

using schedule::Buffer;

caa_dtype dtypeOf(Type type) {
  Type element = elementOf(type);
  if (element.isF64())
    return CAA_F64;
  if (element.isInteger(64))
    return CAA_I64;
  if (element.isInteger(32))
    return CAA_I32;
  if (element.isInteger(1) || element.isInteger(8))
    return CAA_BOOL;
  return element.isBF16() ? CAA_BF16 : CAA_F32;
}

int64_t bytesOf(caa_dtype dtype) {
  static constexpr int64_t bytes[] = {4, 8, 4, 8, 1, 2};
  return bytes[dtype];
}

schedule::Size bytesOf(Type type, int64_t chunk) {
  auto tensor = cast<RankedTensorType>(type);
  int64_t bytes = bytesOf(dtypeOf(type));
  for (int64_t extent : tensor.getShape())
    bytes *= ShapedType::isDynamic(extent) ? 1 : extent;
  if (chunk > 0)
    return schedule::Size::sum({{bytes, 1, 1, 0, 1, chunk}});
  return tensor.hasStaticShape() ? schedule::Size(bytes) : schedule::Size::tokens(bytes);
}

static Value throughReshapes(Value value) {
  while (auto reshape = value.getDefiningOp<ReshapeOp>())
    value = reshape.getValue();
  return value;
}

/// All uses of a value and of its reshapes.
static void collectUses(Value value, SmallVectorImpl<OpOperand *> &uses) {
  for (OpOperand &use : value.getUses()) {
    if (auto reshape = dyn_cast<ReshapeOp>(use.getOwner()))
      collectUses(reshape.getResult(), uses);
    else
      uses.push_back(&use);
  }
}

uint32_t EntryScheduler::addBuffer(Buffer buffer) {
  entry.buffers.push_back(std::move(buffer));
  return entry.buffers.size() - 1;
}

uint32_t EntryScheduler::fixedBuffer(caa_buffer_kind kind, uint64_t index, caa_dtype dtype, Size bytes, std::string name) {
  auto [it, isNew] = fixed.try_emplace({kind, index}, entry.buffers.size());
  if (isNew)
    addBuffer({std::move(name), kind, dtype, index, std::move(bytes)});
  return it->second;
}

uint32_t EntryScheduler::arenaBuffer(std::string name, caa_dtype dtype, Size bytes) {
  uint32_t never = UINT32_MAX; // `touch` brings it down to the first command that uses it
  return addBuffer({std::move(name), CAA_BUFFER_ARENA, dtype, 0, std::move(bytes), never, 0});
}

/// A named input or output of the given type.
static schedule::Value makeValue(std::string name, caa_direction direction, Type type) {
  auto shape = cast<RankedTensorType>(type).getShape();
  schedule::Value value{std::move(name), direction, dtypeOf(type), 1, 1, isTokenwise(type)};
  if (!shape.empty())
    value.width = shape.back();
  if (shape.size() >= 2)
    value.heads = shape[shape.size() - 2];
  return value;
}

void EntryScheduler::addInputs() {
  for (BlockArgument argument : function.getArguments()) {
    auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "caa.name");
    std::string text = name ? name.str() : "arg" + std::to_string(argument.getArgNumber());
    entry.values.push_back(makeValue(text, CAA_INPUT, argument.getType()));
    places[argument] = {fixedBuffer(CAA_BUFFER_VALUE, entry.values.size() - 1, dtypeOf(argument.getType()),
                                    bytesOf(argument.getType()), text)};
  }
}

void EntryScheduler::addOutput(Value value, std::string name) {
  Value root = throughReshapes(value);
  entry.values.push_back(makeValue(name, CAA_OUTPUT, value.getType()));
  uint32_t buffer = fixedBuffer(CAA_BUFFER_VALUE, entry.values.size() - 1, dtypeOf(value.getType()), bytesOf(value.getType()), name);
  // Written in place if an op of this entry makes it; another name for it is a copy.
  bool made = root.getDefiningOp() && !isa<ParamOp, ConstantOp, LossScaleOp>(root.getDefiningOp());
  if (!made || !outputs.try_emplace(root, buffer).second)
    copies.push_back({value, buffer});
}

LogicalResult EntryScheduler::addOutputs() {
  for (auto op : function.getOps<LogitsOp>())
    addOutput(op.getValue(), "logits");
  for (auto op : function.getOps<func::ReturnOp>())
    for (auto [number, value] : llvm::enumerate(op.getOperands())) {
      auto name = function.getResultAttrOfType<StringAttr>(number, "caa.name");
      if (!name)
        return function.emitError("internal: result ") << number << " of an entry has no name";
      addOutput(value, name.str());
    }
  return success();
}

Operation *EntryScheduler::soleSink(Value value) {
  SmallVector<OpOperand *> uses;
  collectUses(value, uses);
  if (uses.size() != 1 || outputs.contains(throughReshapes(value)))
    return nullptr;
  Operation *user = uses.front()->getOwner();
  return isa<AccumulateOp, AccumulateLossOp, AccumulateCountOp, AccumulateReportOp>(user) ? user : nullptr;
}

FailureOr<schedule::Operand> EntryScheduler::sinkPlace(Operation *sink) {
  int64_t losses = tables.program.losses.size();
  auto lossPlace = [&](caa_buffer_kind kind, int64_t index, caa_dtype dtype, const char *name) -> FailureOr<Operand> {
    if (index < 0 || index >= losses)
      return sink->emitError("internal: there is no loss numbered ") << index;
    return Operand{fixedBuffer(kind, 0, dtype, losses * bytesOf(dtype), name), index * bytesOf(dtype)};
  };
  return llvm::TypeSwitch<Operation *, FailureOr<Operand>>(sink)
      .Case([&](AccumulateOp op) -> FailureOr<Operand> {
        uint32_t parameter = tables.parameters.lookup(op.getParameter());
        return Operand{fixedBuffer(CAA_BUFFER_GRADIENT, parameter, CAA_F32, bytesOf(op.getValue().getType()),
                                   "d_" + op.getParameter().str())};
      })
      .Case([&](AccumulateLossOp op) { return lossPlace(CAA_BUFFER_LOSS_SUM, op.getIndex(), CAA_F64, "loss sums"); })
      .Case([&](AccumulateCountOp op) { return lossPlace(CAA_BUFFER_LOSS_COUNT, op.getIndex(), CAA_F64, "loss counts"); })
      .Case([&](AccumulateReportOp op) -> FailureOr<Operand> {
        auto &reports = tables.reports;
        auto [it, isNew] = reports.try_emplace({op.getName().str(), op.getPath().str()}, reports.size());
        if (isNew)
          tables.program.reports.push_back({op.getName().str(), op.getPath().str()});
        // The table of reports is still growing, so the buffer's size is set at the end (buildSchedule).
        return Operand{fixedBuffer(CAA_BUFFER_REPORT, 0, CAA_F64, 0, "reports"), int64_t(it->second) * 40};
      })
      .Case([&](LossScaleOp op) { return lossPlace(CAA_BUFFER_LOSS_SCALE, op.getIndex(), CAA_F32, "loss scales"); });
}

FailureOr<schedule::Operand> EntryScheduler::constant(ConstantOp op) {
  auto elements = dyn_cast<DenseElementsAttr>(op.getValue());
  if (!elements)
    return op.emitError("internal: a constant without elements");
  std::string bytes;
  if (elements.getElementType().isInteger(1)) {
    for (bool value : elements.getValues<bool>())
      bytes.push_back(value);
  } else if (elements.isSplat()) {
    for (int64_t n = 0; n < elements.getNumElements(); ++n)
      bytes.append(elements.getRawData().begin(), elements.getRawData().end());
  } else {
    bytes.assign(elements.getRawData().begin(), elements.getRawData().end());
  }
  auto [it, isNew] = tables.constants.try_emplace(bytes, tables.program.constants.size());
  if (isNew)
    tables.program.constants.push_back(bytes);
  return Operand{fixedBuffer(CAA_BUFFER_CONSTANT, it->second, dtypeOf(op.getType()), int64_t(bytes.size()), "")};
}

FailureOr<schedule::Operand> EntryScheduler::use(Value value) {
  Value root = throughReshapes(value);
  if (auto it = places.find(root); it != places.end())
    return it->second;
  Operation *op = root.getDefiningOp();
  FailureOr<Operand> place = failure();
  if (auto param = dyn_cast_or_null<ParamOp>(op)) {
    uint32_t number = tables.parameters.lookup(param.getName());
    caa_dtype dtype = dtypeOf(param.getType());
    place = Operand{fixedBuffer(dtype == CAA_BF16 ? CAA_BUFFER_PARAMETER_BF16 : CAA_BUFFER_PARAMETER, number, dtype,
                                bytesOf(param.getType()), param.getName().str())};
  } else if (auto constantOp = dyn_cast_or_null<ConstantOp>(op)) {
    place = constant(constantOp);
  } else if (isa_and_nonnull<LossScaleOp>(op)) {
    place = sinkPlace(op);
  } else if (op) {
    return op->emitError("internal: a value is read before any command writes it");
  }
  if (succeeded(place))
    places[root] = *place;
  return place;
}

schedule::Operand EntryScheduler::define(Value value, int64_t chunk) {
  Operand place;
  if (auto it = outputs.find(value); it != outputs.end())
    place = {it->second};
  else
    place = {arenaBuffer("", dtypeOf(value.getType()), bytesOf(value.getType(), chunk))};
  places[value] = place;
  return place;
}

FailureOr<schedule::Operand> EntryScheduler::defineAccumulated(Value value, Location location) {
  if (Operation *sink = soleSink(value)) {
    FailureOr<Operand> place = sinkPlace(sink);
    if (succeeded(place))
      places[value] = *place;
    return place;
  }
  Operand place = define(value);
  addFill(place, location);
  return place;
}

} // namespace caa
