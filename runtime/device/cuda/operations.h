// An entry's commands as calls of the driver and of cuBLASLt: every size and address evaluated, loops unrolled into
// their chunks, tensor maps encoded. Made once per shape, queued many times.
#pragma once

#include "runtime/device/cuda/kernels.h"
#include "runtime/device/cuda/products.h"
#include "runtime/engine/engine.h"

#include <span>
#include <string>
#include <vector>

namespace caa::cuda {

struct Operation {
  const caa_command *command = nullptr;
  int64_t rows = 0; // of its chunk
  // A launch: parameters are `words` of eight bytes, then `maps`.
  CUfunction function = nullptr;
  unsigned grid = 0, threads = 0, sharedBytes = 0;
  std::vector<uint64_t> words;
  std::vector<CUtensorMap> maps;
  DeviceProduct product;
  // A fill (of zeros) or a copy.
  CUdeviceptr to = 0, from = 0;
  int64_t bytes = 0;
};

/// The operations of a plan whose buffers lie at `bases` (the entry's, in order).
Result<std::vector<Operation>> bindOperations(const Device &device, const Image &image, const Kernels &kernels,
                                              const EntryPlan &plan, std::span<const CUdeviceptr> bases);

/// "kernel `k3` (model.mdl:12)", "the product at model.mdl:14": for errors.
std::string describe(const Image &image, const caa_command &command);

/// Queues one operation; its product, if it is one, has been prepared.
Status enqueue(const Device &device, const Image &image, Products &products, const Operation &operation,
               CUstream stream);

} // namespace caa::cuda
