// What kernel formation makes: launches of kernels, sinks that kernels add into, and the stages of sums over tokens.
#ifndef CAA_KERNEL_OPS_TD
#define CAA_KERNEL_OPS_TD

include "dialect/Caa/CaaTokenOps.td"

//===-- In an entry function --===//

def Caa_LaunchOp : Caa_Op<"launch", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Runs a kernel: its inputs are the operands, its outputs the results";
  let description = [{
    The kernel is a private function with the attribute `caa.kernel`, at first of tensors, after its lowering of
    buffers: inputs, then outputs, in this order. `accumulates` lists the results that the kernel adds to its buffer
    instead of writing them: such a result has one use, a sink (`accumulate`, `accumulate_loss`, ...), whose buffer
    the kernel gets. `chunks` tells, for every result that is a `tensor<?xHxN>` of partial sums, how many token rows
    one of its rows covers; 0 for the others.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<AnyRankedTensor>:$operands,
                       OptionalAttr<DenseI64ArrayAttr>:$accumulates, OptionalAttr<DenseI64ArrayAttr>:$chunks);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = "$kernel `(` $operands `)` `:` functional-type($operands, $results) attr-dict";
  let extraClassDeclaration = [{
    /// Whether the kernel adds result `result` to its buffer.
    bool isAccumulated(unsigned result) {
      return getAccumulates() && ::llvm::is_contained(*getAccumulates(), int64_t(result));
    }
    /// Token rows per row of result `result`, 0 where it is no partial sum.
    int64_t getChunk(unsigned result) { return getChunks() ? (*getChunks())[result] : 0; }
  }];
}

class Caa_Sink<string mnemonic, string what, dag extra> : Caa_Op<mnemonic> {
  let summary = what;
  let arguments = !con((ins AnyRankedTensor:$value), extra);
  let assemblyFormat = "$value `:` type($value) attr-dict";
}
def Caa_AccumulateLossOp : Caa_Sink<"accumulate_loss", "Adds a tensor<1x1xf64> to the sum of the loss numbered `index`",
    (ins I64Attr:$index)>;
def Caa_AccumulateCountOp : Caa_Sink<"accumulate_count",
    "Adds a tensor<1x1xf64> to the count of the loss numbered `index`",
    (ins I64Attr:$index)>;
def Caa_AccumulateReportOp : Caa_Sink<"accumulate_report",
    "Combines a tensor<1x5xf64> (count, sum, sum of squares, least, most) with a report's",
    (ins StrAttr:$name, StrAttr:$path)>;

def Caa_ChunkedHeadLossOp : Caa_Op<"chunked_head_loss", [AttrSizedOperandSegments]> {
  let summary = "head_loss with its kernels: the loss of each token and, with `scale`, the gradients";
  let description = [{
    For each chunk of token rows: logits = input times weight transposed; `kernel` (logits, bias?, tokens, mask,
    scale?, loss, gradient?), which gives the gradient of the logits if there is a scale: in their place if it is f32, as
    another buffer of a chunk (its last operand) if it is bf16, as the products of the gradients take it where the
    weight is bf16; then those products. `tokens` is read whole: a row's target is the next row's token. `biasKernel` adds the gradient's column
    sums to the bias's gradient. Results: the loss of each token (0 where the mask does not hold or no next token
    exists; not scaled), then the gradients of input, weight and bias.
  }];
  let arguments = (ins Caa_TokenReal:$input, Caa_Matrix:$weight, Optional<Caa_Row>:$bias, Caa_Token:$tokens,
                       Caa_Token:$mask, Optional<Caa_Head>:$scale, FlatSymbolRefAttr:$kernel,
                       OptionalAttr<FlatSymbolRefAttr>:$biasKernel);
  let results = (outs Caa_TokenF32:$loss, Variadic<AnyRankedTensor>:$gradients);
  let assemblyFormat = [{
    `input` `(` $input `)` `weight` `(` $weight `)` (`bias` `(` $bias^ `)`)? `tokens` `(` $tokens `)` `mask` `(` $mask `)`
    (`scale` `(` $scale^ `)`)? `:` functional-type(operands, results) attr-dict
  }];
}

//===-- In a kernel function --===//

def Caa_PartialSumsOp : Caa_Op<"partial_sums", [Pure]> {
  let summary = "Sums over chunks of `chunk` token rows: [B, T, H, N] to [ceil(B T / chunk), H, N]";
  let arguments = (ins Caa_Token:$value, DefaultValuedAttr<I64Attr, "0">:$chunk);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$value `:` type($value) `->` type($result) attr-dict";
}

def Caa_SumPartialsOp : Caa_Op<"sum_partials", [Pure]> {
  let summary = "The sum of all rows of `partial_sums`, in their order";
  let arguments = (ins AnyRankedTensor:$value, DefaultValuedAttr<I64Attr, "0">:$chunk);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$value `:` type($value) `->` type($result) attr-dict";
}

def Caa_ReportPartialsOp : Caa_Op<"report_partials", [Pure]> {
  let summary = "Count, sum, sum of squares, least and most of a value over chunks of token rows, tensor<?x1x5xf64>";
  let description = "A per-head value is one chunk.";
  let arguments = (ins Caa_TokenOrHead:$value, DefaultValuedAttr<I64Attr, "0">:$chunk);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$value `:` type($value) `->` type($result) attr-dict";
}

def Caa_CombineReportsOp : Caa_Op<"combine_reports", [Pure]> {
  let summary = "All rows of `report_partials` as one: tensor<1x5xf64>";
  let arguments = (ins AnyRankedTensor:$value, DefaultValuedAttr<I64Attr, "0">:$chunk);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$value `:` type($value) `->` type($result) attr-dict";
}

def Caa_HeadLossRowsOp : Caa_Op<"head_loss_rows", [Pure, AttrSizedOperandSegments]> {
  let summary = "The loss of each row of logits and, with `scale`, scale times its gradient";
  let arguments = (ins Caa_TokenF32:$logits, Optional<Caa_Row>:$bias, Caa_Token:$tokens, Caa_Token:$mask,
                       Optional<Caa_Head>:$scale);
  let results = (outs Caa_TokenF32:$loss, Optional<Caa_TokenReal>:$gradient);
  let assemblyFormat = [{
    $logits (`bias` `(` $bias^ `)`)? `tokens` `(` $tokens `)` `mask` `(` $mask `)` (`scale` `(` $scale^ `)`)?
    `:` functional-type(operands, results) attr-dict
  }];
}

#endif
