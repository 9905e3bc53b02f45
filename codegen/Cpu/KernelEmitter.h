// Writes one kernel as LLVM dialect code, following its KernelPlan. The parts are in Emit*.cpp: control, memory, groups,
// products, rankings.
#pragma once

#include "codegen/Cpu/Code.h"
#include "codegen/Cpu/Plan.h"

namespace caa::cpu {

/// A tile in memory: element (outer p, inner q) lies at base + p * stride + q.
struct Place {
  Value base;
  Type element;
  Layout layout = Layout::Rows;
  int64_t stride = 0;
  Value dynamicStride; ///< if set, instead of `stride`
};

/// A panel of scores, one row for each key shown, and how many rows it has so far.
struct Ranking {
  Value panel, list, count; ///< `list` has room for what `threshold` keeps; it may be the panel itself
  int64_t rows = 0;
};

class KernelEmitter {
public:
  KernelEmitter(mlir::func::FuncOp kernel, Code &code, const KernelPlan &plan) : kernel(kernel), code(code), plan(plan) {}
  /// Fills the function of `code`, whose arguments are those of caa_cpu_kernel.
  mlir::LogicalResult run();
  /// Bytes of scratch as terms: a constant, and what grows with the length.
  mlir::ArrayAttr scratchTerms();

private:
  friend class GroupEmitter;
  friend class DotEmitter;

  // EmitControl.cpp
  mlir::LogicalResult emitBlock(Block &block);
  mlir::LogicalResult emitOp(mlir::Operation *op);
  mlir::LogicalResult emitSweep(tile::SweepOp sweep);
  mlir::LogicalResult emitFor(mlir::Operation *op);
  mlir::LogicalResult emitIf(mlir::Operation *op);
  mlir::LogicalResult emitBody(Block &block, ValueRange arguments, SmallVector<Value> &carried);
  void bindCarried(Value argument, Value like, Value value);
  SmallVector<Value> scalarsOf(ValueRange values);
  Value scalar(Value value);
  void copyCarried(mlir::OpOperand &operand, Value target);

  // EmitMemory.cpp
  Place placeOf(Value value, std::optional<Layout> wanted = std::nullopt);
  Place slotPlace(Value value, const Slot &slot, Layout layout);
  Value strideOf(const Place &place);
  Value elementAddress(const Place &place, Value outer, Value inner);
  Value bufferAddress(const Access &access);
  /// How many rows lie before the end of their axis.
  Value validRows(const Access &access);
  void emitLoad(tile::LoadOp load);
  void emitColumnStore(tile::StoreOp store);
  void emitGather(tile::GatherOp gather);
  void emitScatterAdd(tile::ScatterAddOp scatter);
  void emitConcat(tile::ConcatOp concat);
  void copyRow(Value from, Value to, Type element, int64_t count);
  void copyTile(const Place &from, const Place &to, int64_t outer, int64_t inner);
  void transposeTile(const Place &from, const Place &to, int64_t outer, int64_t inner);
  /// Makes the transposed copies that the plan wants of a value.
  void emitCopies(Value value);
  Value loadedRow(Value rows, Value r, int64_t size);

  // EmitGroup.cpp, EmitDot.cpp
  mlir::LogicalResult emitGroup(const Node &node);
  void emitDot(tile::DotOp dot);

  // EmitRanking.cpp
  void emitRanking(tile::RankingOp op);
  void emitThreshold(tile::ThresholdOp op);
  Value emitClassMaxima(Value panel, int64_t stride, Value rows, Value maxima, int64_t lanes);
  void emitCompaction(const Ranking &ranking, Value firstColumn, int64_t columns, Value bounds, Value cursors, Value names);

  mlir::func::FuncOp kernel;
  Code &code;
  const KernelPlan &plan;
  Value scratch, item, sizes[4];
  SmallVector<Value> buffers;
  llvm::DenseMap<Value, Value> scalars;
  llvm::DenseMap<Value, Place> places; ///< of loads
  llvm::DenseMap<Value, Ranking> rankings;
  llvm::DenseMap<std::pair<Value, Value>, Value> validCounts;
  Value panelEnd; ///< bytes of scratch taken so far, as code
  int64_t panelConstant = 0, panelPerTile = 0, panelTile = 1;
};

} // namespace caa::cpu
