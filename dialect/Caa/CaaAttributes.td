// Attributes: how a parameter starts and is trained, what an attend reduces.
#ifndef CAA_ATTRIBUTES_TD
#define CAA_ATTRIBUTES_TD

include "dialect/Caa/CaaBase.td"

class Caa_Attr<string name, string attrMnemonic> : AttrDef<Caa_Dialect, name> { let mnemonic = attrMnemonic; }

def Caa_InitKind : I32EnumAttr<"InitKind", "initial distribution", [
    I32EnumAttrCase<"Zeros", 0, "zeros">, I32EnumAttrCase<"Ones", 1, "ones">,
    I32EnumAttrCase<"Normal", 2, "normal">, I32EnumAttrCase<"Uniform", 3, "uniform">]> {
  let cppNamespace = "::caa";
  let genSpecializedAttr = 0;
}

def Caa_InitAttr : Caa_Attr<"Init", "init"> {
  let summary = "How a parameter starts: zeros, ones, normal(0, b), uniform(a, b)";
  let description = "`a` and `b` are f64: the mean and deviation of `normal`, the ends of `uniform`.";
  let parameters = (ins EnumParameter<Caa_InitKind>:$kind, OptionalParameter<"::mlir::FloatAttr">:$a,
                        OptionalParameter<"::mlir::FloatAttr">:$b);
  let assemblyFormat = "`<` $kind (`,` $a^ `,` $b)? `>`";
}

def Caa_ReductionKind : I32EnumAttr<"ReductionKind", "what an attend computes over its axis", [
    I32EnumAttrCase<"Softmax", 0, "softmax">, I32EnumAttrCase<"Sum", 1, "sum">,
    I32EnumAttrCase<"Max", 2, "max">, I32EnumAttrCase<"Kth", 3, "kth">]> {
  let cppNamespace = "::caa";
  let genSpecializedAttr = 0;
}

def Caa_AxisKind : I32EnumAttr<"Axis", "the axis that is reduced", [
    I32EnumAttrCase<"Keys", 0, "keys">, I32EnumAttrCase<"Queries", 1, "queries">]> {
  let cppNamespace = "::caa";
  let genSpecializedAttr = 0;
}

def Caa_ReductionAttr : Caa_Attr<"Reduction", "reduce"> {
  let summary = "One reduction of an attend";
  let description = [{
    `value` is the index, among the operands of the reduced axis (`keys` when reducing over keys, `queries` when reducing
    over queries), of the vector that is weighted and summed; -1 for none. `count` is the index among `queries` of k, for
    `kth`; -1 otherwise.

    | kind | yields | results |
    |---|---|---|
    | softmax | score s: f32, membership m: i1 or f32 in [0, 1] | with value: sum m e^(s - lse) value; always: lse = log sum m e^s. Empty set: 0, -inf |
    | sum | weight w: f32 (or i64, without value) | sum w value, or sum w |
    | max | s: f32, m: i1 or f32 | max of s where m > 0; 0 over an empty set |
    | kth | s: f32, m: i1 | the k-th largest s where m, ties counted; -inf where fewer than k are in, +inf where k < 1 |
  }];
  let parameters = (ins EnumParameter<Caa_ReductionKind>:$kind, EnumParameter<Caa_AxisKind>:$axis,
                        DefaultValuedParameter<"int64_t", "-1">:$value, DefaultValuedParameter<"int64_t", "-1">:$count);
  let hasCustomAssemblyFormat = 1; // #caa.reduce<softmax over keys, value = 1>
}

#endif
