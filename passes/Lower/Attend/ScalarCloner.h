// Copies scalars of a region into another block, folding what becomes known on the way.
#pragma once

#include "mlir/IR/Builders.h"

#include "llvm/ADT/DenseMap.h"

#include <functional>

namespace caa::attend {

/// Values that are taken as known, with their constants.
using Known = llvm::DenseMap<mlir::Value, mlir::TypedAttr>;

class ScalarCloner {
public:
  /// `leaf` gives the copy of a value that is at hand in the target block, or null for one whose op must be copied.
  ScalarCloner(mlir::OpBuilder &builder, std::function<mlir::Value(mlir::Value)> leaf, const Known *known = nullptr)
      : builder(builder), leaf(std::move(leaf)), known(known) {}

  /// Says of which values an error in the last bit does no harm: a division by a constant is then a product with its inverse. Not
  /// of what intervals are computed for as well, as those divide.
  void allowInverses(std::function<bool(mlir::Value)> of) { inverses = std::move(of); }

  /// The copy of `value`. A product with an exact 0 is 0 and x + 0 is x, as an attend's contract allows: what is masked out may
  /// be infinite or NaN.
  mlir::Value get(mlir::Value value);

private:
  mlir::Value copy(mlir::Operation *op, unsigned result);
  mlir::Value constant(mlir::Location location, mlir::TypedAttr value);

  mlir::OpBuilder &builder;
  std::function<mlir::Value(mlir::Value)> leaf;
  std::function<bool(mlir::Value)> inverses;
  const Known *known;
  llvm::DenseMap<mlir::Value, mlir::Value> copies;
};

/// Inserts `op`, which stands nowhere yet, or destroys it if it folds. Gives its value, or what it folded to.
mlir::Value insertFolded(mlir::OpBuilder &builder, mlir::Operation *op, unsigned result = 0);

/// Whether `value` is the constant `expected` (of integers, truth values and floats).
bool isConstant(mlir::Value value, double expected);

} // namespace caa::attend
