// How each reduction of an attend is carried through a sweep: its start, its step per tile, its end.
#pragma once

#include "passes/Lower/Attend/AxisTiles.h"
#include "passes/Lower/Attend/Bodies.h"
#include "passes/Lower/Attend/MapBuilder.h"

namespace caa::attend {

/// What a body works with: the tiles at hand, and the scalars of a pair, which all reductions share.
struct PairTile {
  mlir::OpBuilder &builder;
  const AxisTile &held, &swept;
  MapBuilder &map;
  ScalarCloner &cloner;
  mlir::Value inside; // of the map's region: whether no token is past the end; null where that is certain
  std::function<mlir::Value(mlir::Value)> ofUnit; // the tile (or constant) of what is one number per query and unit
};

class Reduction {
public:
  Reduction(const RegionFacts &facts, const Layout &layout, unsigned number);

  ReductionAttr attribute() const { return attr; }
  unsigned firstResult() const { return result; }
  unsigned countResults() const { return AttendOp::countResults(attr); }
  /// Whether it runs over the swept axis: then it has a state. Otherwise each tile's share is added to memory.
  bool isCarried() const { return attr.getAxis() == layout.swept(); }
  /// Heads of the attend that are summed into one head of the result.
  int64_t groupSize() const;

  llvm::SmallVector<mlir::Type> stateTypes() const;
  llvm::SmallVector<mlir::Value> start(mlir::OpBuilder &builder) const;

  /// What it takes from the pairs' map; `nothing` where no pair of the tile can count.
  struct Request {
    bool nothing = false;
    std::optional<unsigned> scores, members, weights, values;
    mlir::Value unitScores, unitMembers; // tiles of one number per query, where units are ranked
  };
  Request request(PairTile &pairs) const;
  /// The state after a tile.
  llvm::SmallVector<mlir::Value> step(mlir::OpBuilder &builder, const Request &request, mlir::ValueRange mapped, const PairTile &pairs,
                                      mlir::ValueRange state) const;
  /// The tile's share of a reduction over the held axis: along the swept tile.
  mlir::Value share(mlir::OpBuilder &builder, const Request &request, mlir::ValueRange mapped, const PairTile &pairs) const;
  /// The results' tiles (of the held axis) from the last state.
  llvm::SmallVector<mlir::Value> finish(mlir::OpBuilder &builder, mlir::ValueRange state, const AxisTile &held) const;

private:
  tile::TileType scalars(mlir::Type element) const { return layout.scalars(layout.held, element); }
  tile::TileType vectorType(Axis axis, mlir::Type element = {}) const; // f32 without an element
  bool hasVector() const { return value && llvm::isa<mlir::VectorType>(value.getType()); }
  mlir::Value asFactor(mlir::OpBuilder &builder, mlir::Value weight) const;
  mlir::Value weighted(mlir::OpBuilder &builder, mlir::Value weights, mlir::Value values, mlir::Value accumulator, Axis reduced) const;
  mlir::Value along(mlir::OpBuilder &builder, tile::Combine combine, mlir::Value pairs, Axis reduced) const;
  bool requestUnits(PairTile &pairs, Request &request) const;
  llvm::SmallVector<mlir::Value> stepSoftmax(mlir::OpBuilder &builder, const Request &request, mlir::ValueRange mapped,
                                             const PairTile &pairs, mlir::ValueRange state) const;

  const RegionFacts &facts;
  const Layout &layout;
  ReductionAttr attr;
  mlir::Location location;
  unsigned number, result;
  mlir::BlockArgument value, count;
};

} // namespace caa::attend
