// Tiles for the values of a kernel of token-wise or per-head ops, on demand: a tile per value, head and range of
// columns.
#pragma once

#include "passes/Kernels/TileScopes.h"

namespace caa {

class TokenEmitter {
public:
  /// `rows` token rows per tile; per-head values have tiles of one row.
  TokenEmitter(TileFunction &function, mlir::func::FuncOp source, int64_t rows)
      : function(function), scopes(function), source(source), rows(rows) {}

  TileScopes &getScopes() { return scopes; }
  /// The first row of the block, known from the present scope on.
  void setFirstRow(mlir::Value row) {
    firstRow = row;
    scopes.setDepth(row, rowDepth = scopes.depth());
  }
  mlir::Value getFirstRow() const { return firstRow; }

  /// The tile of a value at a place; where a value has fewer heads than `heads`, `place.head` counts in `heads`.
  mlir::Value emit(mlir::Value value, Place place);
  /// The same as tiles side by side, where the value comes in parts.
  llvm::SmallVector<mlir::Value> emitParts(mlir::Value value, Place place);
  /// A tile with all of the given rows and columns, from one that may have one row or one column for all.
  mlir::Value widen(mlir::Value tile, int64_t tileRows, int64_t columns);
  /// Rx1 truth values: which rows of the block exist.
  mlir::Value emitValidRows();

  int64_t rowsOf(mlir::Value value) const { return isTokenwise(value.getType()) ? rows : 1; }

private:
  llvm::SmallVector<mlir::Value> compute(mlir::Value value, const Place &place);
  mlir::Value loadInput(mlir::BlockArgument input, const Place &place);
  void emitMap(MapOp map, const Place &place, unsigned depth);
  mlir::Value emitReduceHeads(ReduceHeadsOp reduce, const Place &place);
  mlir::Value emitSumPartials(SumPartialsOp sum, const Place &place);
  llvm::SmallVector<mlir::Value> emitRope(RopeOp rope, const Place &place);
  llvm::SmallVector<mlir::Value> emitRopeTable(RopeTableOp table);
  llvm::SmallVector<mlir::Value> emitReshape(ReshapeOp reshape, const Place &place);
  mlir::Value emitIndex(bool hasNext);
  mlir::Value slice(mlir::Value tile, int64_t start, int64_t columns);
  mlir::Value truth(mlir::Value bytes);
  unsigned depthOf(mlir::Value value, const Place &place) const;
  static bool isReadInParts(mlir::Value value);

  TileFunction &function;
  TileScopes scopes;
  mlir::func::FuncOp source;
  int64_t rows;
  mlir::Value firstRow, validRows;
  unsigned rowDepth = 0;
};

} // namespace caa
