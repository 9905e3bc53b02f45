// Token-wise ops: each acts on every token alone.
#ifndef CAA_TOKEN_OPS_TD
#define CAA_TOKEN_OPS_TD

include "dialect/Caa/CaaBase.td"
include "dialect/Caa/DifferentiableOpInterface.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Caa_Differentiable<string mnemonic, list<Trait> traits = []>
    : Caa_Op<mnemonic, !listconcat([Pure, DeclareOpInterfaceMethods<Caa_DifferentiableOpInterface>], traits)>;

/// The same, where some results are constant by definition.
class Caa_PartlyConstant<string mnemonic, list<Trait> traits = []>
    : Caa_Op<mnemonic, !listconcat([Pure, DeclareOpInterfaceMethods<Caa_DifferentiableOpInterface, ["isConstantResult"]>], traits)>;

//===-- Scalars: what stands in the regions of map and attend, beside arith and math ------------------------------===//

class Caa_Unary<string mnemonic, string what> : Caa_Op<mnemonic, [Pure, SameOperandsAndResultType, Elementwise, Scalarizable, Vectorizable, Tensorizable]> {
  let summary = what;
  let arguments = (ins AnyTypeOf<[F32, F64, VectorOfAnyRankOf<[F32, F64]>]>:$value);
  let results = (outs AnyTypeOf<[F32, F64, VectorOfAnyRankOf<[F32, F64]>]>:$result);
  let assemblyFormat = "$value `:` type($result) attr-dict";
}
def Caa_SigmoidOp : Caa_Unary<"sigmoid", "1 / (1 + e^-x); slope s (1 - s)">;
def Caa_SoftplusOp : Caa_Unary<"softplus", "log(1 + e^x) without overflow; slope sigmoid(x)">;
def Caa_ClipOp : Caa_Unary<"clip", "min(max(x, 0), 1); slope 1 inside (0, 1), 0 outside and at both kinks">;
def Caa_RoundBf16Op : Caa_Unary<"round_bf16", "Rounds to the nearest bf16, ties to even; slope 1">;

def Caa_RandomOp : Caa_Op<"random", [Pure]> {
  let summary = "A number in [0, 1) drawn by hashing integers: the same for the same integers, everywhere";
  let description = "h = 0; for each integer h = splitmix64(h ^ integer), which adds its increment first; then the top 24 bits / 2^24.";
  let arguments = (ins Variadic<I64>:$integers);
  let results = (outs F32:$result);
  let assemblyFormat = "$integers attr-dict";
  let hasVerifier = 1;
}

def Caa_YieldOp : Caa_Op<"yield", [Pure, Terminator, ReturnLike, ParentOneOf<["MapOp", "AttendOp"]>]> {
  let summary = "Ends the region of a map or an attend";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

//===-- Pointwise --------------------------------------------------------------------------------------------------===//

def Caa_MapOp : Caa_Differentiable<"map", [SingleBlock, IsolatedFromAbove]> {
  let summary = "A scalar function of token-wise and per-head values, at every component";
  let description = [{
    The region computes one component of each result from one component of each operand. Operands broadcast over heads
    (in consecutive groups) and width. Results are per-head if every operand is.

    ```mlir
    %y = caa.map(%gate, %up) : (tensor<?x?x1x64xf32>, tensor<?x?x1x64xf32>) -> tensor<?x?x1x64xf32> {
    ^bb0(%g: f32, %u: f32):
      %s = caa.sigmoid %g : f32
      %a = arith.mulf %g, %s : f32
      %r = arith.mulf %a, %u : f32
      caa.yield %r : f32
    }
    ```
  }];
  let arguments = (ins Variadic<Caa_TokenOrHead>:$operands);
  let results = (outs Variadic<Caa_TokenOrHead>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "`(` $operands `)` `:` functional-type($operands, $results) attr-dict-with-keyword $body";
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def Caa_ConstantOp : Caa_Op<"constant", [Pure, ConstantLike, AllTypesMatch<["value", "result"]>]> {
  let summary = "A per-head constant, such as one slope per head";
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Caa_Head:$result);
  let assemblyFormat = "$value attr-dict";
  let hasFolder = 1;
  let builders = [OpBuilder<(ins "::mlir::DenseElementsAttr":$value), [{ build($_builder, $_state, value.getType(), value); }]>];
}

def Caa_IndexOp : Caa_Op<"index", [Pure]> {
  let summary = "Each token's index in its row, from 0, as i64 (`like` gives the batch and the length)";
  let arguments = (ins Caa_Token:$like);
  let results = (outs Caa_Token:$result);
  let assemblyFormat = "$like `:` type($like) `->` type($result) attr-dict";
}

def Caa_HasNextOp : Caa_Op<"has_next", [Pure]> {
  let summary = "Whether a token has a next one in its row, as i1 (`like` gives the batch and the length)";
  let arguments = (ins Caa_Token:$like);
  let results = (outs Caa_Token:$result);
  let assemblyFormat = "$like `:` type($like) `->` type($result) attr-dict";
}

def Caa_StopOp : Caa_PartlyConstant<"stop", [SameOperandsAndResultType]> {
  let summary = "The value itself, constant for differentiation";
  let arguments = (ins Caa_TokenOrHead:$value);
  let results = (outs Caa_TokenOrHead:$result);
  let assemblyFormat = "$value `:` type($value) attr-dict";
}

def Caa_RoundOp : Caa_Differentiable<"round", [SameOperandsAndResultType]> {
  let summary = "Rounds to the precision of the target; slope 1";
  let description = [{
    Stands wherever the language rounds a named value. The `resolve-precision` pass removes it for fp32 and makes it a
    `round_bf16` map for bf16. The gradient is rounded too, once complete.
  }];
  let arguments = (ins AnyRankedTensor:$value);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$value `:` type($value) attr-dict";
}

//===-- With parameters --------------------------------------------------------------------------------------------===//

def Caa_LinearOp : Caa_Differentiable<"linear"> {
  let summary = "x W^T + b: the whole value, heads flattened, to the result's heads and width";
  let description = [{
    x: [B, T, h, n], weight: [H N, h n], bias: [H N], result: [B, T, H, N]. A matrix product through the runtime's table.
    Products take two operands of f32 or two of bf16, sum in f32, and may round their result to bf16 as they write it.
  }];
  let arguments = (ins Caa_TokenReal:$input, Caa_Matrix:$weight, Optional<Caa_Row>:$bias);
  let results = (outs Caa_TokenReal:$result);
  let assemblyFormat = "$input `,` $weight (`,` $bias^)? `:` functional-type(operands, $result) attr-dict";
  let hasVerifier = 1;
}

def Caa_EmbedOp : Caa_Differentiable<"embed"> {
  let summary = "Rows of a table: [B, T, 1, 1] integers and [V, N] give [B, T, 1, N]. An index outside the table reads its nearest row";
  let arguments = (ins Caa_Token:$index, Caa_Matrix:$table);
  let results = (outs Caa_TokenReal:$result);
  let assemblyFormat = "$index `,` $table `:` functional-type(operands, $result) attr-dict";
  let hasVerifier = 1;
}

def Caa_RmsNormOp : Caa_Differentiable<"rms_norm"> {
  let summary = "x / sqrt(mean x^2 + eps) * weight over each head's width; one weight for all heads";
  let description = "Rounds before it multiplies by the weight. Decomposed into map and reduce_width before autodiff.";
  let arguments = (ins Caa_TokenF32:$input, Caa_Row:$weight, F64Attr:$eps);
  let results = (outs Caa_TokenF32:$result);
  let assemblyFormat = "$input `,` $weight `:` functional-type(operands, $result) attr-dict";
  let hasVerifier = 1;
}

def Caa_LayerNormOp : Caa_Differentiable<"layer_norm"> {
  let summary = "(x - mean) / sqrt(variance + eps) * weight + bias over each head's width";
  let arguments = (ins Caa_TokenF32:$input, Caa_Row:$weight, Caa_Row:$bias, F64Attr:$eps);
  let results = (outs Caa_TokenF32:$result);
  let assemblyFormat = "$input `,` $weight `,` $bias `:` functional-type(operands, $result) attr-dict";
  let hasVerifier = 1;
}

def Caa_AsHeadOp : Caa_Differentiable<"as_head"> {
  let summary = "A parameter row [N] as a per-head value [1, N], so that a map can read it";
  let arguments = (ins Caa_Row:$value);
  let results = (outs Caa_Head:$result);
  let assemblyFormat = "$value `:` type($value) `->` type($result) attr-dict";
  let hasVerifier = 1;
}

//===-- Rotation ---------------------------------------------------------------------------------------------------===//

def Caa_RopeTableOp : Caa_Op<"rope_table", [Pure]> {
  let summary = "cos (first half of the width) and sin (second half) of position * theta^(-2 c / width), angles in float64";
  let arguments = (ins Caa_Token:$position, F64Attr:$theta);
  let results = (outs Caa_TokenF32:$table);
  let assemblyFormat = "$position `:` type($position) `->` type($table) attr-dict";
}

def Caa_RopeOp : Caa_Differentiable<"rope"> {
  let summary = "Half-split rotation: (x1, x2) to (x1 cos - x2 sin, x2 cos + x1 sin); `inverse` turns back";
  let arguments = (ins Caa_TokenF32:$input, Caa_TokenF32:$table, UnitAttr:$inverse);
  let results = (outs Caa_TokenF32:$result);
  let assemblyFormat = "$input `,` $table `:` functional-type(operands, $result) attr-dict";
  let hasVerifier = 1;
}

//===-- Shapes and widths ------------------------------------------------------------------------------------------===//

def Caa_ReshapeOp : Caa_Differentiable<"reshape"> {
  let summary = "The same components as other heads and width";
  let arguments = (ins Caa_TokenOrHead:$value);
  let results = (outs Caa_TokenOrHead:$result);
  let assemblyFormat = "$value `:` type($value) `->` type($result) attr-dict";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Caa_SliceOp : Caa_Differentiable<"slice"> {
  let summary = "Components [start, start + N) of each head's width";
  let arguments = (ins Caa_TokenOrHead:$value, I64Attr:$start);
  let results = (outs Caa_TokenOrHead:$result);
  let assemblyFormat = "$value `:` type($value) `->` type($result) attr-dict";
  let hasVerifier = 1;
}

def Caa_ConcatOp : Caa_Differentiable<"concat"> {
  let summary = "Values side by side in each head's width (head counts equal)";
  let arguments = (ins Variadic<Caa_TokenOrHead>:$values);
  let results = (outs Caa_TokenOrHead:$result);
  let assemblyFormat = "$values `:` functional-type(operands, $result) attr-dict";
  let hasVerifier = 1;
}

def Caa_ReduceWidthOp : Caa_Differentiable<"reduce_width"> {
  let summary = "Sum over each head's width: [.., H, N] to [.., H, 1]";
  let arguments = (ins Caa_TokenOrHead:$value);
  let results = (outs Caa_TokenOrHead:$result);
  let assemblyFormat = "$value `:` type($value) `->` type($result) attr-dict";
  let hasVerifier = 1;
}

def Caa_ReduceHeadsOp : Caa_Differentiable<"reduce_heads"> {
  let summary = "Sum over consecutive groups of heads: [.., H, N] to [.., H', N], H' dividing H";
  let arguments = (ins Caa_TokenOrHead:$value);
  let results = (outs Caa_TokenOrHead:$result);
  let assemblyFormat = "$value `:` type($value) `->` type($result) attr-dict";
  let hasVerifier = 1;
}

def Caa_ReduceTokensOp : Caa_Op<"reduce_tokens", [Pure]> {
  let summary = "Sum over batch and length: [B, T, H, N] to per-head [H, N] (gradients of per-head values)";
  let arguments = (ins Caa_TokenF32:$value);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$value `:` type($value) `->` type($result) attr-dict";
  let hasVerifier = 1;
}

def Caa_CumsumOp : Caa_Differentiable<"cumsum", [SameOperandsAndResultType]> {
  let summary = "The sum of a row's tokens up to each one, itself included; `reverse`: from each one to the row's end";
  let arguments = (ins Caa_TokenF32:$value, UnitAttr:$reverse);
  let results = (outs Caa_TokenF32:$result);
  let assemblyFormat = "$value `:` type($value) attr-dict";
}

def Caa_ShiftOp : Caa_Differentiable<"shift", [SameOperandsAndResultType]> {
  let summary = "The value `by` tokens before, zero at a row's start; `reverse`: after, zero at its end";
  let arguments = (ins Caa_TokenF32:$value, I64Attr:$by, UnitAttr:$reverse);
  let results = (outs Caa_TokenF32:$result);
  let assemblyFormat = "$value `by` $by `:` type($value) attr-dict";
  let hasVerifier = 1;
}

def Caa_HoldOp : Caa_Differentiable<"hold", [SameOperandsAndResultType]> {
  let summary = "The value at the last token before a token's block, zero in the first block";
  let description = "With `reverse`, the transpose: at a block's last token the sum over the next block, zero elsewhere.";
  let arguments = (ins Caa_TokenF32:$value, I64Attr:$block, UnitAttr:$reverse);
  let results = (outs Caa_TokenF32:$result);
  let assemblyFormat = "$value `over` $block `:` type($value) attr-dict";
  let hasVerifier = 1;
}

def Caa_PoolKind : I32EnumAttr<"PoolKind", "how a block of tokens becomes one value", [
    I32EnumAttrCase<"Mean", 0, "mean">, I32EnumAttrCase<"Max", 1, "max">, I32EnumAttrCase<"Sum", 2, "sum">]> {
  let cppNamespace = "::caa";
}

def Caa_PoolOp : Caa_Op<"pool", [Pure, SameOperandsAndResultType]> {
  let summary = "One value for each block of tokens, by component, at every token of the block; a short last block pools what it has";
  let description = "It has no derivative: pooled values rank, and a ranking is constant.";
  let arguments = (ins Caa_PoolKind:$kind, Caa_TokenF32:$value, I64Attr:$block);
  let results = (outs Caa_TokenF32:$result);
  let assemblyFormat = "$kind $value `over` $block `:` type($value) attr-dict";
  let hasVerifier = 1;
}

def Caa_BroadcastOp : Caa_Differentiable<"broadcast"> {
  let summary = "To more heads (each serves a consecutive group), to a wider width (from 1), or to all tokens of `like`";
  let arguments = (ins Caa_TokenOrHead:$value, Optional<Caa_Token>:$like);
  let results = (outs Caa_TokenOrHead:$result);
  let assemblyFormat = "$value (`like` $like^ `:` type($like))? `:` type($value) `->` type($result) attr-dict";
  let hasVerifier = 1;
}

#endif
