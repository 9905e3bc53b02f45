// Attends of many kinds, whose kernels lower_attend_test.cpp runs in the interpreter and compares with the definition. Each function
// names how its arguments are filled: see fill() there.

// Dense, causal, grouped queries.
func.func private @dense(%q: tensor<?x?x4x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x6xf32>)
    -> (tensor<?x?x4x6xf32>, tensor<?x?x4x1xf32>) attributes {caa.kernel, caa.fill = ["normal", "normal", "normal"]} {
  %o, %lse = caa.attend queries(%q) keys(%k, %v) heads() reductions [#caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x6xf32>) -> (tensor<?x?x4x6xf32>, tensor<?x?x4x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %kj: vector<8xf32>, %vj: vector<6xf32>):
    %c = arith.constant 0.3 : f32
    %d = caa.dot %qi, %kj : vector<8xf32>
    %s = arith.mulf %d, %c : f32
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %s, %m : f32, i1
  }
  return %o, %lse : tensor<?x?x4x6xf32>, tensor<?x?x4x1xf32>
}

// Both directions, without a mask; the log-sum-exp is not wanted.
func.func private @everywhere(%q: tensor<?x?x1x8xf32>, %k: tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32>
    attributes {caa.kernel, caa.fill = ["normal", "normal"]} {
  %o, %lse = caa.attend queries(%q) keys(%k) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x1x8xf32>, tensor<?x?x1x8xf32>) -> (tensor<?x?x1x8xf32>, tensor<?x?x1x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %kj: vector<8xf32>):
    %d = caa.dot %qi, %kj : vector<8xf32>
    %true = arith.constant true
    caa.yield %d, %true : f32, i1
  }
  return %o : tensor<?x?x1x8xf32>
}

// A hard window of 7 tokens.
func.func private @window(%q: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>) attributes {caa.kernel, caa.fill = ["normal", "normal", "normal"]} {
  %o, %lse = caa.attend queries(%q) keys(%k, %v) heads() reductions [#caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %kj: vector<8xf32>, %vj: vector<8xf32>):
    %w = arith.constant 7 : i64
    %d = caa.dot %qi, %kj : vector<8xf32>
    %causal = arith.cmpi sle, %j, %i : i64
    %back = arith.subi %i, %j : i64
    %near = arith.cmpi slt, %back, %w : i64
    %m = arith.andi %causal, %near : i1
    caa.yield %d, %m : f32, i1
  }
  return %o, %lse : tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>
}

// Strictly earlier tokens of the same document: rows without any key.
func.func private @document(%q: tensor<?x?x2x8xf32>, %di: tensor<?x?x1x1xi32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>,
                            %dj: tensor<?x?x1x1xi32>) -> (tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>, tensor<?x?x1x1xi64>)
    attributes {caa.kernel, caa.fill = ["normal", "document", "normal", "normal", "document"]} {
  %o, %lse, %n = caa.attend queries(%q, %di) keys(%k, %v, %dj) heads()
      reductions [#caa.reduce<softmax over keys, value = 1>, #caa.reduce<sum over keys>]
      : (tensor<?x?x2x8xf32>, tensor<?x?x1x1xi32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x1x1xi32>)
      -> (tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>, tensor<?x?x1x1xi64>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %docI: i32, %kj: vector<8xf32>, %vj: vector<8xf32>, %docJ: i32):
    %d = caa.dot %qi, %kj : vector<8xf32>
    %earlier = arith.cmpi slt, %j, %i : i64
    %same = arith.cmpi eq, %docI, %docJ : i32
    %m = arith.andi %earlier, %same : i1
    %one = arith.extui %m : i1 to i64
    caa.yield %d, %m, %one : f32, i1, i64
  }
  return %o, %lse, %n : tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>, tensor<?x?x1x1xi64>
}

// A soft window whose width each query chooses, a slope per head, capped scores, and a key that may be switched off.
func.func private @soft(%q: tensor<?x?x4x8xf32>, %w: tensor<?x?x2x1xf32>, %k: tensor<?x?x4x8xf32>, %v: tensor<?x?x4x8xf32>,
                        %on: tensor<?x?x1x1xi1>, %slope: tensor<4x1xf32>) -> (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>)
    attributes {caa.kernel, caa.fill = ["normal", "width", "normal", "normal", "truth", "normal"]} {
  %o, %lse = caa.attend queries(%q, %w) keys(%k, %v, %on) heads(%slope) reductions [#caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x1xf32>, tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>, tensor<?x?x1x1xi1>, tensor<4x1xf32>)
      -> (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %wi: f32, %kj: vector<8xf32>, %vj: vector<8xf32>, %onj: i1, %slopeh: f32):
    %r = arith.constant 4.0 : f32
    %zero = arith.constant 0.0 : f32
    %d = caa.dot %qi, %kj : vector<8xf32>
    %t = math.tanh %d : f32
    %back = arith.subi %i, %j : i64
    %distance = arith.sitofp %back : i64 to f32
    %bias = arith.mulf %slopeh, %distance : f32
    %s = arith.addf %t, %bias : f32
    %left = arith.subf %wi, %distance : f32
    %ramp = arith.divf %left, %r : f32
    %soft = caa.clip %ramp : f32
    %causal = arith.cmpi sle, %j, %i : i64
    %may = arith.andi %causal, %onj : i1
    %m = arith.select %may, %soft, %zero : f32
    caa.yield %s, %m : f32, f32
  }
  return %o, %lse : tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>
}

// The k-th largest score.
func.func private @kth(%q: tensor<?x?x2x8xf32>, %n: tensor<?x?x1x1xi64>, %k: tensor<?x?x1x8xf32>) -> tensor<?x?x2x1xf32>
    attributes {caa.kernel, caa.fill = ["grid", "count", "grid"]} {
  %tau = caa.attend queries(%q, %n) keys(%k) heads() reductions [#caa.reduce<kth over keys, count = 1>]
      : (tensor<?x?x2x8xf32>, tensor<?x?x1x1xi64>, tensor<?x?x1x8xf32>) -> tensor<?x?x2x1xf32> {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %ni: i64, %kj: vector<8xf32>):
    %d = caa.dot %qi, %kj : vector<8xf32>
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %d, %m : f32, i1
  }
  return %tau : tensor<?x?x2x1xf32>
}

// A soft window and a selection by threshold, over the same scores.
func.func private @branches(%q: tensor<?x?x2x8xf32>, %w: tensor<?x?x2x1xf32>, %tau: tensor<?x?x2x1xf32>, %k: tensor<?x?x2x8xf32>,
                            %v: tensor<?x?x2x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>)
    attributes {caa.kernel, caa.fill = ["grid", "width", "normal", "grid", "normal"]} {
  %near, %nearLse, %far, %farLse = caa.attend queries(%q, %w, %tau) keys(%k, %v) heads()
      reductions [#caa.reduce<softmax over keys, value = 1>, #caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>, tensor<?x?x2x1xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>)
      -> (tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %wi: f32, %taui: f32, %kj: vector<8xf32>, %vj: vector<8xf32>):
    %c = arith.constant 0.25 : f32
    %r = arith.constant 4.0 : f32
    %zero = arith.constant 0.0 : f32
    %d = caa.dot %qi, %kj : vector<8xf32>
    %s = arith.mulf %d, %c : f32
    %causal = arith.cmpi sle, %j, %i : i64
    %back = arith.subi %i, %j : i64
    %backf = arith.sitofp %back : i64 to f32
    %left = arith.subf %wi, %backf : f32
    %slope = arith.divf %left, %r : f32
    %soft = caa.clip %slope : f32
    %m = arith.select %causal, %soft, %zero : f32
    %top = arith.cmpf oge, %s, %taui : f32
    %in = arith.andi %causal, %top : i1
    caa.yield %s, %m, %s, %in : f32, f32, f32, i1
  }
  return %near, %nearLse, %far, %farLse : tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>
}

// A selection that nobody makes: no score reaches its threshold.
func.func private @unselected(%q: tensor<?x?x2x8xf32>, %tau: tensor<?x?x2x1xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>) attributes {caa.kernel, caa.fill = ["grid", "never", "grid", "normal"]} {
  %o, %lse = caa.attend queries(%q, %tau) keys(%k, %v) heads() reductions [#caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %taui: f32, %kj: vector<8xf32>, %vj: vector<8xf32>):
    %s = caa.dot %qi, %kj : vector<8xf32>
    %causal = arith.cmpi sle, %j, %i : i64
    %top = arith.cmpf oge, %s, %taui : f32
    %in = arith.andi %causal, %top : i1
    caa.yield %s, %in : f32, i1
  }
  return %o, %lse : tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>
}

// Nothing that has a name: a largest score, a sum of products of two scores, a softmax of a scalar per key, every fourth token.
func.func private @unnamed(%q: tensor<?x?x2x8xf32>, %x: tensor<?x?x2x1xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x1x5xf32>,
                           %y: tensor<?x?x1x1xf32>, %u: tensor<2x8xf32>)
    -> (tensor<?x?x2x1xf32>, tensor<?x?x2x5xf32>, tensor<?x?x2x1xf32>, tensor<?x?x1x1xf32>, tensor<?x?x2x1xf32>)
    attributes {caa.kernel, caa.fill = ["normal", "normal", "normal", "normal", "normal", "normal"]} {
  %most, %sum, %mean, %lse, %total = caa.attend queries(%q, %x) keys(%k, %v, %y) heads(%u)
      reductions [#caa.reduce<max over keys>, #caa.reduce<sum over keys, value = 1>, #caa.reduce<softmax over keys, value = 2>,
                  #caa.reduce<sum over keys>]
      : (tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>, tensor<?x?x2x8xf32>, tensor<?x?x1x5xf32>, tensor<?x?x1x1xf32>, tensor<2x8xf32>)
      -> (tensor<?x?x2x1xf32>, tensor<?x?x2x5xf32>, tensor<?x?x2x1xf32>, tensor<?x?x2x1xf32>, tensor<?x?x1x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %xi: f32, %kj: vector<8xf32>, %vj: vector<5xf32>, %yj: f32, %uh: vector<8xf32>):
    %four = arith.constant 4 : i64
    %none = arith.constant 0 : i64
    %zero = arith.constant 0.0 : f32
    %d = caa.dot %qi, %kj : vector<8xf32>
    %e = caa.dot %uh, %kj : vector<8xf32>
    %ey = arith.addf %e, %yj : f32
    %s = arith.mulf %d, %ey : f32
    %t = arith.mulf %s, %xi : f32
    %later = arith.cmpi sgt, %j, %i : i64
    %back = arith.subi %j, %i : i64
    %phase = arith.remsi %back, %four : i64
    %fourth = arith.cmpi eq, %phase, %none : i64
    %m = arith.andi %later, %fourth : i1
    %w = arith.select %m, %t, %zero : f32
    caa.yield %s, %m, %w, %d, %later, %w : f32, i1, f32, f32, i1, f32
  }
  return %most, %sum, %mean, %total, %lse : tensor<?x?x2x1xf32>, tensor<?x?x2x5xf32>, tensor<?x?x2x1xf32>, tensor<?x?x1x1xf32>, tensor<?x?x2x1xf32>
}

// The adjoint of dense attention: sums over keys for q, over queries for k and v.
func.func private @dense_backward(%q: tensor<?x?x4x8xf32>, %do: tensor<?x?x4x6xf32>, %lse: tensor<?x?x4x1xf32>, %delta: tensor<?x?x4x1xf32>,
                                  %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x6xf32>)
    -> (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x6xf32>)
    attributes {caa.kernel, caa.fill = ["normal", "normal", "lse", "normal", "normal", "normal"]} {
  %dq, %dk, %dv = caa.attend queries(%q, %do, %lse, %delta) keys(%k, %v) heads()
      reductions [#caa.reduce<sum over keys, value = 0>, #caa.reduce<sum over queries, value = 0>, #caa.reduce<sum over queries, value = 1>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x4x6xf32>, tensor<?x?x4x1xf32>, tensor<?x?x4x1xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x6xf32>)
      -> (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x6xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %doi: vector<6xf32>, %lsei: f32, %deltai: f32, %kj: vector<8xf32>, %vj: vector<6xf32>):
    %c = arith.constant 0.3 : f32
    %zero = arith.constant 0.0 : f32
    %d = caa.dot %qi, %kj : vector<8xf32>
    %s = arith.mulf %d, %c : f32
    %m = arith.cmpi sle, %j, %i : i64
    %x = arith.subf %s, %lsei : f32
    %e = math.exp %x : f32
    %p = arith.select %m, %e, %zero : f32
    %dp = caa.dot %doi, %vj : vector<6xf32>
    %centred = arith.subf %dp, %deltai : f32
    %ds = arith.mulf %p, %centred : f32
    %dd = arith.mulf %ds, %c : f32
    caa.yield %dd, %dd, %p : f32, f32, f32
  }
  return %dq, %dk, %dv : tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x6xf32>
}

// The adjoint of both branches, with the width's gradient: five products a tile.
func.func private @branches_backward(%q: tensor<?x?x4x8xf32>, %do: tensor<?x?x4x8xf32>, %lseL: tensor<?x?x4x1xf32>, %lseG: tensor<?x?x4x1xf32>,
                                     %g: tensor<?x?x4x1xf32>, %dL: tensor<?x?x4x1xf32>, %dG: tensor<?x?x4x1xf32>, %w: tensor<?x?x4x1xf32>,
                                     %tau: tensor<?x?x4x1xf32>, %k: tensor<?x?x2x8xf32>, %v: tensor<?x?x2x8xf32>)
    -> (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>)
    attributes {caa.kernel, caa.fill = ["grid", "normal", "lse", "lse", "unit", "normal", "normal", "width", "normal", "grid", "normal"]} {
  %dq, %dw, %dk, %dv = caa.attend queries(%q, %do, %lseL, %lseG, %g, %dL, %dG, %w, %tau) keys(%k, %v) heads()
      reductions [#caa.reduce<sum over keys, value = 0>, #caa.reduce<sum over keys>, #caa.reduce<sum over queries, value = 0>,
                  #caa.reduce<sum over queries, value = 1>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>, tensor<?x?x4x1xf32>, tensor<?x?x4x1xf32>, tensor<?x?x4x1xf32>,
         tensor<?x?x4x1xf32>, tensor<?x?x4x1xf32>, tensor<?x?x4x1xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>)
      -> (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %doi: vector<8xf32>, %lsel: f32, %lseg: f32, %gi: f32, %dl: f32, %dg: f32, %wi: f32, %taui: f32,
       %kj: vector<8xf32>, %vj: vector<8xf32>):
    %c = arith.constant 0.25 : f32
    %ramp = arith.constant 4.0 : f32
    %zero = arith.constant 0.0 : f32
    %one = arith.constant 1.0 : f32
    %d = caa.dot %qi, %kj : vector<8xf32>
    %s = arith.mulf %d, %c : f32
    %causal = arith.cmpi sle, %j, %i : i64
    %back = arith.subi %i, %j : i64
    %backf = arith.sitofp %back : i64 to f32
    %left = arith.subf %wi, %backf : f32
    %slope = arith.divf %left, %ramp : f32
    %soft = caa.clip %slope : f32
    %m = arith.select %causal, %soft, %zero : f32
    %some = arith.cmpf ogt, %m, %zero : f32
    %notAll = arith.cmpf olt, %m, %one : f32
    %edge = arith.andi %some, %notAll : i1
    %xl = arith.subf %s, %lsel : f32
    %el = math.exp %xl : f32
    %gel = arith.mulf %el, %gi : f32
    %guarded = arith.select %some, %gel, %zero : f32
    %pl = arith.mulf %guarded, %m : f32
    %top = arith.cmpf oge, %s, %taui : f32
    %in = arith.andi %causal, %top : i1
    %xg = arith.subf %s, %lseg : f32
    %eg = math.exp %xg : f32
    %rest = arith.subf %one, %gi : f32
    %geg = arith.mulf %eg, %rest : f32
    %pg = arith.select %in, %geg, %zero : f32
    %p = arith.addf %pl, %pg : f32
    %dp = caa.dot %doi, %vj : vector<8xf32>
    %cl = arith.subf %dp, %dl : f32
    %cg = arith.subf %dp, %dg : f32
    %dsl = arith.mulf %pl, %cl : f32
    %dsg = arith.mulf %pg, %cg : f32
    %ds = arith.addf %dsl, %dsg : f32
    %dd = arith.mulf %ds, %c : f32
    %slopes = arith.mulf %guarded, %cl : f32
    %dm = arith.divf %slopes, %ramp : f32
    %dw = arith.select %edge, %dm, %zero : f32
    caa.yield %dd, %dw, %dd, %p : f32, f32, f32, f32
  }
  return %dq, %dw, %dk, %dv : tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>
}

// Sums over queries alone: a work item holds keys. One result has the heads of the keys, one is a scalar of all heads together, one has
// a head for two of the four.
func.func private @over_queries(%q: tensor<?x?x4x8xf32>, %x: tensor<?x?x4x1xf32>, %k: tensor<?x?x4x8xf32>)
    -> (tensor<?x?x4x8xf32>, tensor<?x?x1x1xf32>, tensor<?x?x2x8xf32>)
    attributes {caa.kernel, caa.fill = ["normal", "normal", "normal"]} {
  %a, %b, %c = caa.attend queries(%q, %x) keys(%k) heads()
      reductions [#caa.reduce<sum over queries, value = 0>, #caa.reduce<sum over queries>, #caa.reduce<sum over queries, value = 0>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>, tensor<?x?x4x8xf32>) -> (tensor<?x?x4x8xf32>, tensor<?x?x1x1xf32>, tensor<?x?x2x8xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %xi: f32, %kj: vector<8xf32>):
    %zero = arith.constant 0.0 : f32
    %d = caa.dot %kj, %qi : vector<8xf32>
    %s = arith.addf %d, %xi : f32
    %m = arith.cmpi slt, %j, %i : i64
    %w = arith.select %m, %s, %zero : f32
    caa.yield %w, %s, %d : f32, f32, f32
  }
  return %a, %b, %c : tensor<?x?x4x8xf32>, tensor<?x?x1x1xf32>, tensor<?x?x2x8xf32>
}

// Blocks of 6 keys, those past, ranked by one row each; the own one comes before all of them.
func.func private @rank_blocks(%q: tensor<?x?x2x8xf32>, %count: tensor<?x?x2x1xi64>, %k: tensor<?x?x1x8xf32>) -> tensor<?x?x2x1xf32>
    attributes {caa.kernel, caa.fill = ["grid", "count", "grid"]} {
  %tau = caa.attend queries(%q, %count) keys(%k) heads() reductions [#caa.reduce<kth over keys, count = 1>]
      : (tensor<?x?x2x8xf32>, tensor<?x?x2x1xi64>, tensor<?x?x1x8xf32>) -> tensor<?x?x2x1xf32> {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %n: i64, %kj: vector<8xf32>):
    %most = arith.constant 3.0e+38 : f32
    %five = arith.constant 5 : i64
    %six = arith.constant 6 : i64
    %row = caa.unit_row %kj of 6 : vector<8xf32>
    %d = caa.dot %qi, %row : vector<8xf32>
    %start = caa.unit_start %j of 6
    %end = arith.addi %start, %five : i64
    %past = arith.cmpi sle, %end, %i : i64
    %bi = arith.floordivsi %i, %six : i64
    %bj = arith.floordivsi %j, %six : i64
    %same = arith.cmpi eq, %bi, %bj : i64
    %causal = arith.cmpi sle, %j, %i : i64
    %meets = arith.andi %same, %causal : i1
    %own = caa.unit_any %meets of 6
    %s = arith.select %own, %most, %d : f32
    %m = arith.ori %past, %own : i1
    %first = arith.cmpi eq, %j, %start : i64
    %once = arith.andi %m, %first : i1
    caa.yield %s, %once : f32, i1
  }
  return %tau : tensor<?x?x2x1xf32>
}

// Blocks of 5 keys chosen by what their keys give together, in both directions of an adjoint.
func.func private @chosen_blocks(%q: tensor<?x?x2x8xf32>, %t: tensor<?x?x2x1xf32>, %k: tensor<?x?x2x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>) attributes {caa.kernel, caa.fill = ["grid", "unit", "grid"]} {
  %0, %1 = caa.attend queries(%q, %t) keys(%k) heads()
      reductions [#caa.reduce<sum over keys, value = 0>, #caa.reduce<sum over queries, value = 0>]
      : (tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %ti: f32, %kj: vector<8xf32>):
    %zero = arith.constant 0.0 : f32
    %half = arith.constant 0.5 : f32
    %d = caa.dot %qi, %kj : vector<8xf32>
    %causal = arith.cmpi sle, %j, %i : i64
    %high = arith.cmpf ogt, %d, %zero : f32
    %both = arith.andi %causal, %high : i1
    %most = caa.unit_reduce max %d where %causal of 5
    %sum = caa.unit_reduce sum %d where %causal of 5
    %mean = caa.unit_reduce mean %d where %both of 5
    %some = caa.unit_any %both of 5
    %a = arith.cmpf oge, %most, %ti : f32
    %b = arith.cmpf oge, %sum, %half : f32
    %c = arith.cmpf olt, %mean, %ti : f32
    %e = arith.ori %a, %b : i1
    %f = arith.andi %some, %c : i1
    %g = arith.ori %e, %f : i1
    %m = arith.andi %g, %causal : i1
    %w = arith.select %m, %d, %zero : f32
    caa.yield %w, %w : f32, f32
  }
  return %0, %1 : tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>
}

// Blocks of 32 keys chosen by one row each: no key of a block needs the others, so that a tile may be a part of a block.
func.func private @chosen_by_rows(%q: tensor<?x?x2x8xf32>, %t: tensor<?x?x2x1xf32>, %k: tensor<?x?x2x8xf32>)
    -> (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>) attributes {caa.kernel, caa.fill = ["grid", "unit", "grid"]} {
  %0, %1 = caa.attend queries(%q, %t) keys(%k) heads()
      reductions [#caa.reduce<sum over keys, value = 0>, #caa.reduce<sum over queries, value = 0>]
      : (tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %ti: f32, %kj: vector<8xf32>):
    %zero = arith.constant 0.0 : f32
    %d = caa.dot %qi, %kj : vector<8xf32>
    %row = caa.unit_row %kj of 32 : vector<8xf32>
    %r = caa.dot %qi, %row : vector<8xf32>
    %start = caa.unit_start %j of 32
    %size = arith.constant 32 : i64
    %bi = arith.floordivsi %i, %size : i64
    %bj = arith.floordivsi %start, %size : i64
    %own = arith.cmpi eq, %bi, %bj : i64
    %chosen = arith.cmpf oge, %r, %ti : f32
    %any = arith.ori %own, %chosen : i1
    %causal = arith.cmpi sle, %j, %i : i64
    %m = arith.andi %any, %causal : i1
    %w = arith.select %m, %d, %zero : f32
    caa.yield %w, %w : f32, f32
  }
  return %0, %1 : tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>
}
