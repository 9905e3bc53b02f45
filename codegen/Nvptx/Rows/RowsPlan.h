// How a kernel's tiles lie over the threads of a team: decided once for the whole kernel, so that maps need no exchange.
//
// A team of rowThreads x columnThreads threads does one work item. Row r of a tile is held by the threads with r mod rowThreads
// as their row; what has one row is held by all of them, and so with columns. A tile's columns are cut into segments where
// some op slices or concatenates; the threads of a row take a segment in turns of `vector` columns each.
#pragma once

#include "dialect/Tile/TileDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <set>

namespace caa::nvptx {

struct Segment {
  int64_t start, columns;
  int64_t vector; ///< columns that a thread takes at once
  int64_t turns;  ///< how often all threads of the row do
  bool whole;     ///< all turns of all threads are within the segment
};

class RowsPlan {
public:
  explicit RowsPlan(mlir::func::FuncOp kernel);

  int64_t rowThreads = 1, columnThreads = 1;
  int64_t teams = 1; ///< per block
  int64_t team() const { return rowThreads * columnThreads; }
  int64_t threads() const { return teams * team(); }

  /// How many rows of a tile with `rows` rows one thread holds.
  int64_t rowsPerThread(int64_t rows) const { return (rows + rowThreads - 1) / rowThreads; }
  /// The segments of a tile with more than one column.
  llvm::SmallVector<Segment> segmentsOf(mlir::Value tile) const;
  /// Registers per row that a thread holds of a tile.
  int64_t slotsOf(mlir::Value tile) const;
  bool sameColumns(mlir::Value a, mlir::Value b) const;

private:
  using Cuts = std::set<int64_t>;
  void findCuts(mlir::func::FuncOp kernel);
  void chooseTeam(mlir::func::FuncOp kernel);

  llvm::DenseMap<mlir::Value, Cuts> cuts; ///< inner boundaries
  int64_t widestVector = 1;
};

} // namespace caa::nvptx
