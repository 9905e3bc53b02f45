// Runs a kernel of the tile dialect as its documentation reads: slow, obvious, and without LLVM. An oracle for code generation and
// for the passes that write kernels.
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <vector>

namespace caa::test {

/// A buffer of any element type, as doubles; row-major.
struct Buffer {
  std::vector<int64_t> shape;
  std::vector<double> data;

  int64_t size() const {
    int64_t product = 1;
    for (int64_t extent : shape)
      product *= extent;
    return product;
  }
};

/// What a run did.
struct Counts {
  int64_t items = 0, visits = 0, skips = 0, dots = 0;
  std::vector<int64_t> bodies; // visits by body, over all sweeps
};

/// Sizes that kernels ask for.
struct Extents {
  int64_t batch, length, rows = 0, firstRow = 0;
};

/// The number of work items.
int64_t gridOf(mlir::func::FuncOp kernel, const Extents &extents);

/// Runs all work items, in the order `backwards` says. Stops the program where a kernel breaks the dialect's rules, such as storing
/// outside a buffer's heads.
Counts runKernel(mlir::func::FuncOp kernel, std::vector<Buffer *> buffers, const Extents &extents, bool backwards = false);

} // namespace caa::test
