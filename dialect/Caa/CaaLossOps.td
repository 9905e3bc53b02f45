// The language model's loss.
#ifndef CAA_LOSS_OPS_TD
#define CAA_LOSS_OPS_TD

include "dialect/Caa/CaaTokenOps.td"

def Caa_CrossEntropyOp : Caa_Differentiable<"cross_entropy"> {
  let summary = "logsumexp(logits) - logits[next token], at each token that has a next one; 0 at a row's last token";
  let arguments = (ins Caa_TokenF32:$logits, Caa_Token:$tokens);
  let results = (outs Caa_TokenF32:$loss);
  let assemblyFormat = "$logits `,` $tokens `:` functional-type(operands, $loss) attr-dict";
  let hasVerifier = 1;
}

def Caa_HeadLossOp : Caa_Op<"head_loss"> {
  let summary = "linear + cross_entropy + loss in chunks of tokens, so that logits never exist whole; with gradients on request";
  let description = [{
    Adds the mean of the cross entropy of `input` times `weight` transposed (plus `bias`) over the tokens where `mask`
    holds to the loss `name`, as `loss` does. With results, it also gives the gradients of input, weight (and bias) for a
    gradient of the loss of 1, seeded by `loss_scale index`. Made by the head-loss fusion.
  }];
  let arguments = (ins Caa_TokenReal:$input, Caa_Matrix:$weight, Optional<Caa_Row>:$bias, Caa_Token:$tokens,
                       Caa_Token:$mask, StrAttr:$name, I64Attr:$index);
  let results = (outs Variadic<AnyRankedTensor>:$gradients);
  let assemblyFormat = [{
    `input` `(` $input `)` `weight` `(` $weight `)` (`bias` `(` $bias^ `)`)? `tokens` `(` $tokens `)` `mask` `(` $mask `)`
    `:` functional-type(operands, $gradients) attr-dict
  }];
  let hasVerifier = 1;
}

#endif
