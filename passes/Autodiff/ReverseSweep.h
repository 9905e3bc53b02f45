// The reverse sweep of autodiff over one function body.
#pragma once

#include "dialect/Caa/CaaDialect.h"

namespace caa {

/// Differentiates the straight-line body of a function with respect to the parameters that it reads and to some of its
/// arguments. Everything is built before the function's terminator.
class ReverseSweep {
public:
  /// `arguments`: those whose gradients are wanted as well.
  ReverseSweep(mlir::func::FuncOp function, mlir::ValueRange arguments);

  /// Adds to the gradient of a value; ignored if the value depends on nothing that is differentiated.
  void seed(mlir::Value value, mlir::Value gradient);
  /// Builds all adjoints. Parameters' gradients leave through `caa.accumulate`. Fails with a diagnostic at an op
  /// without a rule.
  mlir::LogicalResult run();
  /// After `run`: the gradient of one of the arguments, null if none arrives.
  mlir::Value gradientOf(mlir::Value argument);

  const llvm::DenseSet<mlir::StringAttr> &getReachedParameters() const { return reached; }
  unsigned getNumAdjoints() const { return adjoints; }
  unsigned getNumAccumulations() const { return accumulations; }

private:
  void findActive(mlir::ValueRange arguments);
  mlir::LogicalResult visit(mlir::Operation *op);
  mlir::Value take(mlir::Value value);

  mlir::func::FuncOp function;
  mlir::OpBuilder builder;
  llvm::SmallVector<mlir::Operation *> forward; ///< the body before anything was added
  llvm::DenseSet<mlir::Value> active;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value>> contributions;
  llvm::DenseSet<mlir::StringAttr> reached;
  unsigned adjoints = 0, accumulations = 0;
};

} // namespace caa
