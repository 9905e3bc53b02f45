// Nested loops in which a value is emitted as far out as its indices allow, once per place.
#pragma once

#include "passes/Kernels/TileFunction.h"

namespace caa {

/// A constant, or a value that a loop varies.
struct Index {
  int64_t constant = 0;
  mlir::Value value; // null for a constant

  bool isConstant() const { return !value; }
  bool operator==(const Index &other) const { return constant == other.constant && value == other.value; }
};

/// Which part of a tensor value a tile holds: a head, and columns [column, column + width) of its width; all rows of
/// the block.
struct Place {
  Index head, column;
  int64_t width;
};

/// The stack of open loops. Scope 0 is the work item.
class TileScopes {
public:
  TileScopes(TileFunction &function) : function(function) {
    scopes.push_back({function.getBuilder().saveInsertionPoint(), {}, nullptr});
  }

  unsigned depth() const { return scopes.size() - 1; }
  /// The scope in which an index is known.
  unsigned depthOf(Index index) const { return index.isConstant() ? 0 : depths.lookup(index.value); }
  void setDepth(mlir::Value value, unsigned depth) { depths[value] = depth; }

  /// Runs `emit` with the builder in scope `depth`; loops that are open inside it stay where they are.
  template <typename F> auto in(unsigned depth, F emit) {
    llvm::SmallVector<Scope> inner(std::make_move_iterator(scopes.begin() + depth + 1),
                                   std::make_move_iterator(scopes.end()));
    scopes.truncate(depth + 1);
    function.getBuilder().restoreInsertionPoint(scopes.back().point);
    auto result = emit();
    scopes.append(std::make_move_iterator(inner.begin()), std::make_move_iterator(inner.end()));
    function.getBuilder().restoreInsertionPoint(scopes.back().point);
    return result;
  }

  /// A loop lower, lower + step, ... < upper in the innermost scope; `body` gets the index and the carried values and
  /// gives the next ones.
  using LoopBody = llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value index, mlir::ValueRange carried)>;
  llvm::SmallVector<mlir::Value> loop(mlir::Value lower, mlir::Value upper, int64_t step, mlir::ValueRange inits,
                                      LoopBody body);

  /// The tiles known for a value at a place, in its scope.
  llvm::SmallVector<mlir::Value> *find(mlir::Value value, const Place &place, unsigned depth);
  void remember(mlir::Value value, const Place &place, unsigned depth, llvm::ArrayRef<mlir::Value> tiles);

  /// index * scale / divisor + offset, computed where the index is known.
  Index derive(Index index, int64_t multiplier, int64_t divisor, int64_t offset);
  /// An index as a value in the present scope.
  mlir::Value materialize(Index index);

private:
  using Key = std::tuple<mlir::Value, mlir::Value, int64_t, mlir::Value, int64_t, int64_t>;
  struct Scope {
    mlir::OpBuilder::InsertPoint point;
    llvm::DenseMap<Key, llvm::SmallVector<mlir::Value>> tiles;
    mlir::Operation *loop;
  };
  static Key keyOf(mlir::Value value, const Place &place) {
    return {value, place.head.value, place.head.constant, place.column.value, place.column.constant, place.width};
  }

  TileFunction &function;
  llvm::SmallVector<Scope> scopes;
  llvm::DenseMap<mlir::Value, unsigned> depths;
  llvm::DenseMap<std::tuple<mlir::Value, int64_t, int64_t, int64_t>, mlir::Value> derived;
};

} // namespace caa
