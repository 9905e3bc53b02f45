// Context-adaptive attention (models/qwen_caa.mdl) as an export, small: a soft window whose width is learned, the exact
// top keys by score, and a gate between them; as the frontend emits it.
module {
  caa.parameter @gate_in.weight : tensor<2x16xf32> {init = #caa.init<normal, 0.0, 0.02>, decay, group = "gate"}
  caa.parameter @gate_out.weight : tensor<8x2xf32> {init = #caa.init<zeros>, decay, group = "gate"}
  caa.parameter @gate_out.bias : tensor<8xf32> {init = #caa.init<zeros>, group = "gate"}
  func.func @caa(%q: tensor<?x?x4x8xf32> {caa.name = "q"}, %k: tensor<?x?x2x8xf32> {caa.name = "k"}, %v: tensor<?x?x2x8xf32> {caa.name = "v"}, %x: tensor<?x?x1x16xf32> {caa.name = "x"})
      -> (tensor<?x?x4x8xf32> {caa.name = "out"}) attributes {caa.export} {
    // The gate's two layers.
    %w1 = caa.param @gate_in.weight : tensor<2x16xf32>
    %w1r = caa.round %w1 : tensor<2x16xf32>
    %in = caa.linear %x, %w1r : (tensor<?x?x1x16xf32>, tensor<2x16xf32>) -> tensor<?x?x1x2xf32>
    %inr = caa.round %in : tensor<?x?x1x2xf32>
    %act = caa.map(%inr) : (tensor<?x?x1x2xf32>) -> tensor<?x?x1x2xf32> {
    ^bb0(%a: f32):
      %sig = caa.sigmoid %a : f32
      %r = arith.mulf %a, %sig : f32
      caa.yield %r : f32
    }
    %w2 = caa.param @gate_out.weight : tensor<8x2xf32>
    %w2r = caa.round %w2 : tensor<8x2xf32>
    %b2 = caa.param @gate_out.bias : tensor<8xf32>
    %b2r = caa.round %b2 : tensor<8xf32>
    %z = caa.linear %act, %w2r, %b2r : (tensor<?x?x1x2xf32>, tensor<8x2xf32>, tensor<8xf32>) -> tensor<?x?x4x2xf32>
    %zg = caa.slice %z : tensor<?x?x4x2xf32> -> tensor<?x?x4x1xf32> {start = 0 : i64}
    %zw = caa.slice %z : tensor<?x?x4x2xf32> -> tensor<?x?x4x1xf32> {start = 1 : i64}
    %g = caa.map(%zg) : (tensor<?x?x4x1xf32>) -> tensor<?x?x4x1xf32> {
    ^bb0(%a: f32):
      %cap = arith.constant 8.0 : f32
      %r = arith.divf %a, %cap : f32
      %t = math.tanh %r : f32
      %m = arith.mulf %cap, %t : f32
      %y = caa.sigmoid %m : f32
      caa.yield %y : f32
    }
    %w = caa.map(%zw) : (tensor<?x?x4x1xf32>) -> tensor<?x?x4x1xf32> {
    ^bb0(%a: f32):
      %least = arith.constant 3.0 : f32
      %range = arith.constant 4.0 : f32
      %sig = caa.sigmoid %a : f32
      %m = arith.mulf %range, %sig : f32
      %y = arith.addf %least, %m : f32
      caa.yield %y : f32
    }
    // How many keys the far branch takes, and its threshold.
    %index = caa.index %q : tensor<?x?x4x8xf32> -> tensor<?x?x1x1xi64>
    %count = caa.map(%index) : (tensor<?x?x1x1xi64>) -> tensor<?x?x1x1xi64> {
    ^bb0(%p: i64):
      %one = arith.constant 1 : i64
      %n = arith.addi %p, %one : i64
      %f = arith.sitofp %n : i64 to f64
      %r = math.sqrt %f : f64
      %u = math.ceil %r : f64
      %k0 = arith.fptosi %u : f64 to i64
      caa.yield %k0 : i64
    }
    %tau = caa.attend queries(%q, %count) keys(%k) heads() reductions [#caa.reduce<kth over keys, count = 1>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x1x1xi64>, tensor<?x?x2x8xf32>) -> tensor<?x?x4x1xf32> {
    ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %n: i64, %kj: vector<8xf32>):
      %d = caa.dot %qi, %kj : vector<8xf32>
      %c = arith.constant 2.8284271 : f32
      %s = arith.divf %d, %c : f32
      %causal = arith.cmpi sle, %j, %i : i64
      caa.yield %s, %causal : f32, i1
    }
    // The two branches.
    %near:2 = caa.attend queries(%q, %w) keys(%k, %v) heads() reductions [#caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>) {
    ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %wi: f32, %kj: vector<8xf32>, %vj: vector<8xf32>):
      %d = caa.dot %qi, %kj : vector<8xf32>
      %c = arith.constant 2.8284271 : f32
      %s = arith.divf %d, %c : f32
      %causal = arith.cmpi sle, %j, %i : i64
      %ago = arith.subi %i, %j : i64
      %ago_f = arith.sitofp %ago : i64 to f32
      %ramp = arith.constant 2.0 : f32
      %left = arith.subf %wi, %ago_f : f32
      %edge = arith.divf %left, %ramp : f32
      %soft = caa.clip %edge : f32
      %zero = arith.constant 0.0 : f32
      %m = arith.select %causal, %soft, %zero : f32
      caa.yield %s, %m : f32, f32
    }
    %far:2 = caa.attend queries(%q, %tau) keys(%k, %v) heads() reductions [#caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>) {
    ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %ti: f32, %kj: vector<8xf32>, %vj: vector<8xf32>):
      %d = caa.dot %qi, %kj : vector<8xf32>
      %c = arith.constant 2.8284271 : f32
      %s = arith.divf %d, %c : f32
      %causal = arith.cmpi sle, %j, %i : i64
      %in_set = arith.cmpf oge, %s, %ti : f32
      %m = arith.andi %causal, %in_set : i1
      caa.yield %s, %m : f32, i1
    }
    %out = caa.map(%g, %near#0, %far#0) : (tensor<?x?x4x1xf32>, tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>) -> tensor<?x?x4x8xf32> {
    ^bb0(%gi: f32, %a: f32, %b: f32):
      %one = arith.constant 1.0 : f32
      %ga = arith.mulf %gi, %a : f32
      %rest = arith.subf %one, %gi : f32
      %gb = arith.mulf %rest, %b : f32
      %y = arith.addf %ga, %gb : f32
      caa.yield %y : f32
    }
    return %out : tensor<?x?x4x8xf32>
  }
}
