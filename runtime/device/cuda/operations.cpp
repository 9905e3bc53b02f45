// From commands to operations.
#include "runtime/device/cuda/operations.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>
#include <limits>

namespace caa::cuda {
namespace {

/// The largest power of two up to 256 that divides the address.
uint32_t alignmentOf(CUdeviceptr address) {
  return address == 0 ? 256 : uint32_t(1) << std::min(std::countr_zero(address), 8);
}

class Binder {
public:
  Binder(const Device &device, const Image &image, const Kernels &kernels, const EntryPlan &plan,
         std::span<const CUdeviceptr> bases)
      : device_(device), image_(image), kernels_(kernels), plan_(plan), bases_(bases) {}

  Result<Operation> operation(const caa_command &command, int64_t rows, int64_t firstRow) const {
    Operation made;
    made.command = &command;
    made.rows = rows;
    switch (command.kind) {
    case CAA_COMMAND_KERNEL:
      CAA_CHECK(launch(made, rows, firstRow));
      break;
    case CAA_COMMAND_PRODUCT:
      product(made, rows, firstRow);
      break;
    default:
      made.bytes = sizeIn(plan_, image_, command.m, rows);
      made.to = at(command, 0, firstRow);
      if (command.kind == CAA_COMMAND_COPY)
        made.from = at(command, 1, firstRow);
    }
    return made;
  }

private:
  CUdeviceptr at(const caa_command &command, uint32_t index, int64_t firstRow) const {
    const caa_operand &operand = image_.operands()[command.first_operand + index];
    return bases_[operand.buffer - plan_.entry->first_buffer] +
           CUdeviceptr(operand.offset + operand.row_bytes * firstRow);
  }

  Status launch(Operation &made, int64_t rows, int64_t firstRow) const {
    const caa_command &command = *made.command;
    const caa_kernel &kernel = image_.kernels()[command.index];
    const int64_t items = sizeIn(plan_, image_, kernel.grid, rows);
    const int64_t most = int64_t(kernel.blocks_per_sm) * device_.multiprocessors();
    const int64_t grid = kernel.blocks_per_sm ? std::min(items, most) : items;
    if (grid > std::numeric_limits<int32_t>::max())
      return inputError(fmt::format("{} has {} work items, more than a launch can have: use a smaller batch",
                                    describe(image_, command), grid));
    made.function = kernels_[command.index].function;
    made.grid = unsigned(grid);
    made.threads = kernel.threads;
    made.sharedBytes = kernel.shared_bytes;
    for (uint32_t i = 0; i < command.operand_count; ++i)
      made.words.push_back(at(command, i, firstRow));
    for (int64_t size : {plan_.dimensions.batch, plan_.dimensions.length, rows, firstRow, items})
      made.words.push_back(uint64_t(size));
    if (kernel.counters)
      made.words.push_back(kernels_[command.index].counters);
    for (const caa_tensor_map &map : image_.tensorMaps().subspan(kernel.first_tensor_map, kernel.tensor_map_count)) {
      made.maps.emplace_back();
      CAA_CHECK(encode(map, at(command, map.operand, 0), describe(image_, command), made.maps.back()));
    }
    return {};
  }

  /// The buffer [B, T, heads, width], densely stored, in boxes {box_width, 1, box_rows, 1}.
  Status encode(const caa_tensor_map &map, CUdeviceptr address, std::string_view where, CUtensorMap &out) const {
    const auto bytes = uint64_t(byteSizeOf(map.dtype));
    const uint64_t width = uint64_t(map.width), heads = uint64_t(map.heads);
    const uint64_t length = uint64_t(plan_.dimensions.length), batch = uint64_t(plan_.dimensions.batch);
    const uint64_t sizes[4] = {width, heads, length, batch};
    const uint64_t strides[3] = {width * bytes, heads * width * bytes, length * heads * width * bytes};
    const uint32_t box[4] = {map.box_width, 1, map.box_rows, 1}, steps[4] = {1, 1, 1, 1};
    const int swizzle = map.swizzle == 128  ? CU_TENSOR_MAP_SWIZZLE_128B
                        : map.swizzle == 64 ? CU_TENSOR_MAP_SWIZZLE_64B
                        : map.swizzle == 32 ? CU_TENSOR_MAP_SWIZZLE_32B
                                            : CU_TENSOR_MAP_SWIZZLE_NONE;
    return device_.check(
        fmt::format("{}: the tensor map of operand {} ([{}, {}, {}, {}] of {}, box {} x {}, swizzle {})", where,
                    map.operand, batch, length, heads, width, nameOfDtype(map.dtype), map.box_rows, map.box_width,
                    map.swizzle),
        device_.api().cuTensorMapEncodeTiled(
            &out, map.dtype == CAA_BF16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 4,
            reinterpret_cast<void *>(address), sizes, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle,
            CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  }

  void product(Operation &made, int64_t rows, int64_t firstRow) const {
    const caa_command &command = *made.command;
    DeviceProduct &p = made.product;
    p.alpha = command.alpha;
    p.beta = command.beta;
    p.a = at(command, 0, firstRow);
    p.b = at(command, 1, firstRow);
    p.d = at(command, 2, firstRow);
    p.c = command.operand_count > 3 ? at(command, 3, firstRow) : p.d;
    p.shape = {.m = sizeIn(plan_, image_, command.m, rows),
               .n = sizeIn(plan_, image_, command.n, rows),
               .k = sizeIn(plan_, image_, command.k, rows),
               .lda = command.lda,
               .ldb = command.ldb,
               .ldc = command.ldc,
               .aType = command.a_dtype,
               .bType = command.b_dtype,
               .cType = command.c_dtype,
               .transposeA = command.transpose_a != 0,
               .transposeB = command.transpose_b != 0,
               .adds = command.beta != 0,
               .alignA = alignmentOf(p.a),
               .alignB = alignmentOf(p.b),
               .alignC = std::min(alignmentOf(p.c), alignmentOf(p.d))};
  }

  const Device &device_;
  const Image &image_;
  const Kernels &kernels_;
  const EntryPlan &plan_;
  std::span<const CUdeviceptr> bases_;
};

Status launch(const Device &device, const Image &image, const Operation &operation, CUstream stream) {
  if (operation.grid == 0)
    return {};
  std::vector<void *> parameters;
  for (const uint64_t &word : operation.words)
    parameters.push_back(const_cast<uint64_t *>(&word));
  for (const CUtensorMap &map : operation.maps)
    parameters.push_back(const_cast<CUtensorMap *>(&map));
  int code = device.api().cuLaunchKernel(operation.function, operation.grid, 1, 1, operation.threads, 1, 1,
                                         operation.sharedBytes, stream, parameters.data(), nullptr);
  if (code == CUDA_SUCCESS)
    return {};
  return device.driver().error(fmt::format("{} cannot be launched ({} blocks of {} threads, {} bytes of shared memory)",
                                           describe(image, *operation.command), operation.grid, operation.threads,
                                           operation.sharedBytes),
                               code);
}

} // namespace

std::string describe(const Image &image, const caa_command &command) {
  auto location = image.text(command.location);
  switch (command.kind) {
  case CAA_COMMAND_KERNEL: {
    const caa_kernel &kernel = image.kernels()[command.index];
    if (location.empty())
      location = image.text(kernel.location);
    return fmt::format("kernel `{}` ({})", image.text(kernel.name), location);
  }
  case CAA_COMMAND_PRODUCT:
    return fmt::format("the product at {}", location);
  case CAA_COMMAND_FILL:
    return fmt::format("the fill at {}", location);
  default:
    return fmt::format("the copy at {}", location);
  }
}

Result<std::vector<Operation>> bindOperations(const Device &device, const Image &image, const Kernels &kernels,
                                              const EntryPlan &plan, std::span<const CUdeviceptr> bases) {
  Binder binder(device, image, kernels, plan, bases);
  std::vector<Operation> operations;
  CAA_CHECK(forEachCommand(plan, image, [&](const caa_command &command, int64_t rows, int64_t firstRow) -> Status {
    CAA_TRY(auto operation, binder.operation(command, rows, firstRow));
    operations.push_back(std::move(operation));
    return {};
  }));
  return operations;
}

Status enqueue(const Device &device, const Image &image, Products &products, const Operation &operation,
               CUstream stream) {
  const DriverTable &api = device.api();
  switch (operation.command->kind) {
  case CAA_COMMAND_KERNEL:
    return launch(device, image, operation, stream);
  case CAA_COMMAND_PRODUCT:
    return products.run(operation.product, stream, describe(image, *operation.command));
  case CAA_COMMAND_FILL:
    if (operation.bytes == 0)
      return {};
    return device.check(describe(image, *operation.command),
                        api.cuMemsetD8Async(operation.to, 0, size_t(operation.bytes), stream));
  default:
    if (operation.bytes == 0)
      return {};
    return device.check(describe(image, *operation.command),
                        api.cuMemcpyDtoDAsync(operation.to, operation.from, size_t(operation.bytes), stream));
  }
}

} // namespace caa::cuda
