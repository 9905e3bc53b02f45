// A GPU's tile of keys is a whole unit where something is asked of all its keys.
// RUN: caa-opt --canonicalize --caa-check-units=most=128 %s -split-input-file -verify-diagnostics

func.func @large(%q: tensor<?x?x1x8xf32>, %t: tensor<?x?x1x1xf32>, %k: tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32> {
  %0 = caa.attend queries(%q, %t) keys(%k) heads() reductions [#caa.reduce<sum over keys, value = 0>]
      : (tensor<?x?x1x8xf32>, tensor<?x?x1x1xf32>, tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32> {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %ti: f32, %kj: vector<8xf32>):
    %zero = arith.constant 0.0 : f32
    %d = caa.dot %qi, %kj : vector<8xf32>
    %causal = arith.cmpi sle, %j, %i : i64
    // expected-error@+1 {{a GPU looks at the keys of a block together if it has at most 128; this one has 200}}
    %most = caa.unit_reduce max %d where %causal of 200
    %chosen = arith.cmpf oge, %most, %ti : f32
    %m = arith.andi %chosen, %causal : i1
    %w = arith.select %m, %d, %zero : f32
    caa.yield %w : f32
  }
  return %0 : tensor<?x?x1x8xf32>
}

// -----

// The first key tells whether any is seen.
func.func @first(%q: tensor<?x?x1x8xf32>, %k: tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32> {
  %0 = caa.attend queries(%q) keys(%k) heads() reductions [#caa.reduce<sum over keys, value = 0>]
      : (tensor<?x?x1x8xf32>, tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32> {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %kj: vector<8xf32>):
    %zero = arith.constant 0.0 : f32
    %d = caa.dot %qi, %kj : vector<8xf32>
    %causal = arith.cmpi sle, %j, %i : i64
    %any = caa.unit_any %causal of 200
    %w = arith.select %any, %d, %zero : f32
    caa.yield %w : f32
  }
  return %0 : tensor<?x?x1x8xf32>
}
