// Held-and-swept kernels on sm_90a: a producer's bulk copies, wgmma by warpgroups of 64 held rows, results by bulk stores. ptxas neither
// spills registers nor serialises the products (its warnings C75xx), or it says so below.
// RUN: caa-opt %s --caa-lower-attend="held=128 swept=64 keys-as-rows fit-tiles held-ranking=64" -o %t.mlir
// RUN: tile-to-ptx %t.mlir --target=sm_90a --only=forward --assemble | FileCheck %s --check-prefix=FORWARD
// RUN: tile-to-ptx %t.mlir --target=sm_90a --only=keys --assemble | FileCheck %s --check-prefix=KEYS
// RUN: tile-to-ptx %t.mlir --target=sm_90a --only=queries --assemble | FileCheck %s --check-prefix=QUERIES
// RUN: tile-to-ptx %t.mlir --target=sm_90a --only=capped --assemble | FileCheck %s --check-prefix=CAPPED
// RUN: tile-to-ptx %t.mlir --target=sm_90a --only=selected --assemble | FileCheck %s --check-prefix=SELECTED
// RUN: tile-to-ptx %t.mlir --target=sm_90a --only=kth --assemble | FileCheck %s --check-prefix=KTH
// RUN: tile-to-ptx %t.mlir --target=sm_90a --only=branches --assemble | FileCheck %s --check-prefix=BRANCHES
// RUN: tile-to-ptx %t.mlir --target=sm_90a --only=adjoint --assemble | FileCheck %s --check-prefix=ADJOINT

// Three warpgroups of 64 queries, 128 keys a visit. The scores of the next visit come before the sums of the present one, and all but these
// are waited for. (Blocks lie in LLVM's order: the last sums and the results before the visits, the producer at the end.)
// FORWARD-LABEL: .entry forward
// FORWARD: .maxntid 512
// FORWARD: setmaxnreg.inc.sync.aligned.u32 160
// FORWARD: stmatrix.sync.aligned
// FORWARD: cp.async.bulk.tensor.4d.global.shared::cta
// FORWARD: cvt.rn.bf16x2.f32
// FORWARD-COUNT-4: wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16
// FORWARD-COUNT-8: wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16
// FORWARD-NOT: wgmma.mma_async
// FORWARD: wgmma.wait_group.sync.aligned 1
// FORWARD: setmaxnreg.dec.sync.aligned.u32 32
// FORWARD: cp.async.bulk.tensor.4d.shared::cluster.global
// FORWARD: vote.sync.ballot.b32
// FORWARD: launch: {{.*}}"blocks_per_sm":1,"counters":2,{{.*}}"box_rows":192
// FORWARD: ptxas: forward 128 registers, 0 bytes spilled, 0 bytes of stack
// FORWARD-NOT: ptxas
func.func private @forward(%q: tensor<?x?x8x64xbf16>, %k: tensor<?x?x8x64xbf16>, %v: tensor<?x?x8x64xbf16>)
    -> (tensor<?x?x8x64xbf16>, tensor<?x?x8x1xf32>) attributes {caa.kernel} {
  %o, %lse = caa.attend queries(%q) keys(%k, %v) heads() reductions [#caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x8x64xbf16>, tensor<?x?x8x64xbf16>, tensor<?x?x8x64xbf16>) -> (tensor<?x?x8x64xbf16>, tensor<?x?x8x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<64xbf16>, %kj: vector<64xbf16>, %vj: vector<64xbf16>):
    %c = arith.constant 0.125 : f32
    %d = caa.dot %qi, %kj : vector<64xbf16>
    %s = arith.mulf %d, %c : f32
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %s, %m : f32, i1
  }
  return %o, %lse : tensor<?x?x8x64xbf16>, tensor<?x?x8x1xf32>
}

// dV and dK of grouped heads. What is subtracted from the scores comes with the product: a fifth step of 16 along heads of 64.
// KEYS-LABEL: .entry keys
// KEYS-COUNT-10: wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16
// KEYS: wgmma.wait_group.sync.aligned 1
// KEYS-COUNT-4: wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16
// KEYS: wgmma.wait_group.sync.aligned 1
// KEYS-COUNT-4: wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16
// KEYS: wgmma.wait_group.sync.aligned 0
// KEYS: ptxas: keys 128 registers, 0 bytes spilled, 0 bytes of stack
// KEYS-NOT: ptxas
func.func private @keys(%q: tensor<?x?x8x64xbf16>, %lse: tensor<?x?x8x1xf32>, %do: tensor<?x?x8x64xbf16>, %delta: tensor<?x?x8x1xf32>,
                        %k: tensor<?x?x2x64xbf16>, %v: tensor<?x?x2x64xbf16>) -> (tensor<?x?x2x64xbf16>, tensor<?x?x2x64xbf16>)
    attributes {caa.kernel} {
  %dv, %dk = caa.attend queries(%q, %lse, %do, %delta) keys(%k, %v) heads()
      reductions [#caa.reduce<sum over queries, value = 2>, #caa.reduce<sum over queries, value = 0>]
      : (tensor<?x?x8x64xbf16>, tensor<?x?x8x1xf32>, tensor<?x?x8x64xbf16>, tensor<?x?x8x1xf32>, tensor<?x?x2x64xbf16>, tensor<?x?x2x64xbf16>)
      -> (tensor<?x?x2x64xbf16>, tensor<?x?x2x64xbf16>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<64xbf16>, %l: f32, %doi: vector<64xbf16>, %e: f32, %kj: vector<64xbf16>, %vj: vector<64xbf16>):
    %zero = arith.constant 0.0 : f32
    %c = arith.constant 0.125 : f32
    %d = caa.dot %qi, %kj : vector<64xbf16>
    %s = arith.mulf %d, %c : f32
    %m = arith.cmpi sle, %j, %i : i64
    %x = arith.subf %s, %l : f32
    %y = math.exp %x : f32
    %p = arith.select %m, %y, %zero : f32
    %dp = caa.dot %doi, %vj : vector<64xbf16>
    %r = arith.subf %dp, %e : f32
    %t = arith.mulf %p, %r : f32
    %ds = arith.mulf %t, %c : f32
    caa.yield %p, %ds : f32, f32
  }
  return %dv, %dk : tensor<?x?x2x64xbf16>, tensor<?x?x2x64xbf16>
}

// The exponentials of a visit need its first product alone and run beside the second one and the sums of the visit before.
// QUERIES-LABEL: .entry queries
// QUERIES: setmaxnreg.inc.sync.aligned.u32 160
// QUERIES: wgmma.wait_group.sync.aligned 2
// QUERIES-COUNT-32: ex2.approx.ftz.f32
// QUERIES: wgmma.wait_group.sync.aligned 1
// QUERIES: ptxas: queries 128 registers, 0 bytes spilled, 0 bytes of stack
// QUERIES-NOT: ptxas
func.func private @queries(%q: tensor<?x?x8x64xbf16>, %lse: tensor<?x?x8x1xf32>, %do: tensor<?x?x8x64xbf16>, %delta: tensor<?x?x8x1xf32>,
                           %k: tensor<?x?x2x64xbf16>, %v: tensor<?x?x2x64xbf16>) -> tensor<?x?x8x64xbf16> attributes {caa.kernel} {
  %dq = caa.attend queries(%q, %lse, %do, %delta) keys(%k, %v) heads() reductions [#caa.reduce<sum over keys, value = 0>]
      : (tensor<?x?x8x64xbf16>, tensor<?x?x8x1xf32>, tensor<?x?x8x64xbf16>, tensor<?x?x8x1xf32>, tensor<?x?x2x64xbf16>, tensor<?x?x2x64xbf16>)
      -> tensor<?x?x8x64xbf16> {
  ^bb0(%i: i64, %j: i64, %qi: vector<64xbf16>, %l: f32, %doi: vector<64xbf16>, %e: f32, %kj: vector<64xbf16>, %vj: vector<64xbf16>):
    %zero = arith.constant 0.0 : f32
    %c = arith.constant 0.125 : f32
    %d = caa.dot %qi, %kj : vector<64xbf16>
    %s = arith.mulf %d, %c : f32
    %m = arith.cmpi sle, %j, %i : i64
    %x = arith.subf %s, %l : f32
    %y = math.exp %x : f32
    %p = arith.select %m, %y, %zero : f32
    %dp = caa.dot %doi, %vj : vector<64xbf16>
    %r = arith.subf %dp, %e : f32
    %t = arith.mulf %p, %r : f32
    %ds = arith.mulf %t, %c : f32
    caa.yield %ds : f32
  }
  return %dq : tensor<?x?x8x64xbf16>
}

// A soft cap: one product by all constants before the hyperbolic tangent, which is one instruction.
// CAPPED-LABEL: .entry capped
// CAPPED: mul.rn.f32 [[X:%r[0-9]+]], {{%r[0-9]+}}, 0f3B23D70A;
// CAPPED: tanh.approx.f32 {{%r[0-9]+}}, [[X]];
// CAPPED: ptxas: capped 168 registers, 0 bytes spilled, 0 bytes of stack
// CAPPED-NOT: ptxas
func.func private @capped(%q: tensor<?x?x8x64xbf16>, %k: tensor<?x?x8x64xbf16>, %v: tensor<?x?x8x64xbf16>)
    -> (tensor<?x?x8x64xbf16>, tensor<?x?x8x1xf32>) attributes {caa.kernel} {
  %o, %lse = caa.attend queries(%q) keys(%k, %v) heads() reductions [#caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x8x64xbf16>, tensor<?x?x8x64xbf16>, tensor<?x?x8x64xbf16>) -> (tensor<?x?x8x64xbf16>, tensor<?x?x8x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<64xbf16>, %kj: vector<64xbf16>, %vj: vector<64xbf16>):
    %c = arith.constant 0.125 : f32
    %inverse = arith.constant 0.02 : f32
    %cap = arith.constant 50.0 : f32
    %d = caa.dot %qi, %kj : vector<64xbf16>
    %s = arith.mulf %d, %c : f32
    %u = arith.mulf %s, %inverse : f32
    %t = math.tanh %u : f32
    %capped = arith.mulf %t, %cap : f32
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %capped, %m : f32, i1
  }
  return %o, %lse : tensor<?x?x8x64xbf16>, tensor<?x?x8x1xf32>
}

// A selection by a threshold: its test decides in every visit what counts, none is left out, and so the kernel is pipelined.
// SELECTED-LABEL: .entry selected
// SELECTED-NOT: bar.red.or.pred
// SELECTED: wgmma.wait_group.sync.aligned 1
// SELECTED: ptxas: selected
// SELECTED-NOT: C75
func.func private @selected(%q: tensor<?x?x8x64xbf16>, %tau: tensor<?x?x8x1xf32>, %k: tensor<?x?x8x64xbf16>, %v: tensor<?x?x8x64xbf16>)
    -> tensor<?x?x8x64xbf16> attributes {caa.kernel} {
  %o, %lse = caa.attend queries(%q, %tau) keys(%k, %v) heads() reductions [#caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x8x64xbf16>, tensor<?x?x8x1xf32>, tensor<?x?x8x64xbf16>, tensor<?x?x8x64xbf16>)
      -> (tensor<?x?x8x64xbf16>, tensor<?x?x8x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<64xbf16>, %t: f32, %kj: vector<64xbf16>, %vj: vector<64xbf16>):
    %d = caa.dot %qi, %kj : vector<64xbf16>
    %before = arith.cmpi sle, %j, %i : i64
    %reaches = arith.cmpf oge, %d, %t : f32
    %m = arith.andi %before, %reaches : i1
    caa.yield %d, %m : f32, i1
  }
  return %o : tensor<?x?x8x64xbf16>
}

// After each sweep the consumers tell the producer whether they want another. Two blocks of 64 queries share a multiprocessor: while one
// looks for its thresholds the other sweeps. The tile's stage is free as soon as its scores are there, before they are looked at.
// KTH-LABEL: .entry kth
// KTH: .minnctapersm 2
// KTH: wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16
// KTH: wgmma.wait_group.sync.aligned 0
// KTH: mbarrier.arrive.shared
// KTH: max.bf16x2
// KTH: launch: {{.*}}"blocks_per_sm":2
// KTH: ptxas: kth 128 registers, 0 bytes spilled, 0 bytes of stack
// KTH-NOT: ptxas
func.func private @kth(%q: tensor<?x?x8x64xbf16>, %n: tensor<?x?x1x1xi64>, %k: tensor<?x?x8x64xbf16>) -> tensor<?x?x8x1xf32>
    attributes {caa.kernel} {
  %tau = caa.attend queries(%q, %n) keys(%k) heads() reductions [#caa.reduce<kth over keys, count = 1>]
      : (tensor<?x?x8x64xbf16>, tensor<?x?x1x1xi64>, tensor<?x?x8x64xbf16>) -> tensor<?x?x8x1xf32> {
  ^bb0(%i: i64, %j: i64, %qi: vector<64xbf16>, %c: i64, %kj: vector<64xbf16>):
    %d = caa.dot %qi, %kj : vector<64xbf16>
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %d, %m : f32, i1
  }
  return %tau : tensor<?x?x8x1xf32>
}

// Two softmaxes, one of which reaches 200 keys back: two sums are in flight while the next scores are waited for, and far tiles, which
// lack one of them, take the same way. No product becomes part of the comparison with the threshold.
// BRANCHES-LABEL: .entry branches
// BRANCHES: .maxntid 384
// BRANCHES: wgmma.wait_group.sync.aligned 2
// BRANCHES: setp.ge.f32
// BRANCHES: ptxas: branches 168 registers, 0 bytes spilled, 0 bytes of stack
// BRANCHES-NOT: ptxas
func.func private @branches(%q: tensor<?x?x8x64xbf16>, %tau: tensor<?x?x8x1xf32>, %k: tensor<?x?x8x64xbf16>, %v: tensor<?x?x8x64xbf16>)
    -> (tensor<?x?x8x64xbf16>, tensor<?x?x8x64xbf16>) attributes {caa.kernel} {
  %near, %nearLse, %far, %farLse = caa.attend queries(%q, %tau) keys(%k, %v) heads()
      reductions [#caa.reduce<softmax over keys, value = 1>, #caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x8x64xbf16>, tensor<?x?x8x1xf32>, tensor<?x?x8x64xbf16>, tensor<?x?x8x64xbf16>)
      -> (tensor<?x?x8x64xbf16>, tensor<?x?x8x1xf32>, tensor<?x?x8x64xbf16>, tensor<?x?x8x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<64xbf16>, %t: f32, %kj: vector<64xbf16>, %vj: vector<64xbf16>):
    %reach = arith.constant 200 : i64
    %d = caa.dot %qi, %kj : vector<64xbf16>
    %before = arith.cmpi sle, %j, %i : i64
    %back = arith.subi %i, %j : i64
    %close = arith.cmpi slt, %back, %reach : i64
    %isNear = arith.andi %before, %close : i1
    %reaches = arith.cmpf oge, %d, %t : f32
    %isFar = arith.andi %before, %reaches : i1
    caa.yield %d, %isNear, %d, %isFar : f32, i1, f32, i1
  }
  return %near, %far : tensor<?x?x8x64xbf16>, tensor<?x?x8x64xbf16>
}

// dV and dK of a selection. Two warpgroups have registers for two scores of the next visit beside two sums of this one; what is subtracted
// becomes part of a multiply-add.
// ADJOINT-LABEL: .entry adjoint
// ADJOINT: .maxntid 384
// ADJOINT: wgmma.wait_group.sync.aligned 2
// ADJOINT: fma.rn.f32
// ADJOINT: ptxas: adjoint 168 registers, 0 bytes spilled, 0 bytes of stack
// ADJOINT-NOT: ptxas
func.func private @adjoint(%q: tensor<?x?x8x64xbf16>, %tau: tensor<?x?x8x1xf32>, %lse: tensor<?x?x8x1xf32>, %g: tensor<?x?x8x1xf32>,
                           %do: tensor<?x?x8x64xbf16>, %delta: tensor<?x?x8x1xf32>, %k: tensor<?x?x8x64xbf16>, %v: tensor<?x?x8x64xbf16>)
    -> (tensor<?x?x8x64xbf16>, tensor<?x?x8x64xbf16>) attributes {caa.kernel} {
  %dv, %dk = caa.attend queries(%q, %tau, %lse, %g, %do, %delta) keys(%k, %v) heads()
      reductions [#caa.reduce<sum over queries, value = 4>, #caa.reduce<sum over queries, value = 0>]
      : (tensor<?x?x8x64xbf16>, tensor<?x?x8x1xf32>, tensor<?x?x8x1xf32>, tensor<?x?x8x1xf32>, tensor<?x?x8x64xbf16>, tensor<?x?x8x1xf32>,
         tensor<?x?x8x64xbf16>, tensor<?x?x8x64xbf16>) -> (tensor<?x?x8x64xbf16>, tensor<?x?x8x64xbf16>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<64xbf16>, %t: f32, %l: f32, %w: f32, %doi: vector<64xbf16>, %e: f32, %kj: vector<64xbf16>,
       %vj: vector<64xbf16>):
    %zero = arith.constant 0.0 : f32
    %c = arith.constant 0.125 : f32
    %d = caa.dot %qi, %kj : vector<64xbf16>
    %s = arith.mulf %d, %c : f32
    %before = arith.cmpi sle, %j, %i : i64
    %reaches = arith.cmpf oge, %s, %t : f32
    %m = arith.andi %before, %reaches : i1
    %x = arith.subf %s, %l : f32
    %y = math.exp %x : f32
    %p = arith.select %m, %y, %zero : f32
    %pw = arith.mulf %p, %w : f32
    %dp = caa.dot %doi, %vj : vector<64xbf16>
    %r = arith.mulf %dp, %w : f32
    %u = arith.subf %r, %e : f32
    %ds = arith.mulf %p, %u : f32
    %dss = arith.mulf %ds, %c : f32
    caa.yield %pw, %dss : f32, f32
  }
  return %dv, %dk : tensor<?x?x8x64xbf16>, tensor<?x?x8x64xbf16>
}
