// The tensor-level passes: from the model as written to the functions that training, evaluation and export run.
#ifndef CAA_PASSES_TD
#define CAA_PASSES_TD

include "mlir/Pass/PassBase.td"

def Decompose : Pass<"caa-decompose", "::mlir::ModuleOp"> {
  let summary = "Write norms and biases as maps and sums over the width";
  let description = [{
    Takes: any `caa` functions. Gives: the same functions without `rms_norm` and `layer_norm`; a `linear` keeps its bias only
    where its result goes to a cross entropy or to the logits, which the head-loss fusion wants whole. `rms_norm` keeps its
    rounding before the multiplication by the weight as `caa.round`.
  }];
  let dependentDialects = ["::caa::CaaDialect"];
}

def ResolvePrecision : Pass<"caa-resolve-precision", "::mlir::ModuleOp"> {
  let summary = "Make `caa.round` nothing (fp32) or a rounding map (bf16)";
  let description = [{
    Takes: functions after autodiff, which rounds gradients by `caa.round` as well. Gives: no `caa.round`; the module
    attribute `caa.precision` says what matrix products round their operands to.
  }];
  let dependentDialects = ["::caa::CaaDialect"];
  let options = [Option<"precision", "precision", "std::string", /*default=*/"\"fp32\"", "fp32 or bf16">];
}

def StoreRounded : Pass<"caa-store-rounded", "::mlir::ModuleOp"> {
  let summary = "Store rounded values as bf16 and let products take them so";
  let description = [{
    Takes: functions after `caa-resolve-precision` with bf16, in their final form but for recomputation. Gives: no rounding
    maps. What they rounded is a bf16 tensor, which readers widen in maps of their own; parameters that were rounded are read
    as their bf16 copies (`caa.param` of bf16); products of rounded factors take and, where only that is wanted, give bf16. A
    gradient that is not a named value's is rounded for the products that take it. All other values stay f32. A GPU's
    pipeline runs it; the CPU's rounds but stores f32.
  }];
  let dependentDialects = ["::caa::CaaDialect"];
  let statistics = [Statistic<"stored", "stored", "Values that are narrowed to bf16">];
}

def Autodiff : Pass<"caa-autodiff", "::mlir::ModuleOp"> {
  let summary = "From a model and its exports, make the functions that evaluate and differentiate them";
  let description = [{
    Takes: `@model`, and functions with the attribute `caa.export`, decomposed. Gives, and erases what it took (NAME is the
    symbol of an export):

    | function | arguments | does |
    |---|---|---|
    | `@eval_step` | those of the model | `caa.loss` |
    | `@logits` | those of the model | `caa.logits` |
    | `@micro_step` | those of the model | `caa.loss`, `caa.report`, `caa.accumulate` for every parameter |
    | `@loss_counts` | those of the model | `caa.loss_count` for every loss op |
    | `@NAME.forward` | those of the export | `caa.loss`; returns its results |
    | `@NAME.gradient` | then `d_<result>` for each result, `d_<loss>` (tensor<1x1xf32>) for each named loss | `caa.accumulate`; returns `d_<input>` for each f32 input |
    | `@NAME.loss_counts` | those of the export | `caa.loss_count`; only if it has losses |

    Arguments and results are named by `caa.name`. What a function does not need is not in it. The reverse sweep asks every
    op for its adjoint (DifferentiableOpInterface). A parameter that no gradient reaches and an op without a rule are errors.
  }];
  let dependentDialects = ["::caa::CaaDialect"];
  let statistics = [Statistic<"adjoints", "adjoints", "Ops whose adjoint was built">,
                    Statistic<"accumulations", "accumulations", "Contributions to gradients of parameters">];
}

def MergeAttends : Pass<"caa-merge-attends", "::mlir::ModuleOp"> {
  let summary = "Compute branches of an attention that multiply the same rows in one attend";
  let description = [{
    Takes: functions before autodiff. Gives: the same with fewer attends. Two merge if both take the dot product of the same
    query and key rows, run over the same heads, neither needs the other's results, and neither or both rank keys. The
    remark `separate-attention` says why two over the same rows stayed apart.
  }];
  let dependentDialects = ["::caa::CaaDialect"];
  let statistics = [Statistic<"merged", "merged", "Attends that joined another one">];
}

def FactorAttend : Pass<"caa-factor-attend", "::mlir::ModuleOp"> {
  let summary = "Let rows of an attend that are multiples of one vector be that vector, with weights";
  let description = [{
    Takes: functions after autodiff. A row that is a number per token times a vector, where another row is that vector or
    another multiple of it, becomes the vector; the number enters the region as a weight. Then sums of one attend that have
    the same value and are only added up become one. Gives, for the adjoint of a mixture of softmaxes over the same values,
    one dot product with the values and one sum for each of the queries, keys and values.
  }];
  let dependentDialects = ["::caa::CaaDialect"];
  let statistics = [Statistic<"rows", "rows", "Rows of which a factor was taken out">,
                    Statistic<"sums", "sums", "Sums that joined another one">];
}

def FuseHeadLoss : Pass<"caa-fuse-head-loss", "::mlir::ModuleOp"> {
  let summary = "The head's linear, its cross entropy, the loss and their adjoints as one op that runs in chunks of tokens";
  let description = [{
    Takes: functions after autodiff. Gives: `caa.head_loss` for a loss whose value is the cross entropy of a linear, if
    nothing else reads the logits or their gradient; with the gradients of input, weight and bias where the function has
    them. The remark `whole-logits` says why a head was left as it is.
  }];
  let dependentDialects = ["::caa::CaaDialect"];
  let statistics = [Statistic<"fused", "fused", "Heads that became one op">];
}

def FuseResidual : Pass<"caa-fuse-residual", "::mlir::ModuleOp"> {
  let summary = "A rounded sum of a stored value and a product as one product that adds";
  let description = [{
    Takes: functions after `caa-store-rounded`. Gives: `caa.linear_add` for x + linear(a), where x is stored in bf16, the sum is rounded
    to bf16 and nobody else reads the sum or the product: the product then never exists in f32, and no kernel adds it.
  }];
  let dependentDialects = ["::caa::CaaDialect"];
  let statistics = [Statistic<"fused", "fused", "Sums that products took over">];
}

def Recompute : Pass<"caa-recompute", "::mlir::ModuleOp"> {
  let summary = "Compute cheap token-wise values again in the backward pass instead of keeping them";
  let description = [{
    Takes: `@micro_step` after fusion, in its final form (nothing after this pass may merge clones with their originals; they
    carry `caa.recomputed`, which keeps CSE from it). Gives: backward ops that read a clone, made just before the first of
    them, where the cost model at the top of Recompute.cpp finds it worth while; the attribute `caa.kept_bytes_per_token`.
  }];
  let dependentDialects = ["::caa::CaaDialect"];
  let options = [Option<"policy", "policy", "std::string", /*default=*/"\"cheap\"", "off or cheap">,
                 Option<"keepRanked", "keep-ranked", "bool", /*default=*/"false",
                        "Keep what an attention ranks by: for machines that need not compute it again to the bit">,
                 Option<"apart", "apart", "bool", /*default=*/"false",
                        "Compute again apart for products and attentions, which want it in memory: for machines that wait for memory">];
  let statistics = [Statistic<"bytesKept", "bytes-kept", "Bytes per token that are kept from forward to backward">,
                    Statistic<"bytesSaved", "bytes-saved", "Bytes per token that are computed again instead">];
}

#endif
