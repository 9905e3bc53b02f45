// Dense causal attention with grouped queries.
// RUN: caa-opt --caa-lower-attend %s | FileCheck %s

func.func private @dense(%q: tensor<?x?x4x16xf32>, %k: tensor<?x?x2x16xf32>, %v: tensor<?x?x2x16xf32>)
    -> (tensor<?x?x4x16xf32>, tensor<?x?x4x1xf32>) attributes {caa.kernel} {
  %o, %lse = caa.attend queries(%q) keys(%k, %v) heads() reductions [#caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x4x16xf32>, tensor<?x?x2x16xf32>, tensor<?x?x2x16xf32>) -> (tensor<?x?x4x16xf32>, tensor<?x?x4x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<16xf32>, %kj: vector<16xf32>, %vj: vector<16xf32>):
    %c = arith.constant 0.25 : f32
    %d = caa.dot %qi, %kj : vector<16xf32>
    %s = arith.mulf %d, %c : f32
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %s, %m : f32, i1
  }
  return %o, %lse : tensor<?x?x4x16xf32>, tensor<?x?x4x1xf32>
}
