// From tensors to kernels: grouping of token-wise ops, and the tile form of the groups.
#ifndef CAA_KERNELS_PASSES_TD
#define CAA_KERNELS_PASSES_TD

include "mlir/Pass/PassBase.td"

def FormKernels : Pass<"caa-form-kernels", "::mlir::ModuleOp"> {
  let summary = "Group token-wise ops into kernels, outline kernels and attends, share equal ones";
  let description = [{
    Takes: entry functions (every `func.func` with a body that is no `caa.kernel`) after autodiff, with no
    `caa.round`. Gives: entries that hold only `launch`, `param`, `constant`, `loss_scale`, linear products without
    bias, `chunked_head_loss`, `reshape` (a buffer under another shape), sinks (`accumulate`, `accumulate_loss`,
    `accumulate_count`, `accumulate_report`), `logits` and `return`; and private functions with the attribute
    `caa.kernel`, one per distinct structure.

    Every op that acts on tokens alone has a level: the number of products, attends and finished sums over tokens that
    lie before it on the longest path. Ops of one level can share a kernel without a cycle. Two of them do if one
    reads what the other computes, or both read a value that is at least an eighth of the smaller one's traffic, and
    if the values of one token still fit the cache (`row-bytes`). Constants, parameters seen as per-head values,
    broadcasts, token indices, and views of what is in memory anyway cost nothing: each kernel that needs one computes
    its own. A sum over tokens writes one row per chunk of 64 token rows; a second kernel adds the rows in order, so
    that the result does not depend on threads. Ops with the attribute `caa.recomputed` join their consumers, not
    their producers.

    Remarks (category `fuse`): `separate-kernel` where an op could not join the kernel whose result it reads, and why.
  }];
  let dependentDialects = ["::caa::CaaDialect"];
  let options = [Option<"rowBytes", "row-bytes", "int64_t", /*default=*/"524288",
                        "most bytes of one token's values in a kernel">];
  let statistics = [Statistic<"kernels", "kernels", "Distinct kernels">,
                    Statistic<"launches", "launches", "Launches of kernels">];
}

def LowerTokenwise : Pass<"caa-lower-tokenwise", "::mlir::ModuleOp"> {
  let summary = "Turn kernels of token-wise ops into tile kernels";
  let description = [{
    Takes: functions with `caa.kernel` that hold no attend. Gives: functions of the same names with `tile.kernel`,
    whose arguments are buffers: inputs, then outputs. Truth values are stored as i8. A work item is a block of token
    rows, or a slice of columns where tokens are summed; its rows are few enough that all tiles of an item stay in the
    first or second cache.
  }];
  let dependentDialects = ["::caa::CaaDialect", "::tile::TileDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect", "::mlir::scf::SCFDialect", "::mlir::memref::MemRefDialect"];
}

#endif
