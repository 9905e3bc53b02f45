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
