// Reverse-mode differentiation of the scalar code in the regions of map and attend.
#pragma once

#include "dialect/Caa/Builders.h"
#include "mlir/IR/IRMapping.h"

namespace caa {

/// The gradient of one yielded scalar: `cotangent` is 0 wherever `guard` (an i1; null for always) is false, and
/// whatever is derived from it is made exactly 0 there too, even where a slope is infinite or NaN.
struct ScalarSeed {
  mlir::Value yielded;   ///< in the block that is differentiated
  mlir::Value cotangent; ///< where the adjoint is built
  mlir::Value guard;
};

/// weight * other: what a dot product adds to the gradient of one of its rows.
struct VectorTerm {
  mlir::Value weight; ///< where the adjoint is built
  mlir::Value other;  ///< the other row: an argument of the block that is differentiated
};

/// What arrives at the arguments of a block.
struct ScalarGradients {
  llvm::SmallVector<mlir::Value> scalars;                   ///< per argument; null where nothing arrives
  llvm::SmallVector<llvm::SmallVector<VectorTerm>> vectors; ///< per argument, one term per other row
};

/// Clones the ops of `block` (not its terminator) at the builder; `forward` maps the arguments, then every value.
void cloneScalars(mlir::OpBuilder &builder, mlir::Block &block, mlir::IRMapping &forward);

/// Emits the gradients of the block's arguments at the builder, given clones of its values. `wanted` says which
/// arguments anyone needs. Rules at kinks are those of the language: slope 0 for sqrt, abs and clip, ties of max and
/// min to the first operand, nothing from the side that a select does not take. An op without a rule is an error at its
/// location.
mlir::FailureOr<ScalarGradients> differentiateScalars(mlir::OpBuilder &builder, mlir::Block &block,
                                                      const mlir::IRMapping &forward, llvm::ArrayRef<ScalarSeed> seeds,
                                                      llvm::ArrayRef<bool> wanted);

} // namespace caa
