// An attention that is in no model: a soft-capped score with one learned slope per head for distance, a hard window and the
// first keys as two branches, mixed by one learned number per head, and a loss on a log-sum-exp.
module {
  caa.parameter @mix : tensor<4x1xf32> {init = #caa.init<zeros>}
  caa.parameter @slope : tensor<4x1xf32> {init = #caa.init<zeros>}
  func.func @mixture(%q: tensor<?x?x4x8xf32> {caa.name = "q"}, %k: tensor<?x?x2x8xf32> {caa.name = "k"},
                     %v: tensor<?x?x2x8xf32> {caa.name = "v"}) -> (tensor<?x?x4x8xf32> {caa.name = "out"}) attributes {caa.export} {
    %mix = caa.param @mix : tensor<4x1xf32>
    %slope = caa.param @slope : tensor<4x1xf32>
    %near:2 = caa.attend queries(%q) keys(%k, %v) heads(%slope) reductions [#caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<4x1xf32>) -> (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>) {
    ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %kj: vector<8xf32>, %vj: vector<8xf32>, %h: f32):
      %cap = arith.constant 3.0 : f32
      %d = caa.dot %qi, %kj : vector<8xf32>
      %c = arith.divf %d, %cap : f32
      %t = math.tanh %c : f32
      %u = arith.mulf %cap, %t : f32
      %ago = arith.subi %i, %j : i64
      %far = arith.sitofp %ago : i64 to f32
      %b = arith.mulf %h, %far : f32
      %s = arith.addf %u, %b : f32
      %w = arith.constant 4 : i64
      %causal = arith.cmpi sle, %j, %i : i64
      %close = arith.cmpi slt, %ago, %w : i64
      %m = arith.andi %causal, %close : i1
      caa.yield %s, %m : f32, i1
    }
    %first:2 = caa.attend queries(%q) keys(%k, %v) heads(%slope) reductions [#caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<4x1xf32>) -> (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>) {
    ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %kj: vector<8xf32>, %vj: vector<8xf32>, %h: f32):
      %cap = arith.constant 3.0 : f32
      %d = caa.dot %qi, %kj : vector<8xf32>
      %c = arith.divf %d, %cap : f32
      %t = math.tanh %c : f32
      %u = arith.mulf %cap, %t : f32
      %ago = arith.subi %i, %j : i64
      %far = arith.sitofp %ago : i64 to f32
      %b = arith.mulf %h, %far : f32
      %s = arith.addf %u, %b : f32
      %sinks = arith.constant 3 : i64
      %two = arith.constant 2 : i64
      %late = arith.cmpi sge, %i, %two : i64
      %causal = arith.cmpi sle, %j, %i : i64
      %early = arith.cmpi slt, %j, %sinks : i64
      %m0 = arith.andi %causal, %early : i1
      %m = arith.andi %m0, %late : i1
      caa.yield %s, %m : f32, i1
    }
    %out = caa.map(%mix, %near#0, %first#0) : (tensor<4x1xf32>, tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>) -> tensor<?x?x4x8xf32> {
    ^bb0(%p: f32, %a: f32, %b: f32):
      %one = arith.constant 1.0 : f32
      %g = caa.sigmoid %p : f32
      %rest = arith.subf %one, %g : f32
      %ga = arith.mulf %g, %a : f32
      %gb = arith.mulf %rest, %b : f32
      %y = arith.addf %ga, %gb : f32
      caa.yield %y : f32
    }
    %z = caa.map(%near#1) : (tensor<?x?x4x1xf32>) -> tensor<?x?x4x1xf32> {
    ^bb0(%l: f32):
      %y = arith.mulf %l, %l : f32
      caa.yield %y : f32
    }
    caa.loss %z : tensor<?x?x4x1xf32> {name = "norm", index = 0 : i64}
    return %out : tensor<?x?x4x8xf32>
  }
}
