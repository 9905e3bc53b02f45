// How each tile lies in memory: by rows, or by columns (its transpose by rows).
//
// A column tile (Rx1) lies along its rows, a row tile (1xC) along its columns. For the others the choice decides what has
// to be transposed: the vectors of a product run along its result's inner axis, so a score tile Q K^T that lies by rows
// needs K transposed in every step of a sweep, one that lies by columns needs Q transposed once before it. It also
// decides which reductions are vertical. Values that maps, reductions and loops connect lie alike.
#pragma once

#include "dialect/Tile/TileDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"

namespace caa::cpu {

enum class Layout { Rows, Columns };

inline tile::TileType tileOf(mlir::Value value) { return mlir::dyn_cast<tile::TileType>(value.getType()); }
inline bool isFull(tile::TileType type) { return type.getRows() > 1 && type.getColumns() > 1; }

/// The axes of a tile as it lies: `outer` strided, `inner` contiguous.
inline int64_t outerOf(tile::TileType type, Layout layout) { return layout == Layout::Rows ? type.getRows() : type.getColumns(); }
inline int64_t innerOf(tile::TileType type, Layout layout) { return layout == Layout::Rows ? type.getColumns() : type.getRows(); }

/// Whether a value is a place in a buffer: a load, or columns of one.
bool isSource(mlir::Value value);
/// The value that a chain of slices starts from.
mlir::Value rootOf(mlir::Value value);
/// The region op (sweep, scf.for, scf.if) that a terminator's values go to, and which results they are.
bool isLoop(mlir::Operation *op);
int64_t loopDepth(mlir::Block *block);

class Layouts {
public:
  explicit Layouts(mlir::func::FuncOp kernel);
  Layout of(mlir::Value value) const;
  /// How an operand must lie for its user, if that matters.
  std::optional<Layout> required(mlir::OpOperand &operand) const;

private:
  llvm::DenseMap<mlir::Value, Layout> full;
};

} // namespace caa::cpu
