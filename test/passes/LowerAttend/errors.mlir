// What no kernel is written for.
// RUN: caa-opt --caa-lower-attend %s -split-input-file -verify-diagnostics

func.func private @two_rows_of_one_token(%q: tensor<?x?x1x8xf32>, %p: tensor<?x?x1x8xf32>, %k: tensor<?x?x1x1xf32>) -> tensor<?x?x1x1xf32>
    attributes {caa.kernel} {
  %s = caa.attend queries(%q, %p) keys(%k) heads() reductions [#caa.reduce<sum over keys>]
      : (tensor<?x?x1x8xf32>, tensor<?x?x1x8xf32>, tensor<?x?x1x1xf32>) -> tensor<?x?x1x1xf32> {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %pi: vector<8xf32>, %kj: f32):
    // expected-error@+1 {{the product of two vectors of one token belongs outside the attention}}
    %d = caa.dot %qi, %pi : vector<8xf32>
    %w = arith.mulf %d, %kj : f32
    caa.yield %w : f32
  }
  return %s : tensor<?x?x1x1xf32>
}

// -----

func.func private @both_axes(%q: tensor<?x?x1x8xf32>, %k: tensor<?x?x1x8xf32>) -> (tensor<?x?x1x8xf32>, tensor<?x?x1x8xf32>)
    attributes {caa.kernel} {
  // expected-error@+1 {{an attention that reduces over queries may reduce over keys by sums only}}
  %o, %lse, %s = caa.attend queries(%q) keys(%k) heads()
      reductions [#caa.reduce<softmax over keys, value = 0>, #caa.reduce<sum over queries, value = 0>]
      : (tensor<?x?x1x8xf32>, tensor<?x?x1x8xf32>) -> (tensor<?x?x1x8xf32>, tensor<?x?x1x1xf32>, tensor<?x?x1x8xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %kj: vector<8xf32>):
    %d = caa.dot %qi, %kj : vector<8xf32>
    %true = arith.constant true
    caa.yield %d, %true, %d : f32, i1, f32
  }
  return %o, %s : tensor<?x?x1x8xf32>, tensor<?x?x1x8xf32>
}
