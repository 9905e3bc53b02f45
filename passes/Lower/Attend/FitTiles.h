// Tile sizes for kernels whose pair tiles and sums live in registers: of warpgroups (codegen/Nvptx/Hopper), or of warps that read
// held and swept tiles from padded rows in shared memory (codegen/Nvptx/Portable).
#pragma once

#include "dialect/Caa/CaaDialect.h"

namespace caa::attend {

struct TileSizes {
  int64_t held, swept;
};

/// The largest tiles of an attend that fit into registers, 64 held rows per warpgroup: estimated from the widths of its sums, the
/// number of its products and of the operations per pair. Nothing where its rows are not bf16 (no tensor core takes them).
std::optional<TileSizes> fitTiles(AttendOp attend);

/// The largest tiles, none larger than `most`, of which a block of `bytes` of shared memory takes the held ones and two stages of
/// swept ones (and the lists of a ranking), and a thread's registers what it holds of 16 rows for each warp. Where none fit, the
/// smallest that there are.
TileSizes fitBlock(AttendOp attend, TileSizes most, int64_t bytes);

} // namespace caa::attend
