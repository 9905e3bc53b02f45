// The dialect, the tile type, and sizes as functions of batch and length.
#ifndef TILE_BASE_TD
#define TILE_BASE_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Tile_Dialect : Dialect {
  let name = "tile";
  let cppNamespace = "::tile";
  let summary = "One kernel per function: a grid of work items, loops over tiles, products and row reductions";
  let description = [{
    A kernel is a `func.func` with the attribute `tile.kernel`. Its arguments are buffers, inputs before outputs:

    | argument | axes |
    |---|---|
    | `memref<?x?xHxNxE>` | batch, length, heads, width: a token-wise value |
    | `memref<?xHxNxE>` | rows, heads, width: the same with batch and length as one axis of rows |
    | static `memref` | a parameter, a per-head value, a table |

    All are contiguous, row-major. `tile.grid` (an array of `#tile.term`) is the number of work items as a function of the
    batch, the length and the rows; `tile.item` is the present one. A work item is done whole by one worker (a thread, a
    thread block); items run in any order and share nothing but what they read, except where `store` accumulates.

    A tile value `!tile.tile<RxCxE>` has R rows and C columns; C or R may be 1. It says *what* is computed. Where a tile lives
    (registers, shared memory, a thread's scratch), which worker computes which part, pipelining and issue order are the
    business of the lowering and of the `tile.schedule` attribute.

    Scalars (`index`, `i64`, `f32`, `i1`) with arith, math and scf stand between tiles.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
}

class Tile_Op<string mnemonic, list<Trait> traits = []> : Op<Tile_Dialect, mnemonic, traits>;

def Tile_TileType : TypeDef<Tile_Dialect, "Tile"> {
  let mnemonic = "tile";
  let summary = "R rows and C columns of E";
  let parameters = (ins "int64_t":$rows, "int64_t":$columns, "::mlir::Type":$element);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Tile_RankingType : TypeDef<Tile_Dialect, "Ranking"> {
  let mnemonic = "ranking";
  let summary = "For each of R rows, what has been seen of its scores so far: enough to name its k-th largest exactly, in O(T) memory";
  let parameters = (ins "int64_t":$rows);
  let assemblyFormat = "`<` $rows `>`";
}

def Tile_TermAttr : AttrDef<Tile_Dialect, "Term"> {
  let mnemonic = "term";
  let summary = "coefficient * ceil(B^batch * ceil(T / lengthDivisor)^length * R^rows / divisor), as caa_term of the ABI";
  let parameters = (ins "int64_t":$coefficient, DefaultValuedParameter<"int64_t", "0">:$batch,
                        DefaultValuedParameter<"int64_t", "0">:$length, DefaultValuedParameter<"int64_t", "1">:$lengthDivisor,
                        DefaultValuedParameter<"int64_t", "0">:$rows, DefaultValuedParameter<"int64_t", "1">:$divisor);
  let assemblyFormat = "`<` $coefficient (`,` struct($batch, $length, $lengthDivisor, $rows, $divisor)^)? `>`";
}

def Tile_Extent : I32EnumAttr<"Extent", "a size known when a kernel runs", [
    I32EnumAttrCase<"Batch", 0, "batch">, I32EnumAttrCase<"Length", 1, "length">,
    I32EnumAttrCase<"Rows", 2, "rows">, I32EnumAttrCase<"FirstRow", 3, "first_row">]> {
  let cppNamespace = "::tile";
}

def Tile_Combine : I32EnumAttr<"Combine", "how a reduction combines", [
    I32EnumAttrCase<"Add", 0, "add">, I32EnumAttrCase<"Max", 1, "max">, I32EnumAttrCase<"Min", 2, "min">]> {
  let cppNamespace = "::tile";
}

#endif
