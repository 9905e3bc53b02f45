// From an entry at a batch and a length to sizes, an arena and the certainty that every library call stays inside of
// its buffers. (What a kernel touches is the compiler's word; its operands must at least begin inside.)
#include "runtime/engine/engine.h"

#include <algorithm>
#include <fmt/format.h>

namespace caa {
namespace {

class Planner {
public:
  Planner(const Image &image, const caa_entry &entry, EntryPlan &plan) : image_(image), entry_(entry), plan_(plan) {}

  Status run() {
    CAA_CHECK(values());
    CAA_CHECK(buffers());
    return commands();
  }

private:
  Result<int64_t> evaluateSize(caa_size size, int64_t rows, std::string_view what) const {
    Dimensions dimensions = plan_.dimensions;
    dimensions.rows = rows;
    auto value = evaluate(image_.terms(), size, dimensions, what);
    if (!value)
      return image_.error(value.error().message);
    return value;
  }

  Status values() {
    for (const caa_value &value : image_.valuesOf(entry_)) {
      auto bytes = checkedMultiply(value.heads * value.width, byteSizeOf(value.dtype));
      if (bytes && value.per_token)
        bytes = checkedMultiply(*bytes, plan_.dimensions.rows);
      if (!bytes)
        return image_.error(fmt::format("value `{}` is too large for 64 bits", image_.text(value.name)));
      plan_.valueBytes.push_back(*bytes);
    }
    return {};
  }

  /// The rows that a buffer is sized for: a chunk's if it lives in a loop's body only.
  int64_t rowsOf(const caa_buffer &buffer) const {
    const int64_t all = plan_.dimensions.rows;
    if (buffer.kind != CAA_BUFFER_ARENA)
      return all;
    for (uint32_t i = entry_.first_command; i < buffer.first_command; ++i) {
      const caa_command &command = image_.commands()[i];
      if (command.kind == CAA_COMMAND_LOOP && buffer.last_command <= i + command.index)
        return std::min(all, command.chunk);
    }
    return all;
  }

  /// What lies behind a buffer of a kind that is not in the arena; -1 if only the caller knows.
  int64_t availableBytes(const caa_buffer &buffer) const {
    switch (buffer.kind) {
    case CAA_BUFFER_PARAMETER:
    case CAA_BUFFER_GRADIENT:
      return int64_t(image_.parameters()[buffer.index].elements) * 4;
    case CAA_BUFFER_PARAMETER_BF16:
      return int64_t(image_.parameters()[buffer.index].elements) * 2;
    case CAA_BUFFER_PARAMETERS:
    case CAA_BUFFER_GRADIENTS:
    case CAA_BUFFER_MOMENT1:
    case CAA_BUFFER_MOMENT2:
      return parameterElements(image_) * 4;
    case CAA_BUFFER_PARAMETERS_BF16:
      return parameterElements(image_) * 2;
    case CAA_BUFFER_OPTIMIZER:
      return sizeof(caa_optimizer_state);
    case CAA_BUFFER_VALUE:
      return plan_.valueBytes[buffer.index - entry_.first_value];
    case CAA_BUFFER_LOSS_SCALE:
      return int64_t(image_.losses().size()) * 4;
    case CAA_BUFFER_LOSS_SUM:
    case CAA_BUFFER_LOSS_COUNT:
      return int64_t(image_.losses().size()) * 8;
    case CAA_BUFFER_REPORT:
      return int64_t(image_.reports().size()) * 40;
    default:
      return int64_t(image_.bytes().size() - buffer.index);
    }
  }

  Status buffers() {
    std::vector<Lifetime> lifetimes;
    auto buffers = image_.buffersOf(entry_);
    for (const caa_buffer &buffer : buffers) {
      auto what = fmt::format("buffer {} of entry `{}`", &buffer - buffers.data(), image_.text(entry_.name));
      CAA_TRY(int64_t bytes, evaluateSize(buffer.bytes, rowsOf(buffer), what));
      if (buffer.kind == CAA_BUFFER_ARENA)
        lifetimes.push_back({bytes, buffer.first_command, buffer.last_command});
      else if (bytes > availableBytes(buffer))
        return image_.error(fmt::format("{} is larger than what it names", what));
      plan_.bufferBytes.push_back(bytes);
    }
    auto arena = planArena(lifetimes);
    if (!arena)
      return image_.error(arena.error().message);
    plan_.arena = std::move(*arena);
    size_t next = 0;
    for (const caa_buffer &buffer : buffers)
      plan_.arenaOffsets.push_back(buffer.kind == CAA_BUFFER_ARENA ? plan_.arena.offsets[next++] : -1);
    return {};
  }

  /// Whether `bytes` from the operand on, for every chunk, lie inside of its buffer.
  Status inside(const caa_operand &operand, int64_t bytes, int64_t lastRow, std::string_view what) const {
    auto moved = checkedMultiply(operand.row_bytes, lastRow);
    auto begin = moved ? checkedAdd(operand.offset, *moved) : std::nullopt;
    auto end = begin ? checkedAdd(*begin, bytes) : std::nullopt;
    if (!end || *end > plan_.bufferBytes[operand.buffer - entry_.first_buffer])
      return image_.error(fmt::format("{} reaches beyond its buffer", what));
    return {};
  }

  /// Bytes from the first to the last element of a matrix.
  static std::optional<int64_t> extent(int64_t rows, int64_t columns, int64_t stride, uint32_t dtype) {
    if (rows == 0 || columns == 0)
      return 0;
    auto before = checkedMultiply(rows - 1, stride);
    auto elements = before ? checkedAdd(*before, columns) : std::nullopt;
    return elements ? checkedMultiply(*elements, byteSizeOf(dtype)) : std::nullopt;
  }

  /// A command's checks and work for `rows` rows, of which the first is at most `lastRow`; `times` chunks.
  Status command(const caa_command &command, int64_t rows, int64_t lastRow, double times, std::string_view what) {
    auto operands = image_.operands().subspan(command.first_operand, command.operand_count);
    switch (command.kind) {
    case CAA_COMMAND_KERNEL: {
      const caa_kernel &kernel = image_.kernels()[command.index];
      CAA_TRY(int64_t grid, evaluateSize(kernel.grid, rows, what));
      CAA_TRY(int64_t scratch, evaluateSize(kernel.scratch, rows, what));
      plan_.scratchBytes = std::max(plan_.scratchBytes, scratch);
      plan_.kernelFlops += kernel.flops_per_item * double(grid) * times;
      for (const caa_operand &operand : operands)
        CAA_CHECK(inside(operand, 0, lastRow, what));
      for (const caa_tensor_map &map : image_.tensorMaps().subspan(kernel.first_tensor_map, kernel.tensor_map_count)) {
        auto row = checkedMultiply(map.heads, map.width * byteSizeOf(map.dtype));
        auto bytes = row ? checkedMultiply(*row, plan_.dimensions.rows) : std::nullopt;
        if (!bytes)
          return image_.error(fmt::format("{} is too large for 64 bits", what));
        CAA_CHECK(inside(operands[map.operand], *bytes, lastRow, what));
      }
      return {};
    }
    case CAA_COMMAND_PRODUCT: {
      CAA_TRY(int64_t m, evaluateSize(command.m, rows, what));
      CAA_TRY(int64_t n, evaluateSize(command.n, rows, what));
      CAA_TRY(int64_t k, evaluateSize(command.k, rows, what));
      auto a = command.transpose_a ? extent(k, m, command.lda, command.a_dtype) : extent(m, k, command.lda, command.a_dtype);
      auto b = command.transpose_b ? extent(n, k, command.ldb, command.b_dtype) : extent(k, n, command.ldb, command.b_dtype);
      auto c = extent(m, n, command.ldc, command.c_dtype);
      if (!a || !b || !c || command.lda < (command.transpose_a ? m : k) ||
          command.ldb < (command.transpose_b ? k : n) || command.ldc < n)
        return image_.error(fmt::format("{} has impossible strides", what));
      CAA_CHECK(inside(operands[0], *a, lastRow, what));
      CAA_CHECK(inside(operands[1], *b, lastRow, what));
      for (const caa_operand &operand : operands.subspan(2)) // D, and C where it is another one
        CAA_CHECK(inside(operand, *c, lastRow, what));
      plan_.productFlops += 2.0 * double(m) * double(n) * double(k) * times;
      return {};
    }
    case CAA_COMMAND_FILL:
    case CAA_COMMAND_COPY: {
      CAA_TRY(int64_t bytes, evaluateSize(command.m, rows, what));
      for (const caa_operand &operand : operands)
        CAA_CHECK(inside(operand, bytes, lastRow, what));
      return {};
    }
    default:
      return {};
    }
  }

  Status commands() {
    const int64_t all = plan_.dimensions.rows;
    int64_t chunk = 0;
    uint32_t loopEnd = 0;
    for (uint32_t i = entry_.first_command; i < entry_.first_command + entry_.command_count; ++i) {
      const caa_command &now = image_.commands()[i];
      auto what = fmt::format("command {} of entry `{}`", i - entry_.first_command, image_.text(entry_.name));
      if (now.kind == CAA_COMMAND_LOOP) {
        chunk = now.chunk;
        loopEnd = i + 1 + now.index;
      } else if (i >= loopEnd) {
        CAA_CHECK(command(now, all, 0, 1, what));
      } else if (all > 0) {
        // The whole chunks, then the rest.
        int64_t whole = all / chunk, rest = all % chunk;
        if (whole > 0)
          CAA_CHECK(command(now, chunk, (whole - 1) * chunk, double(whole), what));
        if (rest > 0)
          CAA_CHECK(command(now, rest, whole * chunk, 1, what));
      }
    }
    return {};
  }

  const Image &image_;
  const caa_entry &entry_;
  EntryPlan &plan_;
};

} // namespace

Result<EntryPlan> planEntry(const Image &image, caa_target target, std::string_view name, int64_t batch, int64_t length) {
  const caa_entry *entry = image.findEntry(target, name);
  if (!entry)
    return image.error(fmt::format("it has no entry `{}` for {}", name, nameOfTarget(target)));
  auto rows = checkedMultiply(batch, length);
  if (batch < 1 || length < 1 || !rows)
    return inputError(fmt::format("a batch of {} rows of {} tokens is impossible", batch, length));
  EntryPlan plan;
  plan.entry = entry;
  plan.dimensions = {batch, length, *rows};
  CAA_CHECK(Planner(image, *entry, plan).run());
  return plan;
}

int64_t sizeIn(const EntryPlan &plan, const Image &image, caa_size size, int64_t rows) {
  Dimensions dimensions = plan.dimensions;
  dimensions.rows = rows;
  int64_t sum = 0;
  for (const caa_term &term : image.terms().subspan(size.first, size.count))
    sum += *evaluate(term, dimensions);
  return sum;
}

Status forEachCommand(const EntryPlan &plan, const Image &image,
                      const std::function<Status(const caa_command &, int64_t, int64_t)> &visit) {
  auto commands = image.commands().subspan(plan.entry->first_command, plan.entry->command_count);
  const int64_t rows = plan.dimensions.rows;
  for (size_t i = 0; i < commands.size(); ++i) {
    const caa_command &now = commands[i];
    if (now.kind != CAA_COMMAND_LOOP) {
      CAA_CHECK(visit(now, rows, 0));
      continue;
    }
    for (int64_t row = 0; row < rows; row += now.chunk)
      for (uint32_t inner = 1; inner <= now.index; ++inner)
        CAA_CHECK(visit(commands[i + inner], std::min(now.chunk, rows - row), row));
    i += now.index;
  }
  return {};
}

int64_t parameterElements(const Image &image) {
  uint64_t end = 0;
  for (const caa_parameter &parameter : image.parameters())
    end = std::max(end, parameter.offset + parameter.elements);
  return int64_t((end + 15) / 16 * 16);
}

} // namespace caa
