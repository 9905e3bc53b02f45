// Builds one tile.map whose operands are found while its region is written.
#pragma once

#include "dialect/Tile/TileDialect.h"
#include "passes/Lower/Attend/ScalarCloner.h"

namespace caa::attend {

class MapBuilder {
public:
  /// The map will be inserted at `outside`'s insertion point when it is finished.
  MapBuilder(mlir::OpBuilder &outside, mlir::Location location, int64_t rows, int64_t columns);
  ~MapBuilder();

  /// The scalar of a tile within the region; a scalar from outside is itself.
  mlir::Value scalar(mlir::Value tileOrScalar);
  /// For code of the region.
  mlir::OpBuilder &body() { return inside; }
  /// Adds a result; the same scalar twice is one result. Returns its number in what `finish` gives.
  unsigned yield(mlir::Value scalar);
  /// Creates the map without what turned out to be unused.
  llvm::SmallVector<mlir::Value> finish();

private:
  mlir::OpBuilder &outside;
  mlir::Location location;
  int64_t rows, columns;
  mlir::Block *block;
  mlir::OpBuilder inside;
  llvm::SmallVector<mlir::Value> operands, yields;
};

/// A map with one result over the given tiles and scalars: `write` gets their scalars and gives the result's.
mlir::Value map(mlir::OpBuilder &builder, mlir::Location location, tile::TileType shape, llvm::ArrayRef<mlir::Value> operands,
                llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::ValueRange)> write);

} // namespace caa::attend
