// Loads: what a kernel knows of one head, and of one tile of tokens of the queries' or the keys' axis.
#pragma once

#include "passes/Lower/Attend/RegionFacts.h"
#include "passes/Lower/Attend/Numbers.h"
#include "passes/Lower/Attend/Intervals.h"

namespace caa::attend {

/// One head of one batch row: its per-head scalars, by the region's value.
struct HeadValues {
  mlir::Value batch, head;
  llvm::DenseMap<mlir::Value, mlir::Value> scalars;
};

/// One tile of one axis: by the region's value, Rx1 or 1xC for scalars, RxN for vectors.
struct AxisTile {
  Axis axis;
  mlir::Value start; // index: the first token
  llvm::DenseMap<mlir::Value, mlir::Value> tiles;
};

class Loader {
public:
  /// `buffers` are the attend's operands as memrefs.
  Loader(const RegionFacts &facts, const Layout &layout, llvm::ArrayRef<mlir::Value> buffers, mlir::Value length)
      : facts(facts), layout(layout), buffers(buffers), length(length) {}

  HeadValues loadHead(mlir::OpBuilder &builder, mlir::Value batch, mlir::Value head) const;
  /// Adds to a tile what it lacks of these.
  void load(mlir::OpBuilder &builder, const HeadValues &head, AxisTile &tile, const ValueSet &scalars, const ValueSet &vectors) const;
  /// Adds all that pairs and reductions use.
  void loadAll(mlir::OpBuilder &builder, const HeadValues &head, AxisTile &tile) const {
    load(builder, head, tile, facts.crossing(tile.axis), facts.vectors(tile.axis));
  }

  /// Bounds of a scalar over a tile's tokens, those past the end left out.
  Fact<RuntimeNumbers> bounds(mlir::OpBuilder &builder, const AxisTile &tile, mlir::Value scalar) const;

  /// Token numbers, Rx1 or 1xC of i64.
  mlir::Value tokens(mlir::OpBuilder &builder, Axis axis, mlir::Value start) const;
  /// The head of a value with `heads` heads that serves `head`.
  mlir::Value servingHead(mlir::OpBuilder &builder, mlir::Value head, int64_t heads) const;

private:
  mlir::Value loadScalar(mlir::OpBuilder &builder, const HeadValues &head, Axis axis, mlir::Value start, unsigned operand) const;
  mlir::Value headDot(mlir::OpBuilder &builder, const HeadValues &head, const AxisTile &tile, DotOp dot) const;

  const RegionFacts &facts;
  const Layout &layout;
  llvm::ArrayRef<mlir::Value> buffers;
  mlir::Value length;
};

} // namespace caa::attend
