// Tiles in the registers of a block's threads, as the accumulators of mma.sync m16n8 and of wgmma m64nN lie there.
//
// Rows lie over warps in strips of 16. In a strip, a thread holds rows lane / 4 and lane / 4 + 8 (its *halves*), and of every 8
// columns (a *block*) the two that begin at 2 (lane % 4). So the four lanes of a *quad* share their rows.
//
// | tile | values of a thread, in order |
// |---|---|
// | RxC | for each strip, each block: half 0: two columns, half 1: two columns. With bf16 the two columns are one i32 (bf16x2) |
// | Rx1 | for each strip: half 0, half 1; the same in all lanes of a quad |
// | 1xC | for each block: two columns; the same for all rows |
// | 1x1 | one value, the same in all threads |
//
// bf16 values of Rx1, 1xC and 1x1 tiles are held as f32, i64 and index ones as i32 (ScalarOptions::narrow). There are whole pairs of
// blocks and whole strips, always: columns and rows past a tile's last one hold what maps make of zeros, and nothing reads them.
#pragma once

#include "codegen/Nvptx/Core/Frame.h"
#include "codegen/Nvptx/Core/ScalarRegion.h"

namespace caa::nvptx {

/// Which rows a warp has: strip s of warp w begins at row `warpDistance` * w + `stripDistance` * s.
struct RowLayout {
  int64_t warps = 4, strips = 1;
  int64_t warpDistance = 16, stripDistance = 64;
  int64_t missing = 0; ///< of the last strip: rows that tiles do not have

  int64_t rows() const { return 16 * warps * strips; }
  int64_t present() const { return rows() - missing; }
  /// A warp's strips one after the other.
  static RowLayout consecutive(int64_t warps, int64_t strips, int64_t missing = 0) { return {warps, strips, 16 * strips, 16, missing}; }
};

struct Fragment {
  tile::TileType type;
  SmallVector<Value> values;
};

class Fragments {
public:
  /// `thread` (i32): the number among the 32 * rows.warps threads that hold rows. Threads of other warps must not run this code.
  Fragments(Frame &frame, RowLayout rows, Value thread, ScalarOptions options);
  virtual ~Fragments() = default;

  //===-- The layout --------------------------------------------------------------------------------------------===//
  enum class Shape { Scalar, Column, Row, Pair };
  static Shape shapeOf(tile::TileType type);
  /// Blocks of 8 columns: an even number.
  static int64_t blocksOf(int64_t columns) { return (columns + 15) / 16 * 2; }
  static bool isPacked(tile::TileType type) { return shapeOf(type) == Shape::Pair && type.getElement().isBF16(); }
  /// How many values a thread has of a tile, and their type.
  int64_t countOf(tile::TileType type) const;
  Type valueTypeOf(tile::TileType type) const;
  /// Place of a value in an RxC tile; of the i32 that holds `column` 0 and 1 if it is packed.
  static int64_t pairIndex(tile::TileType type, int64_t strip, int64_t block, int64_t half, int64_t column);

  const RowLayout rows;
  Value quad;      ///< lane / 4: the thread's row in a strip (half 0), i32
  Value pair;      ///< 2 (lane % 4): its first column in a block, i32
  Value firstRow;  ///< of the warp, i32
  Value warp;      ///< the warp's number among those that hold rows, i32
  Value rowOf(int64_t strip, int64_t half);     ///< within the tile, i32
  Value columnOf(int64_t block, int64_t column); ///< within the tile, i32
  /// The smaller of a number of rows (i32; null: all) and of those that tiles have; null: all.
  Value present(Value rowsLeft);

  //===-- Values ------------------------------------------------------------------------------------------------===//
  /// The same value everywhere (f32 for bf16).
  Fragment splat(tile::TileType type, Value value);
  Fragment iota(tile::TileType type, Value start);
  /// What a map reads: tiles, and scalars (of its operands or from outside of its region).
  struct Inputs {
    llvm::function_ref<const Fragment &(Value)> tile;
    llvm::function_ref<Value(Value)> scalar;
  };
  mlir::FailureOr<SmallVector<Fragment>> map(tile::MapOp op, Inputs inputs);
  /// Along the columns: in registers and over quads. Along the rows, and to 1x1 of tiles with rows, over all warps: two barriers.
  Fragment reduce(tile::ReduceOp op, const Fragment &from);
  /// Start and size are multiples of 16 columns where R > 1, or nothing comes.
  std::optional<Fragment> slice(tile::TileType type, const Fragment &from, int64_t start);
  std::optional<Fragment> concat(tile::TileType type, ArrayRef<const Fragment *> parts);
  /// An RxC tile with zeros in the columns that only fill its last blocks.
  Fragment cleared(const Fragment &from);
  /// RxC rounded to packed bf16.
  Fragment packed(const Fragment &from);
  /// One element of an RxC, Rx1, 1xC or 1x1 tile at a place (indices into the layout), unpacked to f32 if bf16.
  Value element(const Fragment &from, int64_t strip, int64_t block, int64_t half, int64_t column);

  //===-- Memory ------------------------------------------------------------------------------------------------===//
  /// From global memory; rows past the end read zero. Whether `load` is for this function: not RxC.
  static bool isNarrow(tile::LoadOp load) { return shapeOf(load.getTile().getType()) != Shape::Pair; }
  Fragment loadNarrow(tile::LoadOp load, ValueRange indices);
  /// A 1xC tile from C elements in shared memory.
  Fragment loadRowFromShared(tile::TileType type, Value sharedPointer);
  /// The address of the element of a buffer that `indices` (i64) name.
  Value startOf(Value buffer, ValueRange indices);
  /// How many rows of a buffer there are from `indices` on, i32; null if their number is fixed and they do not run past it.
  Value rowsLeft(Value buffer, bool heads, ValueRange indices);
  /// Any tile, straight from the registers.
  void store(tile::StoreOp store, const Fragment &tile, ValueRange indices);

  //===-- Threads together --------------------------------------------------------------------------------------===//
  /// Bytes of shared memory that the reductions of a kernel exchange values in.
  static int64_t exchangeBytes(mlir::func::FuncOp kernel, RowLayout rows);
  Value exchange; ///< that memory, a shared pointer
  /// Barrier of the threads that hold rows. The default is that of the whole block.
  virtual void barrier();
  Value combine(tile::Combine how, Value a, Value b);

protected:
  Frame &frame;
  ThreadCode &code;
  ScalarOptions options;

private:
  Value neutral(tile::Combine how, Type type);
};

} // namespace caa::nvptx
