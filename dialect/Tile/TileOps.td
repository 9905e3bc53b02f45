// All ops of the `tile` dialect: places in memory, tiles, loops over tiles, rankings.
include "dialect/Tile/TileBase.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

//===-- The present work item -------------------------------------------------------------------------------------===//

def Tile_ItemOp : Tile_Op<"item", [Pure]> {
  let summary = "The number of the present work item, from 0 to the grid's size";
  let results = (outs Index:$item);
  let assemblyFormat = "attr-dict";
}

def Tile_ExtentOp : Tile_Op<"extent", [Pure]> {
  let summary = "The batch, the length, the number of rows, or the first row of the present chunk of rows";
  let arguments = (ins Tile_Extent:$extent);
  let results = (outs Index:$size);
  let assemblyFormat = "$extent attr-dict";
}

//===-- Memory ----------------------------------------------------------------------------------------------------===//

def Tile_LoadOp : Tile_Op<"load", [MemoryEffects<[MemRead]>]> {
  let summary = "A tile of a buffer: rows along the token axis, columns along the width";
  let description = [{
    From `memref<?x?xHxNxE>` with indices [batch, token, head, column]: row r is token + r. From `memref<?xHxNxE>` with
    [row, head, column]: row r is row + r. From `memref<HxNxE>` (static) with [head, column]: rows along heads. From
    `memref<NxE>` with [column]: one row. Rows from `limit` on (of the token or row axis; the axis's own end without one)
    read as zero, so a ragged end needs no code elsewhere. With `heads`, a tile of one token's heads: row r is head + r.
    With `transposed`, a tile of one row whose column c is row c of all that, from a width of 1.
  }];
  let arguments = (ins AnyMemRef:$source, Variadic<Index>:$indices, UnitAttr:$heads, UnitAttr:$transposed);
  let results = (outs Tile_TileType:$tile);
  let assemblyFormat = "$source `[` $indices `]` `:` type($source) `->` type($tile) attr-dict";
}

def Tile_StoreOp : Tile_Op<"store", [MemoryEffects<[MemWrite]>]> {
  let summary = "Writes a tile where `load` with the same indices would read it; rows past the end are not written";
  let description = "With `accumulate`, adds to what is there (a read and a write by this work item alone).";
  let arguments = (ins Tile_TileType:$tile, AnyMemRef:$target, Variadic<Index>:$indices, UnitAttr:$accumulate, UnitAttr:$heads,
                       UnitAttr:$transposed);
  let assemblyFormat = "$tile `,` $target `[` $indices `]` `:` type($tile) `,` type($target) attr-dict";
}

def Tile_GatherOp : Tile_Op<"gather", [MemoryEffects<[MemRead]>]> {
  let summary = "Rows of a table: row r of the tile is row rows[r] of `memref<VxN>`, columns from `column`; indices are clamped to the table";
  let arguments = (ins AnyMemRef:$table, Tile_TileType:$rows, Index:$column);
  let results = (outs Tile_TileType:$tile);
  let assemblyFormat = "$table `[` $rows `,` $column `]` `:` type($table) `,` type($rows) `->` type($tile) attr-dict";
}

def Tile_ScatterAddOp : Tile_Op<"scatter_add", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Adds row r of a tile to row rows[r] of a table, in the order of rows; only the first `count` rows";
  let arguments = (ins Tile_TileType:$tile, AnyMemRef:$table, Tile_TileType:$rows, Index:$column, Index:$count);
  let assemblyFormat = "$tile `,` $table `[` $rows `,` $column `]` `count` $count `:` type($tile) `,` type($table) `,` type($rows) attr-dict";
}

//===-- Tiles -----------------------------------------------------------------------------------------------------===//

def Tile_SplatOp : Tile_Op<"splat", [Pure]> {
  let summary = "A tile of one scalar";
  let arguments = (ins AnyType:$value);
  let results = (outs Tile_TileType:$tile);
  let assemblyFormat = "$value `:` type($value) `->` type($tile) attr-dict";
}

def Tile_IotaOp : Tile_Op<"iota", [Pure]> {
  let summary = "start, start + 1, ... down a column (Rx1) or along a row (1xC), as i64";
  let arguments = (ins Index:$start);
  let results = (outs Tile_TileType:$tile);
  let assemblyFormat = "$start `:` type($tile) attr-dict";
}

def Tile_MapOp : Tile_Op<"map", [Pure, SingleBlock]> {
  let summary = "A scalar function of tiles, at every place";
  let description = [{
    The region's arguments are one scalar per operand: tiles of the results' shape, of one row or one column (repeated), or
    plain scalars. All results have one shape. The region may also use scalars defined outside.
  }];
  let arguments = (ins Variadic<AnyType>:$operands);
  let results = (outs Variadic<Tile_TileType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "`(` $operands `)` `:` functional-type($operands, $results) attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def Tile_YieldOp : Tile_Op<"yield", [Pure, Terminator, ReturnLike, HasParent<"MapOp">]> {
  let summary = "Ends the region of a map";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "$values `:` type($values) attr-dict";
}

def Tile_ReduceOp : Tile_Op<"reduce", [Pure]> {
  let summary = "Combines along the columns (RxC to Rx1), along the rows (RxC to 1xC), or both (to 1x1)";
  let arguments = (ins Tile_Combine:$combine, Tile_TileType:$tile);
  let results = (outs Tile_TileType:$result);
  let assemblyFormat = "$combine $tile `:` type($tile) `->` type($result) attr-dict";
  let hasVerifier = 1;
}

def Tile_DotOp : Tile_Op<"dot", [Pure]> {
  let summary = "op(A) op(B) + C: a matrix product of tiles, accumulated in f32";
  let description = [{
    `transposeA`: A is given as its transpose (KxR); `transposeB`: B as CxK. Without `accumulator`, C is zero. The sum over K
    runs in one fixed order wherever a kernel or its backward computes the same score (docs: ranking must agree bit for bit).
  }];
  let arguments = (ins Tile_TileType:$a, Tile_TileType:$b, Optional<Tile_TileType>:$accumulator, UnitAttr:$transposeA,
                       UnitAttr:$transposeB);
  let results = (outs Tile_TileType:$result);
  let assemblyFormat = "$a `,` $b (`add` $accumulator^)? attr-dict `:` functional-type(operands, $result)";
  let hasVerifier = 1;
}

def Tile_SliceOp : Tile_Op<"slice", [Pure]> {
  let summary = "Columns [start, start + C) of a tile";
  let arguments = (ins Tile_TileType:$tile, I64Attr:$start);
  let results = (outs Tile_TileType:$result);
  let assemblyFormat = "$tile `at` $start `:` type($tile) `->` type($result) attr-dict";
}

def Tile_ConcatOp : Tile_Op<"concat", [Pure]> {
  let summary = "Tiles side by side";
  let arguments = (ins Variadic<Tile_TileType>:$tiles);
  let results = (outs Tile_TileType:$result);
  let assemblyFormat = "$tiles `:` functional-type(operands, $result) attr-dict";
}

def Tile_ExtractOp : Tile_Op<"extract", [Pure]> {
  let summary = "The scalar of a 1x1 tile";
  let arguments = (ins Tile_TileType:$tile);
  let results = (outs AnyType:$value);
  let assemblyFormat = "$tile `:` type($tile) `->` type($value) attr-dict";
}

//===-- Loops over tiles -------------------------------------------------------------------------------------------===//

def Tile_SweepOp : Tile_Op<"sweep"> {
  let summary = "A loop over the tiles of one axis that skips what its sets leave empty";
  let description = [{
    For each tile start p = lower, lower + step, ... < upper, the `visit` region computes from p and scalars which body runs: -1
    for none (the tile is empty in every set), otherwise the number of one of `bodies`. Body 0 is always right; the others may
    leave out what is known of their tiles: a mask that is full, a branch that is empty. Each body gets p and the loop-carried
    values and ends with `tile.next`. The visit region is scalar code without side effects, so that a producer of loads may run a
    copy of it.
  }];
  let arguments = (ins Index:$lower, Index:$upper, Variadic<AnyType>:$inits, I64Attr:$step);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$visit, VariadicRegion<SizedRegion<1>>:$bodies);
  let assemblyFormat = [{
    $lower `to` $upper `step` $step `iter` `(` $inits `)` `:` functional-type($inits, $results) attr-dict-with-keyword
    `visit` $visit `bodies` $bodies
  }];
  let hasVerifier = 1;
}

def Tile_VisitOp : Tile_Op<"visit", [Pure, Terminator, HasParent<"SweepOp">]> {
  let summary = "Ends the visit region of a sweep: which body runs, -1 for none";
  let arguments = (ins I32:$body);
  let assemblyFormat = "$body attr-dict";
}

def Tile_NextOp : Tile_Op<"next", [Pure, Terminator, HasParent<"SweepOp">]> {
  let summary = "Ends a body of a sweep with the loop-carried values";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

//===-- Rankings ---------------------------------------------------------------------------------------------------===//

def Tile_RankingOp : Tile_Op<"ranking"> {
  let summary = "An empty ranking";
  let results = (outs Tile_RankingType:$ranking);
  let assemblyFormat = "`:` type($ranking) attr-dict";
}

def Tile_RankOp : Tile_Op<"rank"> {
  let summary = "Shows a ranking the scores of one tile (RxC) and which of them count (i1, RxC; all without one)";
  let arguments = (ins Tile_RankingType:$ranking, Tile_TileType:$scores, Optional<Tile_TileType>:$members);
  let results = (outs Tile_RankingType:$result);
  let assemblyFormat = "$ranking `,` $scores (`where` $members^)? `:` functional-type(operands, $result) attr-dict";
}

def Tile_ThresholdOp : Tile_Op<"threshold"> {
  let summary = "Each row's counts[r]-th largest score, exact (ties count): Rx1; -inf where fewer were shown, +inf where the count is below 1";
  let description = "A lowering may run the sweep that fills the ranking more than once.";
  let arguments = (ins Tile_RankingType:$ranking, Tile_TileType:$counts);
  let results = (outs Tile_TileType:$threshold);
  let assemblyFormat = "$ranking `,` $counts `:` functional-type(operands, $threshold) attr-dict";
}
