// Tile sizes for kernels whose pair tiles and sums live in the registers of warpgroups (codegen/Nvptx/Hopper).
#pragma once

#include "dialect/Caa/CaaDialect.h"

namespace caa::attend {

struct TileSizes {
  int64_t held, swept;
};

/// The largest tiles of an attend that fit into registers, 64 held rows per warpgroup: estimated from the widths of its sums, the
/// number of its products and of the operations per pair. Nothing where its rows are not bf16 (no tensor core takes them).
std::optional<TileSizes> fitTiles(AttendOp attend);

} // namespace caa::attend
