// Values of a tile kernel on one thread of a consumer warpgroup, made on demand. The order of a wgmma kernel's code matters: what is
// computed before a wait, what after it, what is packed when. So nothing is emitted where an op stands, but where the emitter
// asks for a value.
//
// Tiles lie as the accumulators of wgmma m64nN: a thread holds rows lane / 4 and lane / 4 + 8 (halves) of its warp's 16, and of
// every block of 8 columns the two from 2 (lane % 4). The place of an element is 4 block + 2 half + column; what is the same for
// all columns or rows has block 0 and column 0, or half 0.
#pragma once

#include "codegen/Nvptx/Core/Frame.h"
#include "codegen/Nvptx/Core/ScalarRegion.h"

namespace caa::nvptx::hopper {

/// The thread among the rows of its item.
struct ThreadPlace {
  Value row;     ///< i32, of half 0, within the held tile
  Value column;  ///< i32: 2 (lane % 4)
};

class Scope;

/// What all scopes of a thread share.
class Values {
public:
  Values(Frame &frame, ThreadPlace place) : frame(frame), code(frame.code), place(place) {}

  Frame &frame;
  ThreadCode &code;
  ThreadPlace place;
  const llvm::DenseSet<mlir::Operation *> *done = nullptr; ///< subtractions of maps that are made already: they give what they subtract from
  const llvm::DenseSet<Value> *compared = nullptr; ///< values of maps whose bits matter: no multiply-adds on the way to them
  bool failed = false; ///< something could not be emitted; a diagnostic was given

  static tile::TileType typeOf(Value tile) { return mlir::dyn_cast<tile::TileType>(tile.getType()); }
  /// Where an element of a tile of this type lies that is broadcast to `place`.
  static int64_t project(tile::TileType type, int64_t place);
  /// All places of a tile, in the order of registers.
  static SmallVector<int64_t> placesOf(tile::TileType type);
  Value exp2(Value x);
  Value combine(tile::Combine how, Value a, Value b);
  Value sum(llvm::ArrayRef<Value> values, tile::Combine how);

private:
  friend class Scope;
  bool isDone(mlir::Operation *op) const { return done && op && done->contains(op); }
  struct Affine {
    Value base;
    int64_t offset = 0;
  };
  /// Integers that are base + constant, so that comparisons of positions need one base for a whole tile.
  Affine affineOf(Value value);
  Value affine(Value base, int64_t offset);
  int levelOf(tile::MapOp map, Value value); ///< bit 0: depends on rows, bit 1: on columns

  llvm::DenseMap<Value, Affine> affines;
  llvm::DenseMap<Value, int> levels;
};

/// The values known at one place of the code: those of the scopes around it, and those made in it.
class Scope {
public:
  Scope(Values &values, Scope *outer) : values(values), code(values.code), outer(outer) {}

  //===-- Defining ----------------------------------------------------------------------------------------------===//
  void setScalar(Value value, Value emitted) { scalars[value] = emitted; }
  /// All elements of a tile, in the order of registers.
  void setTile(Value tile, llvm::ArrayRef<Value> elements);
  void setElement(Value tile, int64_t place, Value element) { elementsAt[{tile, place}] = element; }
  /// Elements that are made by `make` when first asked for, here or in a scope within.
  using Make = std::function<Value(Scope &, int64_t place)>;
  void setLazy(Value tile, Make make) { lazy[tile] = std::move(make); }
  /// `value` stands for `other` from here on.
  void setSame(Value value, Value other) { same[value] = other; }

  //===-- Asking ------------------------------------------------------------------------------------------------===//
  Value scalar(Value value);
  Value element(Value tile, int64_t place);
  SmallVector<Value> elements(Value tile);
  /// As element, but a bf16 tile's value before it is rounded.
  Value unrounded(Value tile, int64_t place);
  /// Of a map that yields truth values as numbers: the truth value.
  Value condition(tile::MapOp map, int64_t place);
  /// A tile that is the left operand of a product: pairs of bf16.
  SmallVector<Value> packed(Value tile);
  /// A value of a map's region at a place.
  Value regionValue(tile::MapOp map, Value value, int64_t place);
  /// What stands for `value`: see setSame.
  Value resolve(Value value);

  Values &values;

private:
  using Key = std::pair<Value, int64_t>;
  Value find(Value value, int64_t place);
  const Make *findLazy(Value tile);
  Value emitElement(Value tile, int64_t place);
  Value emitRegionOp(tile::MapOp map, mlir::Operation *op, int64_t place);
  Value emitExponential(tile::MapOp map, Value argument, int64_t place);
  Value emitReduce(tile::ReduceOp reduce, int64_t place);
  Value emitNarrowLoad(tile::LoadOp load, int64_t place);
  /// A value of a map as factor times another, perhaps of the map before it.
  struct Scaled {
    tile::MapOp map;
    Value value; ///< of `map`'s region; or, without a map, a tile
    double factor = 1;
  };
  Scaled scaledOf(tile::MapOp map, Value value);
  Value emitScaled(const Scaled &scaled, int64_t place);

  ThreadCode &code;
  Scope *outer;
  llvm::DenseMap<Value, Value> scalars, same;
  llvm::DenseMap<Key, Value> elementsAt; ///< of tiles and of values in maps' regions
  llvm::DenseMap<Value, Make> lazy;
};

} // namespace caa::nvptx::hopper
