// The part of a buffer that a load or store of the tile dialect names.
#pragma once

#include "dialect/Tile/TileDialect.h"

namespace caa::emit {

/// `rows` along a buffer's row axis, `columns` along its width.
struct Access {
  mlir::Value buffer;
  mlir::ValueRange indices;
  int64_t rows, columns;
  bool heads;

  mlir::MemRefType type() const { return mlir::cast<mlir::MemRefType>(buffer.getType()); }
  /// The axis that rows run along; -1 for none.
  int64_t rowAxis() const;
  /// Elements from one row to the next.
  int64_t rowStride() const;
  /// Whether some rows may lie past the end of their axis: its size is known only at run time, or no multiple.
  bool mayBeRagged() const;
  /// One column whose elements lie apart.
  bool isStridedColumn() const { return columns == 1 && rows > 1 && rowStride() != 1; }
};

Access accessOf(tile::LoadOp load);
Access accessOf(tile::StoreOp store);

} // namespace caa::emit
