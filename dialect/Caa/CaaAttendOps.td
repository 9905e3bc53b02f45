// Attention: the one op that looks at other tokens.
#ifndef CAA_ATTEND_OPS_TD
#define CAA_ATTEND_OPS_TD

include "dialect/Caa/CaaTokenOps.td"

def Caa_DotOp : Caa_Op<"dot", [Pure, AllTypesMatch<["query", "key"]>]> {
  let summary = "The dot product of a query row and a key row (in an attend): where a score tile's matrix product comes from";
  let arguments = (ins VectorOfRankAndType<[1], [F32, BF16]>:$query, VectorOfRankAndType<[1], [F32, BF16]>:$key);
  let results = (outs F32:$result);
  let assemblyFormat = "$query `,` $key `:` type($query) attr-dict";
}

//===-- Units: keys in blocks of `unit` tokens, from 0 on, the last one of a row maybe shorter ---------------------===//

def Caa_UnitReduction : I32EnumAttr<"UnitReduction", "what one number the scores of a unit's keys become", [
    I32EnumAttrCase<"Max", 0, "max">, I32EnumAttrCase<"Sum", 1, "sum">, I32EnumAttrCase<"Mean", 2, "mean">]> {
  let cppNamespace = "::caa";
}

class Caa_UnitOp<string mnemonic, string what, list<Trait> traits = []>
    : Caa_Op<mnemonic, !listconcat([Pure, ParentOneOf<["AttendOp"]>], traits)> {
  let summary = what;
}
def Caa_UnitStartOp : Caa_UnitOp<"unit_start", "The first token of the unit that token j is in"> {
  let arguments = (ins I64:$token, I64Attr:$unit);
  let results = (outs I64:$result);
  let assemblyFormat = "$token `of` $unit attr-dict";
}
def Caa_UnitRowOp : Caa_UnitOp<"unit_row", "A key operand's row at the first token of key j's unit", [AllTypesMatch<["row", "result"]>]> {
  let arguments = (ins VectorOfRankAndType<[1], [F32, BF16]>:$row, I64Attr:$unit);
  let results = (outs VectorOfRankAndType<[1], [F32, BF16]>:$result);
  let assemblyFormat = "$row `of` $unit `:` type($row) attr-dict";
  let hasVerifier = 1;
}
def Caa_UnitReduceOp : Caa_UnitOp<"unit_reduce", "The scores of the members among the keys of j's unit as one number: -inf, 0 or NaN without any"> {
  let description = "The same for all keys of a unit. It is constant: what is ranked by it has no derivative. Kernels add in 2^-32 fixed point, in any order.";
  let arguments = (ins Caa_UnitReduction:$kind, F32:$score, I1:$member, I64Attr:$unit);
  let results = (outs F32:$result);
  let assemblyFormat = "$kind $score `where` $member `of` $unit attr-dict";
}
def Caa_UnitAnyOp : Caa_UnitOp<"unit_any", "Whether a truth value holds for some key of j's unit"> {
  let arguments = (ins I1:$member, I64Attr:$unit);
  let results = (outs I1:$result);
  let assemblyFormat = "$member `of` $unit attr-dict";
}

def Caa_AttendOp : Caa_PartlyConstant<"attend", [SingleBlock, IsolatedFromAbove, AttrSizedOperandSegments]> {
  let summary = "Reductions, over keys j or over queries i, of scalar functions of pairs (i, j)";
  let description = [{
    For every batch row, head and pair (i, j) of tokens the region computes scalars from i, j, the queries' values at i,
    the keys' values at j and per-head values; nothing of size T x T is ever stored. The region's arguments are i and j
    (`i64`, tokens' indices in the row), then one per operand in the order queries, keys, heads: a scalar where the width
    is 1, else a `vector<NxE>`, which only `caa.dot` takes. Operands with fewer heads serve consecutive groups.

    `reductions` says how many of the yielded scalars belong to each reduction and what becomes of them; results are in the
    order of the reductions (softmax with a value: output, then its log-sum-exp). Operands of a width above 1 may be `bf16`:
    products take them as they are, and weights of `bf16` values are rounded to bf16 for the product (a softmax's own sum takes
    them unrounded). A result with a value may be `bf16` too: it is rounded when it is whole. A reduction over keys gives a value per
    query; one over queries a value per key. A result with fewer heads than the attend (`sum` only) sums over each group.

    A pair contributes nothing where its membership is false or 0, or its `sum` weight is exactly 0 by a `select` or a
    product with such a 0; tiles where that holds for every reduction are never visited. So the region must guard what
    could be infinite or NaN there. Position conditions belong in the membership itself, `causal` included.

    Keys may be seen in units (`unit_start`, `unit_row`, `unit_reduce`, `unit_any`): the tokens of a row in blocks of one size per
    attend. Those ops look at other keys of key j's unit, still for query i alone.

    The adjoint is an attend too: `sum` reductions over keys for the queries' gradients, over queries for the keys'.

    ```mlir
    %o, %lse = caa.attend queries(%q) keys(%k, %v) heads()
        reductions [#caa.reduce<softmax over keys, value = 1>]
        : (tensor<?x?x8x64xf32>, tensor<?x?x2x64xf32>, tensor<?x?x2x64xf32>) -> (tensor<?x?x8x64xf32>, tensor<?x?x8x1xf32>) {
    ^bb0(%i: i64, %j: i64, %qi: vector<64xf32>, %kj: vector<64xf32>, %vj: vector<64xf32>):
      %c = arith.constant 0.125 : f32
      %d = caa.dot %qi, %kj : vector<64xf32>
      %s = arith.mulf %d, %c : f32
      %m = arith.cmpi sle, %j, %i : i64
      caa.yield %s, %m : f32, i1
    }
    ```
  }];
  let arguments = (ins Variadic<Caa_Token>:$queries, Variadic<Caa_Token>:$keys, Variadic<Caa_Head>:$heads,
                       TypedArrayAttrBase<Caa_ReductionAttr, "reductions">:$reductions);
  let results = (outs Variadic<Caa_Token>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    `queries` `(` $queries `)` `keys` `(` $keys `)` `heads` `(` $heads `)` `reductions` $reductions
    `:` functional-type(operands, $results) attr-dict-with-keyword $body
  }];
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
  let extraClassDeclaration = [{
    /// The number of heads that the tile loop runs over: the most of any operand.
    int64_t getNumHeads();
    /// The tokens of a unit of keys; 0 where the region knows no units.
    int64_t getUnit();
    /// The region's argument behind a row of a dot, maybe that of a unit.
    static ::mlir::BlockArgument getArgumentOf(::mlir::Value row);
    /// The reductions, typed.
    ::llvm::SmallVector<::caa::ReductionAttr> getReductionList();
    /// The yielded scalars of reduction `r`.
    ::mlir::ValueRange getYields(unsigned r);
    /// The first result of reduction `r` (softmax with a value has two: the output and the log-sum-exp).
    unsigned getFirstResult(unsigned r);
    /// The region's arguments for the operands of each segment.
    ::mlir::BlockArgument getQueryArgument(unsigned n) { return getBody().getArgument(2 + n); }
    ::mlir::BlockArgument getKeyArgument(unsigned n) { return getBody().getArgument(2 + getQueries().size() + n); }
    ::mlir::BlockArgument getHeadArgument(unsigned n) {
      return getBody().getArgument(2 + getQueries().size() + getKeys().size() + n);
    }
    /// How many scalars a reduction yields, how many results it has.
    static unsigned countYields(::caa::ReductionAttr reduction);
    static unsigned countResults(::caa::ReductionAttr reduction);
  }];
}

#endif
