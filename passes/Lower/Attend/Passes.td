// Passes of passes/Lower/Attend.
#ifndef CAA_LOWER_ATTEND_PASSES_TD
#define CAA_LOWER_ATTEND_PASSES_TD

include "mlir/Pass/PassBase.td"

def LowerAttend : Pass<"caa-lower-attend", "::mlir::ModuleOp"> {
  let summary = "Turns every caa.kernel function that holds an attend into a kernel of the tile dialect";
  let description = [{
    Takes functions with the attribute `caa.kernel` that hold one `caa.attend` and return some of its results. Gives functions of
    the same name with the attributes `tile.kernel`, `tile.grid` and `tile.flops`, whose arguments are buffers: inputs, then outputs.

    One generator for every attention: no name and no formula is recognised. What decides is the region: scalars that depend on one
    token are computed once per tile of it, dots become products of tiles, all that is left is one map per pair tile, and the
    reductions share it. Interval analysis of memberships and weights gives the code that skips empty tiles and picks, among a few
    bodies, one without the masks that are known to hold.
  }];
  let options = [
    Option<"tileQueries", "queries", "int64_t", "32", "Queries per tile">,
    Option<"tileKeys", "keys", "int64_t", "32", "Keys per tile">,
    Option<"held", "held", "int64_t", "0", "Tokens of the tile that a work item holds; 0: `queries` and `keys` say it. So for the next ones">,
    Option<"swept", "swept", "int64_t", "0", "Tokens of the tiles that it sweeps over">,
    Option<"heldKeys", "held-keys", "int64_t", "0", "The tile that it holds where that is of keys; 0: as `held`">,
    Option<"sweptQueries", "swept-queries", "int64_t", "0", "The tiles that it sweeps over where it holds keys; 0: as `swept`">,
    Option<"heldRanking", "held-ranking", "int64_t", "0", "The tile that it holds where it ranks; 0: as `held`">,
    Option<"sweptRanking", "swept-ranking", "int64_t", "0", "The tiles that it sweeps over where it ranks; 0: as `swept`">,
    Option<"fitTiles", "fit-tiles", "bool", "false", "Where rows are bf16: the largest tiles that fit the registers of Hopper's warpgroups">,
    Option<"blockBytes", "block-bytes", "int64_t", "0", "Smaller tiles than `held` and `swept` where a block with that much shared memory, or a thread's registers, take no larger ones; 0: any">,
    Option<"bodies", "bodies", "unsigned", "4", "Bodies of a sweep, at most">,
    Option<"keysAsRows", "keys-as-rows", "bool", "false", "Where a work item holds keys: make them the rows of pair tiles">
  ];
  let statistics = [Statistic<"kernels", "kernels", "Kernels written">, Statistic<"bodiesWritten", "bodies", "Bodies of sweeps written">];
  let dependentDialects = ["::tile::TileDialect", "::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def SplitAttends : Pass<"caa-split-attends"> {
  let summary = "Splits attends that reduce over both axes into one that does over queries and one that does over keys";
  let description = [{
    The adjoint of an attention reduces over keys (for the queries' gradients) and over queries (for the keys'). In one kernel each
    work item does all tiles of a head of keys, so that what it adds to the queries' gradients has one order: batch x heads of keys
    work items, five products a tile. After this pass there are two kernels with a work item per tile, and seven products: for machines
    with more workers than heads of keys. Both are deterministic.
  }];
}

def CheckUnits : Pass<"caa-check-units"> {
  let summary = "Refuses attends that ask all keys of a unit for something where a unit is too large for one tile";
  let description = [{
    On a GPU pair tiles lie in registers. What holds for a unit's first key if it holds for any is asked of that one (canonical forms), and
    does not count here.
  }];
  let options = [Option<"most", "most", "int64_t", "256", "Keys that a unit may have">];
}

def DescribeAttends : Pass<"caa-describe-attends", "::mlir::ModuleOp"> {
  let summary = "Prints how many scores every attention visits, by length, as the JSON of the image's analysis";
  let options = [
    Option<"tileQueries", "queries", "int64_t", "32", "Queries per tile">,
    Option<"tileKeys", "keys", "int64_t", "32", "Keys per tile">
  ];
}

#endif
