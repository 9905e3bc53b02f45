// Parameters, and what a model sends out: losses, reports, logits, gradients.
#ifndef CAA_MODEL_OPS_TD
#define CAA_MODEL_OPS_TD

include "dialect/Caa/CaaBase.td"
include "dialect/Caa/CaaAttributes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Caa_ParameterOp : Caa_Op<"parameter", [Symbol, HasParent<"::mlir::ModuleOp">]> {
  let summary = "A trained parameter of the model";
  let description = [{
    Named by its published path, such as `model.layers.0.self_attn.q_proj.weight`. A linear's weight is [out, in] with
    heads outermost. `decay` says whether weight decay falls on it; `group` is its optimizer group ("" for none);
    `low` and `high`, where given, clamp it after each step.

    ```mlir
    caa.parameter @"mlp.up_proj.weight" : tensor<128x64xf32> {init = #caa.init<normal, 0.0, 0.02>, decay}
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$type, Caa_InitAttr:$init, UnitAttr:$decay,
                       DefaultValuedStrAttr<StrAttr, "">:$group, OptionalAttr<F64Attr>:$low, OptionalAttr<F64Attr>:$high);
  let assemblyFormat = "$sym_name `:` $type attr-dict";
  let hasVerifier = 1;
}

def Caa_ParamOp : Caa_Op<"param", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Reads a parameter, or its copy in bf16";
  let description = [{
    With a result of the parameter's type it is the parameter (fp32). With the same sizes in bf16 it is the copy rounded to
    bf16 that a GPU keeps of every parameter and refreshes after each step (buffer kind `PARAMETER_BF16`).
  }];
  let arguments = (ins FlatSymbolRefAttr:$name);
  let results = (outs AnyRankedTensor:$value);
  let assemblyFormat = "$name `:` type($value) attr-dict";
}

def Caa_LossOp : Caa_Op<"loss"> {
  let summary = "Adds the mean of a value over tokens and heads to a named loss";
  let description = [{
    The mean is over the tokens where `mask` holds (all, without one), over heads, and over all micro-batches of the step.
    `index` numbers the loss ops of a model from 0: the runtime counts (token, head) pairs per index over the whole step
    and hands 1 / count to the schedule. Losses of one name add up. The name of the model's own loss is "loss".
  }];
  let arguments = (ins Caa_TokenF32:$value, Optional<Caa_Token>:$mask, StrAttr:$name, I64Attr:$index);
  let assemblyFormat = "$value (`over` $mask^ `:` type($mask))? `:` type($value) attr-dict";
  let hasVerifier = 1;
}

def Caa_LossScaleOp : Caa_Op<"loss_scale", [Pure]> {
  let summary = "1 / (number of (token, head) pairs of the step) of the loss op numbered `index`: its gradient's seed";
  let arguments = (ins I64Attr:$index);
  let results = (outs Caa_Head:$scale);
  let assemblyFormat = "$index `:` type($scale) attr-dict";
}

def Caa_LossCountOp : Caa_Op<"loss_count", [AttrSizedOperandSegments]> {
  let summary = "Counts the (token, head) pairs of the loss op numbered `index`";
  let description = [{
    Adds, to the count of loss `index`, the number of pairs where `mask` holds, each of its heads serving `heads` / its heads
    of the loss's; without a mask, every token of `like` counts `heads` times. The runtime adds up the counts of a whole step
    before its first micro-batch and hands their reciprocals to `loss_scale`. Made by autodiff from the loss ops.
  }];
  let arguments = (ins Optional<Caa_Token>:$mask, Optional<Caa_Token>:$like, I64Attr:$index, I64Attr:$heads);
  let assemblyFormat = "(`over` $mask^ `:` type($mask))? (`like` $like^ `:` type($like))? attr-dict";
  let hasVerifier = 1;
}

def Caa_ReportOp : Caa_Op<"report"> {
  let summary = "Logs mean, deviation, least and most of a value; `path` tells the layer";
  let arguments = (ins Caa_TokenOrHead:$value, StrAttr:$name, StrAttr:$path);
  let assemblyFormat = "$value `:` type($value) attr-dict";
}

def Caa_LogitsOp : Caa_Op<"logits"> {
  let summary = "The model's logits, [batch, length, 1, vocab]: what generation samples from";
  let arguments = (ins Caa_TokenF32:$value);
  let assemblyFormat = "$value `:` type($value) attr-dict";
}

def Caa_AccumulateOp : Caa_Op<"accumulate", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Adds to the gradient of a parameter (made by autodiff)";
  let arguments = (ins FlatSymbolRefAttr:$parameter, AnyRankedTensor:$value);
  let assemblyFormat = "$parameter `,` $value `:` type($value) attr-dict";
}

#endif
