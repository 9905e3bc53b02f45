// The interpreter of schedules: a loop over commands.
#include "runtime/engine/executor.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <sys/resource.h>

namespace caa {
namespace {

/// Quiet NaNs in every float and double, and absurd integers.
void poison(std::byte *data, int64_t bytes) { std::memset(data, 0xff, size_t(bytes)); }

} // namespace

/// One run: where every buffer is.
struct Executor::Run {
  Executor &self;
  const EntryPlan &plan;
  const Image &image;
  std::vector<std::byte *> bases; // of the entry's buffers

  std::byte *at(const caa_operand &operand, int64_t firstRow) const {
    return bases[operand.buffer - plan.entry->first_buffer] + operand.offset + operand.row_bytes * firstRow;
  }
  int64_t size(caa_size value, int64_t rows) const { return sizeIn(plan, image, value, rows); }

  Status bind(const Bindings &bindings);
  Status command(const caa_command &command, int64_t rows, int64_t firstRow);
  void kernel(const caa_command &command, int64_t rows, int64_t firstRow);
  Status product(const caa_command &command, int64_t rows, int64_t firstRow);
};

Status Executor::Run::bind(const Bindings &bindings) {
  const int64_t elements = parameterElements(image);
  auto missing = [&](std::string_view what) {
    return internalError(fmt::format("entry `{}` was run without {}", image.text(plan.entry->name), what));
  };
  auto bytesOf = [](auto *data) { return reinterpret_cast<std::byte *>(data); };
  for (const caa_buffer &buffer : image.buffersOf(*plan.entry)) {
    std::byte *base = nullptr;
    switch (buffer.kind) {
    case CAA_BUFFER_ARENA:
      base = self.arena_.data() + plan.arenaOffsets[bases.size()];
      break;
    case CAA_BUFFER_PARAMETER:
      if (int64_t(bindings.parameters.size()) < elements)
        return missing("parameters");
      base = bytesOf(bindings.parameters.data() + image.parameters()[buffer.index].offset);
      break;
    case CAA_BUFFER_GRADIENT:
      if (int64_t(bindings.gradients.size()) < elements)
        return missing("gradients");
      base = bytesOf(bindings.gradients.data() + image.parameters()[buffer.index].offset);
      break;
    case CAA_BUFFER_VALUE: {
      size_t index = buffer.index - plan.entry->first_value;
      if (index >= bindings.values.size() || !bindings.values[index])
        return missing(fmt::format("value `{}`", image.text(image.values()[buffer.index].name)));
      base = bytesOf(bindings.values[index]);
      break;
    }
    case CAA_BUFFER_LOSS_SCALE:
      if (bindings.lossScale.size() < image.losses().size())
        return missing("loss scales");
      base = bytesOf(bindings.lossScale.data());
      break;
    case CAA_BUFFER_LOSS_SUM:
      if (bindings.lossSum.size() < image.losses().size())
        return missing("loss sums");
      base = bytesOf(bindings.lossSum.data());
      break;
    case CAA_BUFFER_LOSS_COUNT:
      if (bindings.lossCount.size() < image.losses().size())
        return missing("loss counts");
      base = bytesOf(bindings.lossCount.data());
      break;
    case CAA_BUFFER_REPORT:
      if (bindings.reports.size() < image.reports().size() * 5)
        return missing("reports");
      base = bytesOf(bindings.reports.data());
      break;
    default: // a constant, which nobody writes to
      base = const_cast<std::byte *>(image.bytes().data()) + buffer.index;
    }
    bases.push_back(base);
  }
  return {};
}

void Executor::Run::kernel(const caa_command &command, int64_t rows, int64_t firstRow) {
  const caa_kernel &kernel = image.kernels()[command.index];
  const caa_cpu_kernel code = self.library_.kernel(command.index);
  std::vector<void *> buffers;
  for (const caa_operand &operand : image.operands().subspan(command.first_operand, command.operand_count))
    buffers.push_back(at(operand, firstRow));
  const int64_t sizes[CAA_SIZE_COUNT] = {plan.dimensions.batch, plan.dimensions.length, rows, firstRow};
  const int64_t grid = size(kernel.grid, rows);
  const int64_t stride = (plan.scratchBytes + 4095) / 4096 * 4096;
  auto work = [&](unsigned thread, int64_t begin, int64_t end) {
    std::byte *scratch = self.scratch_.data() + stride * thread;
    if (self.poison_)
      poison(scratch, plan.scratchBytes);
    code(buffers.data(), sizes, begin, end, scratch);
  };
  // The items of an attention cost what their rows see: not the same.
  if (kernel.tile_queries || kernel.tile_keys)
    self.threads_.share(grid, work);
  else
    self.threads_.split(grid, work);
}

Status Executor::Run::product(const caa_command &command, int64_t rows, int64_t firstRow) {
  auto operand = [&](int index) {
    return reinterpret_cast<float *>(at(image.operands()[command.first_operand + index], firstRow));
  };
  return runProduct(self.threads_, {.m = size(command.m, rows),
                             .n = size(command.n, rows),
                             .k = size(command.k, rows),
                             .transposeA = command.transpose_a != 0,
                             .transposeB = command.transpose_b != 0,
                             .alpha = command.alpha,
                             .beta = command.beta,
                             .a = operand(0),
                             .lda = command.lda,
                             .b = operand(1),
                             .ldb = command.ldb,
                             .c = operand(2),
                             .ldc = command.ldc});
}

Status Executor::Run::command(const caa_command &command, int64_t rows, int64_t firstRow) {
  auto start = std::chrono::steady_clock::now();
  auto operand = [&](int index) { return at(image.operands()[command.first_operand + index], firstRow); };
  switch (command.kind) {
  case CAA_COMMAND_KERNEL:
    kernel(command, rows, firstRow);
    break;
  case CAA_COMMAND_PRODUCT:
    CAA_CHECK(product(command, rows, firstRow));
    break;
  case CAA_COMMAND_FILL: {
    std::byte *to = operand(0);
    self.threads_.split(size(command.m, rows),
                        [&](unsigned, int64_t begin, int64_t end) { std::memset(to + begin, 0, size_t(end - begin)); });
    break;
  }
  case CAA_COMMAND_COPY: {
    std::byte *to = operand(0), *from = operand(1);
    self.threads_.split(size(command.m, rows), [&](unsigned, int64_t begin, int64_t end) {
      std::memmove(to + begin, from + begin, size_t(end - begin));
    });
    break;
  }
  }
  if (self.observer_)
    self.observer_(size_t(&command - image.commands().data()), rows,
                   std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  return {};
}

Status Executor::reserve(const EntryPlan &plan) {
  if (plan.arena.bytes > arena_.size()) {
    arena_ = {};
    CAA_TRY(arena_, Memory::allocate(plan.arena.bytes));
  }
  int64_t scratch = (plan.scratchBytes + 4095) / 4096 * 4096 * threads_.count();
  if (scratch > scratch_.size()) {
    scratch_ = {};
    CAA_TRY(scratch_, Memory::allocate(scratch));
  }
  return {};
}

Status Executor::run(const EntryPlan &plan, const Bindings &bindings) {
  CAA_CHECK(reserve(plan));
  Run run{*this, plan, library_.image(), {}};
  CAA_CHECK(run.bind(bindings));
  if (poison_)
    poison(arena_.data(), arena_.size());
  return forEachCommand(plan, run.image, [&](const caa_command &command, int64_t rows, int64_t firstRow) {
    return run.command(command, rows, firstRow);
  });
}

int64_t Executor::bytesOf(const EntryPlan &plan) const {
  int64_t bytes = plan.arena.bytes + plan.scratchBytes * threads_.count();
  for (int64_t value : plan.valueBytes)
    bytes += value;
  return bytes;
}

Result<int64_t> Executor::peakMemory() const {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t(usage.ru_maxrss) * 1024;
}

Result<double> Executor::measureCopyRate() {
  constexpr int64_t bytes = int64_t(256) << 20, runs = 5;
  CAA_TRY(auto memory, Memory::allocate(2 * bytes));
  double best = std::numeric_limits<double>::max();
  for (int64_t run = 0; run < runs; ++run) { // the first one meets pages that are not there yet
    auto start = std::chrono::steady_clock::now();
    threads_.split(bytes, [&](unsigned, int64_t begin, int64_t end) {
      std::memcpy(memory.data() + begin, memory.data() + bytes + begin, size_t(end - begin));
    });
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return 2.0 * double(bytes) / best;
}

} // namespace caa
