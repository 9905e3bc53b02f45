// What the elements of a tile are made of.
#pragma once

#include "dialect/Tile/TileDialect.h"

#include "llvm/ADT/SetVector.h"

namespace caa::nvptx::hopper {

/// Scores and vectors that an element of a tile is made of, and of a map's result only what that result reads.
llvm::SetVector<mlir::Value> inputsOf(mlir::Value tile);

/// Of a tile that a map gives, the f32 values of the map that need no late input but are needed by what does: what can be made early.
llvm::SmallVector<mlir::Value> earlyValues(mlir::Value tile, llvm::function_ref<bool(mlir::Value)> isLate);

} // namespace caa::nvptx::hopper
