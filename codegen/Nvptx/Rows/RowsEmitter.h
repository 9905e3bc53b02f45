// Writes one kernel as the code of a thread, following its RowsPlan. The parts are in Emit*.cpp: control, memory, reductions.
#pragma once

#include "codegen/Nvptx/Core/Frame.h"
#include "codegen/Nvptx/Core/ScalarRegion.h"
#include "codegen/Nvptx/Rows/RowsPlan.h"
#include "codegen/Llvm/Access.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

namespace caa::nvptx {

/// What a thread holds of a tile: its rows, and for each its slots (columns).
struct Held {
  int64_t rows = 1, slots = 1;
  SmallVector<Value> values;
  Value &at(int64_t row, int64_t slot) { return values[size_t((rows == 1 ? 0 : row) * slots + (slots == 1 ? 0 : slot))]; }
};

class RowsEmitter {
public:
  RowsEmitter(Frame &frame, const RowsPlan &plan) : frame(frame), code(frame.code), plan(plan) {}
  mlir::LogicalResult run();

private:
  // EmitControl.cpp
  mlir::LogicalResult emitBlock(Block &block);
  mlir::LogicalResult emitOp(mlir::Operation *op);
  mlir::LogicalResult emitMap(tile::MapOp map);
  mlir::LogicalResult emitFor(mlir::scf::ForOp loop);
  mlir::LogicalResult emitIf(mlir::scf::IfOp choice);
  mlir::LogicalResult emitSweep(tile::SweepOp sweep);
  void emitSlice(tile::SliceOp slice);
  void emitConcat(tile::ConcatOp concat);
  void emitIota(tile::IotaOp iota);
  Value scalar(Value value);
  Held shape(Value tile);
  SmallVector<Value> flatten(ValueRange values);
  void bind(ValueRange names, ValueRange registers);

  // EmitMemory.cpp
  void emitLoad(tile::LoadOp load);
  void emitStore(tile::StoreOp store);
  void emitGather(tile::GatherOp gather);
  mlir::LogicalResult emitScatter(tile::ScatterAddOp scatter);
  void findHazards();
  void separate(Value buffer);
  Value baseOf(const emit::Access &access, int64_t &alignment);
  Value rowsLeft(const emit::Access &access);
  int64_t divisorOf(Value index, int depth = 0);
  SmallVector<Value> loadVector(Value address, Type element, int64_t count, int64_t alignment, Value valid, bool readOnly);
  void storeVector(ArrayRef<Value> values, Value address, int64_t alignment);
  Value tableRow(Value index, int64_t size);
  /// The column that a thread's turn in a segment starts with, kept inside the segment; `inside`: whether it had to be.
  Value columnOf(const Segment &segment, int64_t turn, Value &inside);
  Value rowOf(int64_t row);

  // EmitReduce.cpp
  void emitReduce(tile::ReduceOp reduce);
  Value combine(tile::Combine how, Value a, Value b);
  Value neutral(tile::Combine how, Type type);
  void acrossColumns(tile::Combine how, Held &held);
  void acrossRows(tile::Combine how, Held &held);
  Value exchange(int64_t bytes);
  void teamBarrier();

  Frame &frame;
  ThreadCode &code;
  const RowsPlan &plan;
  ScalarOptions options;
  Value item, rowThread, columnThread, teamNumber, members; ///< i32 but for `item` (i64)
  llvm::DenseMap<Value, Value> scalars;
  llvm::DenseMap<Value, Held> tiles;
  llvm::DenseSet<Value> hazards; ///< buffers through which threads of a team may speak
  int64_t exchangeBytes = 0;     ///< shared memory of a team, of one of two areas
  int exchanges = 0;
  SmallVector<std::pair<mlir::Operation *, int64_t>> areas; ///< constants to be replaced by the areas' offsets
};

} // namespace caa::nvptx
