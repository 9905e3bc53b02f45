// An attend as its definition reads: every pair of tokens, in float64, nothing tiled. The oracle for its lowering.
#pragma once

#include "dialect/Caa/CaaDialect.h"
#include "test/tile/TileInterpreter.h"

namespace caa::test {

/// The shape of a token-wise or per-head value at a batch and length.
std::vector<int64_t> shapeAt(mlir::Type type, int64_t batch, int64_t length);

/// All results, from the operands.
std::vector<Buffer> naiveAttend(AttendOp attend, const std::vector<Buffer *> &operands, int64_t batch, int64_t length);

} // namespace caa::test
