// The first step of kernel formation: ops that need several kernels become ops that need one each.
#pragma once

#include "dialect/Caa/CaaDialect.h"
#include "passes/Kernels/Outline.h"

namespace caa {

/// How many token rows one row of partial sums covers. Fixed, so that sums do not depend on threads.
constexpr int64_t chunkRows = 64;

/// In an entry function: a linear's bias becomes a map; losses, reports and counts become maps, partial sums, their sum
/// and a sink; sums over tokens become partial sums and their sum; head_loss gets its kernels; sums of gradients become
/// several `accumulate`s; `stop` goes. Fails with a diagnostic where an op is left that has no kernel form.
mlir::LogicalResult prepareEntry(mlir::func::FuncOp entry, KernelTable &kernels);

} // namespace caa
