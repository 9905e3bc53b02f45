// Ops that only adjoints need: matrix products transposed, scatters.
#ifndef CAA_GRADIENT_OPS_TD
#define CAA_GRADIENT_OPS_TD

include "dialect/Caa/CaaTokenOps.td"

def Caa_LinearAddOp : Caa_Op<"linear_add", [Pure]> {
  let summary = "y + x W^T, rounded once: a linear that adds to a value as it writes";
  let arguments = (ins Caa_TokenReal:$input, Caa_Matrix:$weight, Caa_TokenReal:$addend);
  let results = (outs Caa_TokenReal:$result);
  let assemblyFormat = "$input `,` $weight `,` $addend `:` functional-type(operands, $result) attr-dict";
  let hasVerifier = 1;
}

def Caa_LinearInputGradOp : Caa_Op<"linear_input_grad", [Pure]> {
  let summary = "dY W: the gradient of a linear's input";
  let arguments = (ins Caa_TokenReal:$gradient, Caa_Matrix:$weight);
  let results = (outs Caa_TokenReal:$result);
  let assemblyFormat = "$gradient `,` $weight `:` functional-type(operands, $result) attr-dict";
  let hasVerifier = 1;
}

def Caa_LinearWeightGradOp : Caa_Op<"linear_weight_grad", [Pure]> {
  let summary = "dY^T X over all tokens: the gradient of a linear's weight, [H N, h n]";
  let arguments = (ins Caa_TokenReal:$gradient, Caa_TokenReal:$input);
  let results = (outs Caa_Matrix:$result);
  let assemblyFormat = "$gradient `,` $input `:` functional-type(operands, $result) attr-dict";
  let hasVerifier = 1;
}

def Caa_EmbedGradOp : Caa_Op<"embed_grad", [Pure]> {
  let summary = "Adds each token's gradient to its row of the table's gradient, in the order of tokens";
  let arguments = (ins Caa_Token:$index, Caa_TokenReal:$gradient);
  let results = (outs Caa_Matrix:$result);
  let assemblyFormat = "$index `,` $gradient `:` functional-type(operands, $result) attr-dict";
  let hasVerifier = 1;
}

def Caa_CrossEntropyGradOp : Caa_Op<"cross_entropy_grad", [Pure]> {
  let summary = "(softmax(logits) - one_hot(next token)) times the loss's gradient; 0 at a row's last token";
  let arguments = (ins Caa_TokenF32:$logits, Caa_Token:$tokens, Caa_TokenF32:$gradient);
  let results = (outs Caa_TokenF32:$result);
  let assemblyFormat = "$logits `,` $tokens `,` $gradient `:` functional-type(operands, $result) attr-dict";
  let hasVerifier = 1;
}

def Caa_AsRowOp : Caa_Op<"as_row", [Pure]> {
  let summary = "A per-head value [1, N] as a row [N]: the gradient of as_head";
  let arguments = (ins Caa_Head:$value);
  let results = (outs Caa_Row:$result);
  let assemblyFormat = "$value `:` type($value) `->` type($result) attr-dict";
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

#endif
