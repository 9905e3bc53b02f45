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
    Option<"tileQueries", "queries", "int64_t", "64", "Queries per tile">,
    Option<"tileKeys", "keys", "int64_t", "64", "Keys per tile">,
    Option<"bodies", "bodies", "unsigned", "4", "Bodies of a sweep, at most">,
    Option<"keysAsRows", "keys-as-rows", "bool", "false", "Where a work item holds keys: make them the rows of pair tiles">
  ];
  let statistics = [Statistic<"kernels", "kernels", "Kernels written">, Statistic<"bodiesWritten", "bodies", "Bodies of sweeps written">];
  let dependentDialects = ["::tile::TileDialect", "::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

#endif
