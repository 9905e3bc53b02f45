// The code that decides, tile by tile, whether a sweep visits and with which body.
#pragma once

#include "passes/Lower/Attend/AxisTiles.h"
#include "passes/Lower/Attend/Bodies.h"

namespace caa::attend {

/// Facts about the held tile: computed once, before the sweep.
struct HeldFacts {
  const AxisTile *tile = nullptr;
  mlir::Value low, high; // i64: its tokens
  llvm::DenseMap<mlir::Value, Fact<RuntimeNumbers>> scalars;
};

class Visits {
public:
  Visits(const RegionFacts &facts, const Layout &layout, const Loader &loader, llvm::ArrayRef<Body> bodies, mlir::Value length,
         bool heldMustBeInside)
      : facts(facts), layout(layout), loader(loader), bodies(bodies), length(length), heldMustBeInside(heldMustBeInside) {}

  HeldFacts hold(mlir::OpBuilder &builder, const AxisTile &held) const;
  /// Writes a visit region: from the swept tile's start to the number of a body, -1 where every reduction is surely empty.
  mlir::Value visit(mlir::OpBuilder &builder, const HeadValues &head, const HeldFacts &held, mlir::Value start) const;
  /// Where the sweep may begin and end: at the held tile if nothing before or beyond it can count (a causal set), else at the
  /// sequence's own ends.
  std::pair<mlir::Value, mlir::Value> limits(mlir::OpBuilder &builder, const HeadValues &head, const HeldFacts &held) const;

private:
  using Leaf = std::function<std::optional<Fact<RuntimeNumbers>>(mlir::Value)>;
  Leaf leaves(mlir::OpBuilder &builder, const HeadValues &head, const HeldFacts &held, mlir::Value sweptLow, mlir::Value sweptHigh,
              mlir::Value sweptStart) const;
  mlir::Value emptiness(RuntimeNumbers &numbers, Intervals<RuntimeNumbers> &intervals) const;
  std::pair<mlir::Value, mlir::Value> tokens(mlir::OpBuilder &builder, mlir::Value start, int64_t size) const;

  const RegionFacts &facts;
  const Layout &layout;
  const Loader &loader;
  llvm::ArrayRef<Body> bodies;
  mlir::Value length;
  bool heldMustBeInside;
};

} // namespace caa::attend
