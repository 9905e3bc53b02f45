// What the values of an attend's region depend on, and which of them cross from one axis, or from positions, into pairs.
#pragma once

#include "passes/Lower/Attend/Layout.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SetVector.h"

namespace caa::attend {

using ValueSet = llvm::SmallSetVector<mlir::Value, 8>;

class RegionFacts {
public:
  explicit RegionFacts(AttendOp attend);

  AttendOp attend() const { return op; }
  Dependence of(mlir::Value value) const { return dependences.lookup(value); }

  /// Whether the value is a region argument that stands for an operand, and for which one.
  std::optional<unsigned> operandNumber(mlir::Value value) const;

  /// Scalars that depend on this axis alone (heads included) and that pairs or reductions use; arguments too.
  const ValueSet &crossing(Axis axis) const { return axis == Axis::Keys ? fromKeys : fromQueries; }
  /// Of those, what has to be read for (not positions alone) and can rule tiles out: it meets positions, or is a membership itself. A
  /// factor of something known only after a product is left out: that it might be 0 for a whole tile is not worth looking.
  const ValueSet &deciding(Axis axis) const { return axis == Axis::Keys ? decidingKeys : decidingQueries; }
  /// Vectors of this axis: operands of dots and values of reductions.
  const ValueSet &vectors(Axis axis) const { return axis == Axis::Keys ? keyVectors : queryVectors; }
  /// Scalars of a head that anything else uses (constants are left out: they are cloned where they are used).
  const ValueSet &headScalars() const { return fromHeads; }
  /// Pairs' scalars that no dot product is needed for, where one is needed next or a reduction takes them: masks and weights.
  const ValueSet &conditions() const { return positionConditions; }

  /// The operand that reduction `r` weighs as a region argument; null without one.
  mlir::BlockArgument valueOf(ReductionAttr reduction) const;
  /// The count of a `kth`, as a region argument.
  mlir::BlockArgument countOf(ReductionAttr reduction) const;

private:
  void use(mlir::Value value, Dependence user);

  mutable AttendOp op;
  llvm::DenseMap<mlir::Value, Dependence> dependences;
  ValueSet fromKeys, fromQueries, decidingKeys, decidingQueries, keyVectors, queryVectors, fromHeads, positionConditions;
};

} // namespace caa::attend
