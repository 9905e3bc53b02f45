// Where the wide tiles of a kernel lie in shared memory.
//
// A tile loaded outside of sweeps is *held*: it has a place of its own. What the bodies of a sweep load is *swept*: equal loads of
// all bodies are one, and together they make a stage of the sweep's ring. Narrow tiles of the swept axis travel with them. Rows of a
// tile lie an odd number of 16-byte chunks apart, so that the 8 rows that ldmatrix reads at once lie in different banks.
#pragma once

#include "codegen/Llvm/Access.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace caa::nvptx {

/// A tile in shared memory, `offset` bytes from the start of a stage, or of all shared memory.
struct SharedTile {
  int64_t offset = 0, rows = 0, columns = 0, pitch = 0;
  mlir::Type element;

  /// Columns with those of zeros that fill the last 16, and so with rows (a narrow tile has one row, of all its columns).
  int64_t padded() const { return (columns + 15) / 16 * 16; }
  int64_t paddedRows() const { return rows == 1 ? 1 : (rows + 15) / 16 * 16; }
  int64_t bytes() const { return (paddedRows() * pitch + 15) / 16 * 16; }
  bool hasPadding() const { return padded() != columns || paddedRows() != rows; }
};

/// A load that a ring does: an example of the loads that it stands for.
struct StagedLoad {
  tile::LoadOp load;
  SharedTile tile;
  bool isRow = false; ///< 1xC: elements one after the other
};

struct Ring {
  llvm::SmallVector<StagedLoad> loads;
  int64_t offset = 0, stageBytes = 0, stages = 2;
};

class SharedPlan {
public:
  /// Moves invariant scalars out of the sweeps of `kernel`, then decides. Fails with a diagnostic on loads that no ring can do, and
  /// on kernels that need more than `mostBytes`. Rings have one stage only where it takes that to keep to `wantedBytes`.
  mlir::LogicalResult plan(mlir::func::FuncOp kernel, int64_t exchangeBytes, int64_t wantedBytes, int64_t mostBytes);

  const SharedTile *held(tile::LoadOp load) const;
  const Ring &ring(tile::SweepOp sweep) const { return rings.find(sweep)->second; }
  /// The number of the staged load that stands for `load`, if one does.
  std::optional<size_t> staged(tile::LoadOp load) const;
  int64_t exchangeOffset() const { return exchange; }
  int64_t bytes() const { return end; }
  /// Whether some tile has columns or rows of zeros.
  bool hasPadding() const { return padding; }

private:
  int64_t end = 0, exchange = 0;
  bool padding = false;
  llvm::DenseMap<mlir::Operation *, SharedTile> heldTiles;
  llvm::DenseMap<mlir::Operation *, Ring> rings;
  llvm::DenseMap<mlir::Operation *, size_t> stagedNumbers;
};

} // namespace caa::nvptx
