// How an attend's pairs are laid out in a kernel: which axis a work item holds, which lies along the rows of a pair tile.
#pragma once

#include "dialect/Caa/CaaDialect.h"
#include "dialect/Tile/TileDialect.h"

namespace caa::attend {

inline Axis other(Axis axis) { return axis == Axis::Keys ? Axis::Queries : Axis::Keys; }

/// What a value of an attend's region depends on. A value that depends on neither axis is the same for a whole head.
struct Dependence {
  bool queries = false, keys = false;
  bool dot = false;     // on a dot product: only known after the matrix product of a tile
  bool operand = false; // on an operand: not a function of positions and constants alone
  bool unit = false;    // on the unit that the key is in

  bool isPair() const { return (queries && keys) || unit; }
  bool isHead() const { return !queries && !keys && !unit; }
  bool isOnly(Axis axis) const { return !unit && (axis == Axis::Keys ? keys && !queries : queries && !keys); }
  /// The same for all keys of a unit: one number per query and unit.
  bool isOfUnit() const { return unit && !keys; }
  Dependence operator|(Dependence o) const {
    return {queries || o.queries, keys || o.keys, dot || o.dot, operand || o.operand, unit || o.unit};
  }
};

/// A work item holds a tile of one axis and sweeps over the tiles of the other. Whatever the roles, one of the two lies along
/// the rows of a pair tile; values of one token and one head are Rx1 there and 1xC along the columns.
struct Layout {
  Axis held = Axis::Queries, rows = Axis::Queries;
  int64_t queries = 64, keys = 64; // tokens per tile

  Axis swept() const { return other(held); }
  int64_t size(Axis axis) const { return axis == Axis::Keys ? keys : queries; }
  bool isColumns(Axis axis) const { return axis != rows; }

  /// The tile of a scalar with this dependence.
  tile::TileType scalars(Dependence on, mlir::Type element) const {
    bool alongRows = rows == Axis::Keys ? on.keys : on.queries, alongColumns = rows == Axis::Keys ? on.queries : on.keys;
    return tile::TileType::get(element.getContext(), alongRows ? size(rows) : 1, alongColumns ? size(other(rows)) : 1, element);
  }
  tile::TileType scalars(Axis axis, mlir::Type element) const {
    return scalars(Dependence{.queries = axis == Axis::Queries, .keys = axis == Axis::Keys}, element);
  }
  tile::TileType pairs(mlir::Type element) const { return scalars(Dependence{.queries = true, .keys = true}, element); }
  /// The tile of a vector per token: always one token per row, as in memory.
  tile::TileType vectors(Axis axis, int64_t width, mlir::Type element) const {
    return tile::TileType::get(element.getContext(), size(axis), width, element);
  }
};

} // namespace caa::attend
