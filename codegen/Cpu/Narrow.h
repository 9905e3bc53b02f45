// Which maps may compute their i64 values in 32 bits.
#pragma once

#include "dialect/Tile/TileDialect.h"

namespace caa::cpu {

/// Whether every i64 value of a map's region fits into 32 bits, by interval arithmetic. Positions, lengths and item numbers
/// are taken to be below 2^29.
bool mayNarrow(tile::MapOp map);

} // namespace caa::cpu
