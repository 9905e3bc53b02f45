// See Update.h.
#include "codegen/Schedule/Update.h"

#include "llvm/ADT/STLExtras.h"

namespace caa::schedule {

/// Parameters of an export, called `NAME:path`, follow the model's; training leaves them out.
static bool isTrained(const Parameter &parameter) { return parameter.name.find(':') == std::string::npos; }

std::vector<UpdateSegment> updateSegments(const Program &program) {
  std::vector<UpdateSegment> segments;
  for (const Parameter &parameter : program.parameters) {
    uint64_t size = isTrained(parameter) ? parameter.elements() : 0, step = UpdateShape::segmentElements;
    for (uint64_t begin = 0; begin < size; begin += step)
      segments.push_back({uint32_t((parameter.offset + begin) / 16), uint32_t(std::min(step, size - begin)), parameter.groupNumber,
                          parameter.decay, float(parameter.low), float(parameter.high), {}});
  }
  return segments;
}

namespace {

/// An entry under construction whose commands launch one kernel each.
class Launches {
public:
  Launches(Program &program, std::string name) : program(program) { entry.name = std::move(name); }

  uint32_t buffer(std::string name, caa_buffer_kind kind, caa_dtype dtype, int64_t bytes, uint64_t index = 0) {
    Buffer buffer;
    buffer.name = std::move(name);
    buffer.kind = kind;
    buffer.dtype = dtype;
    buffer.index = index;
    buffer.bytes = bytes;
    buffer.first = UINT32_MAX;
    entry.buffers.push_back(std::move(buffer));
    return entry.buffers.size() - 1;
  }

  void launch(std::string name, int64_t items, std::initializer_list<uint32_t> buffers) {
    Command command;
    command.index = program.kernels.size();
    for (uint32_t number : buffers) {
      command.operands.push_back({number});
      Buffer &buffer = entry.buffers[number];
      buffer.first = std::min<uint32_t>(buffer.first, entry.commands.size());
      buffer.last = entry.commands.size();
    }
    entry.commands.push_back(std::move(command));
    Kernel kernel;
    kernel.name = std::move(name);
    kernel.grid = items;
    program.kernels.push_back(std::move(kernel));
  }

  void finish() { program.entries.push_back(std::move(entry)); }

private:
  Program &program;
  Entry entry;
};

} // namespace

UpdateShape addUpdate(Program &program) {
  UpdateShape shape;
  std::vector<UpdateSegment> segments;
  if (llvm::any_of(program.entries, [](const Entry &entry) { return entry.name == "micro_step"; }))
    segments = updateSegments(program);
  shape.segments = segments.size();
  shape.losses = program.losses.size();
  for (const Parameter &parameter : program.parameters) {
    shape.groups = std::max<int64_t>(shape.groups, parameter.groupNumber + 1);
    shape.elements = int64_t(parameter.offset + (parameter.elements() + 15) / 16 * 16);
  }
  shape.rounds = llvm::any_of(program.entries, [&](const Entry &entry) {
    return llvm::any_of(entry.buffers, [](const Buffer &buffer) { return buffer.kind == CAA_BUFFER_PARAMETER_BF16; });
  });

  auto values = [&](Launches &entry) {
    return entry.buffer("parameters", CAA_BUFFER_PARAMETERS, CAA_F32, 4 * shape.elements);
  };
  auto copies = [&](Launches &entry) {
    return entry.buffer("rounded parameters", CAA_BUFFER_PARAMETERS_BF16, CAA_BF16, 2 * shape.elements);
  };
  if (shape.segments > 0) {
    program.constants.emplace_back(reinterpret_cast<const char *>(segments.data()), segments.size() * sizeof(UpdateSegment));
    Launches entry(program, "update");
    uint32_t table = entry.buffer("segments", CAA_BUFFER_CONSTANT, CAA_I32, program.constants.back().size(),
                                  program.constants.size() - 1);
    uint32_t parameters = values(entry);
    uint32_t gradients = entry.buffer("gradients", CAA_BUFFER_GRADIENTS, CAA_F32, 4 * shape.elements);
    uint32_t first = entry.buffer("first moments", CAA_BUFFER_MOMENT1, CAA_F32, 4 * shape.elements);
    uint32_t second = entry.buffer("second moments", CAA_BUFFER_MOMENT2, CAA_F32, 4 * shape.elements);
    uint32_t losses = entry.buffer("loss sums", CAA_BUFFER_LOSS_SUM, CAA_F64, 8 * shape.losses);
    uint32_t state = entry.buffer("optimizer", CAA_BUFFER_OPTIMIZER, CAA_F32, sizeof(caa_optimizer_state));
    uint32_t squares = entry.buffer("sums of squares", CAA_BUFFER_ARENA, CAA_F64, 8 * shape.segments);
    entry.launch("caa_update_squares", shape.segments, {table, gradients, squares});
    entry.launch("caa_update_norms", 1, {table, squares, losses, state});
    if (shape.rounds)
      entry.launch("caa_update_adamw", shape.segments, {table, state, parameters, gradients, first, second, copies(entry)});
    else
      entry.launch("caa_update_adamw", shape.segments, {table, state, parameters, gradients, first, second});
    entry.finish();
  }
  if (shape.rounds) {
    Launches entry(program, "refresh");
    entry.launch("caa_update_refresh", shape.refreshItems(), {values(entry), copies(entry)});
    entry.finish();
  }
  return shape;
}

void noteUpdate(mlir::ModuleOp module, const UpdateShape &shape) {
  mlir::Builder builder(module.getContext());
  module->setAttr("caa.update", builder.getDenseI64ArrayAttr(
                                    {shape.segments, shape.groups, shape.losses, shape.elements, shape.rounds}));
}

std::optional<UpdateShape> notedUpdate(mlir::ModuleOp module) {
  auto numbers = module->getAttrOfType<mlir::DenseI64ArrayAttr>("caa.update");
  if (!numbers || numbers.size() != 5)
    return std::nullopt;
  return UpdateShape{.segments = numbers[0], .groups = numbers[1], .losses = numbers[2], .elements = numbers[3], .rounds = numbers[4] != 0};
}

} // namespace caa::schedule
