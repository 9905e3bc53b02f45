// What all lowerings of token-wise kernels share: the function of buffers, tile shorthand, the grid.
#pragma once

#include "passes/Kernels/Passes.h"

namespace caa {

/// memref<?xHxNxE>, memref<HxNxE> or memref<NxE> for a tensor; truth values are bytes.
mlir::MemRefType bufferOf(mlir::Type tensor);

/// Heads and width of any tensor of a kernel; a parameter row is one head.
Shape tileShape(mlir::Value value);

/// The element as it lies in memory.
mlir::Type storedElement(mlir::Type element);

/// A tile kernel in the making, in the place of a function of tensors.
class TileFunction {
public:
  /// Starts the kernel: buffers for the inputs, then for the outputs (none for an output in the place of an input), and
  /// an empty body. The token-wise inputs in `byBatch` keep batch and length as two axes: all tokens, even in a loop
  /// over chunks of rows. With `outputsByBatch`, the outputs do too.
  explicit TileFunction(mlir::func::FuncOp source, llvm::ArrayRef<unsigned> byBatch = {}, bool outputsByBatch = false);

  /// Puts the kernel in the place of its source, with the grid and an estimate of a work item's operations.
  void finish(llvm::ArrayRef<tile::TermAttr> grid, double flops);

  mlir::OpBuilder &getBuilder() { return builder; }
  mlir::Location getLocation() const { return location; }
  mlir::Value getInput(unsigned number) { return kernel.getArgument(number); }
  mlir::Value getOutput(unsigned number) { return kernel.getArgument(outputs[number]); }
  /// Whether the kernel adds to an output's buffer.
  bool isAccumulated(unsigned number) { return source.getResultAttr(number, "caa.accumulates") != nullptr; }
  mlir::func::FuncOp getKernel() const { return kernel; }

  /// A term of a grid: `coefficient` times the rows over `divisor`, rounded up; without `divisor` a fixed number.
  tile::TermAttr term(int64_t coefficient, int64_t divisor = 0);

  // Shorthand at the builder's insertion point.
  mlir::Value index(int64_t value);
  mlir::Value extent(tile::Extent extent) {
    return tile::ExtentOp::create(builder, location, builder.getIndexType(), extent);
  }
  mlir::Value item() { return tile::ItemOp::create(builder, location, builder.getIndexType()); }
  mlir::Value load(mlir::Value source, mlir::ValueRange indices, int64_t rows, int64_t columns);
  void store(mlir::Value tile, mlir::Value target, mlir::ValueRange indices, bool accumulate = false);
  mlir::Value zeros(int64_t rows, int64_t columns, mlir::Type element);
  mlir::Value splat(mlir::TypedAttr scalar, int64_t rows, int64_t columns);
  mlir::Value reduce(tile::Combine combine, mlir::Value tile, int64_t rows, int64_t columns);
  mlir::Value extract(mlir::Value tile);
  using Scalars = llvm::SmallVector<mlir::Value>;
  using Body = llvm::function_ref<Scalars(mlir::OpBuilder &, mlir::ValueRange)>;
  /// A tile.map with results of the given elements.
  llvm::SmallVector<mlir::Value> map(mlir::ValueRange operands, int64_t rows, int64_t columns, mlir::TypeRange elements,
                                     Body body);
  mlir::Value map1(mlir::ValueRange operands, int64_t rows, int64_t columns, mlir::Type element,
                   llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::ValueRange)> body);

  /// Calls `body` with (first column, width) for all columns of `width`: a loop over tiles of `tileWidth`, then the
  /// rest. What is carried goes through both.
  using ColumnBody = llvm::function_ref<Scalars(mlir::Value column, int64_t columns, mlir::ValueRange carried)>;
  Scalars forColumns(int64_t width, int64_t tileWidth, mlir::ValueRange inits, ColumnBody body);
  /// scf.for with index bounds.
  using LoopBody = llvm::function_ref<Scalars(mlir::Value index, mlir::ValueRange carried)>;
  Scalars forRange(mlir::Value lower, mlir::Value upper, int64_t step, mlir::ValueRange inits, LoopBody body);

private:
  mlir::func::FuncOp source, kernel;
  llvm::SmallVector<unsigned> outputs;
  mlir::OpBuilder builder;
  mlir::Location location;
};

tile::TileType tileType(int64_t rows, int64_t columns, mlir::Type element);

// The lowerings, by what a kernel holds.
/// Maps, sums over the width, rotations, gathers and partial sums: a block of token rows per work item.
void lowerTokens(mlir::func::FuncOp source);
/// Cross entropy, its gradient, and head-loss rows: a row of logits per work item.
void lowerRowLoss(mlir::func::FuncOp source);
/// Gradients of tables, reports, sums over all rows.
void lowerEmbedGrad(mlir::func::FuncOp source);
void lowerReport(mlir::func::FuncOp source);
void lowerReportSum(mlir::func::FuncOp source);
void lowerColumnSum(mlir::func::FuncOp source);
/// Running sums: a component of a row per work item.
void lowerCumsum(mlir::func::FuncOp source);
/// Shifts and holds: some tokens of a row per work item.
void lowerMove(mlir::func::FuncOp source);
/// Values of blocks of tokens: a block of a row per work item.
void lowerPool(mlir::func::FuncOp source);

} // namespace caa
