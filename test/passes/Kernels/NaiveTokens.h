// A kernel function of token-wise ops as the ops' documentation reads: one component at a time, in float64, nothing
// tiled. The oracle for its lowering.
#pragma once

#include "dialect/Caa/CaaDialect.h"
#include "test/tile/TileInterpreter.h"

namespace caa::test {

/// The shape of any value of a kernel function; `chunk` token rows per row of partial sums.
std::vector<int64_t> shapeOfValue(mlir::Value value, const Extents &extents, int64_t chunk);

/// The outputs of a kernel function, from its inputs. Token-wise inputs are [batch, length, heads, width]; in a chunk
/// of rows (head-loss kernels) [1, rows, heads, width], but the tokens whole. With `rounded`, every scalar of a map is
/// rounded to its type: how far that is from the truth tells what float32 can do.
std::vector<Buffer> naiveTokens(mlir::func::FuncOp kernel, const std::vector<Buffer *> &inputs, const Extents &extents,
                                bool rounded = false);

} // namespace caa::test
