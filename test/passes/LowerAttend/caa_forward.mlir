// Context-adaptive attention, forward: the ranking kernel and the kernel of both branches.
// RUN: caa-opt --caa-lower-attend="queries=64 keys=64" %s | FileCheck %s

// The ranking kernel sweeps over scores alone.
// CHECK-LABEL: func.func private @tau
// CHECK:         %[[EMPTY:.*]] = tile.ranking
// CHECK:         %[[FULL:.*]] = tile.sweep {{.*}} iter(%[[EMPTY]])
// CHECK:           tile.rank %{{.*}}, %{{.*}} where
// CHECK:           tile.rank %{{[^ ]*}}, %{{[^ ]*}} :
// CHECK:         tile.threshold %[[FULL]]

// Both branches in one sweep: one product of scores a tile, whatever the tile is to them.
// CHECK-LABEL: func.func private @branches
// CHECK:         tile.sweep
// In general: two products with values.
// CHECK-COUNT-1: {transposeB}
// CHECK-COUNT-2: tile.dot %{{.*}} add
// CHECK:         tile.next
// Beyond the window: no trace of it. Unless some score reaches its threshold, the scores are all that is computed.
// CHECK-COUNT-1: {transposeB}
// CHECK-NOT:     caa.clip
// CHECK:         tile.extract
// CHECK:         scf.if
// CHECK-COUNT-1: tile.dot %{{.*}} add
// CHECK:           scf.yield %arg10, %arg11, %arg12, %{{[0-9]+}}#0
// CHECK:         else
// CHECK:           scf.yield %arg10, %arg11, %arg12, %arg13, %arg14, %arg15
// CHECK:         tile.next
// Inside the window and before the query: a comparison with the threshold is all that is left of the sets.
// CHECK-COUNT-1: {transposeB}
// CHECK-NOT:     arith.cmpi
// CHECK-NOT:     caa.clip
// CHECK-COUNT-2: tile.dot %{{.*}} add
// CHECK:         tile.next
// On the window's edge.
// CHECK:         caa.clip
// CHECK-COUNT-2: tile.dot %{{.*}} add
// CHECK:         tile.next

func.func private @tau(%q: tensor<?x?x2x16xf32>, %k: tensor<?x?x2x16xf32>, %n: tensor<?x?x1x1xi64>)
    -> tensor<?x?x2x1xf32> attributes {caa.kernel} {
  %tau = caa.attend queries(%q, %n) keys(%k) heads() reductions [#caa.reduce<kth over keys, count = 1>]
      : (tensor<?x?x2x16xf32>, tensor<?x?x1x1xi64>, tensor<?x?x2x16xf32>) -> tensor<?x?x2x1xf32> {
  ^bb0(%i: i64, %j: i64, %qi: vector<16xf32>, %ni: i64, %kj: vector<16xf32>):
    %c = arith.constant 0.25 : f32
    %d = caa.dot %qi, %kj : vector<16xf32>
    %s = arith.mulf %d, %c : f32
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %s, %m : f32, i1
  }
  return %tau : tensor<?x?x2x1xf32>
}

func.func private @branches(%q: tensor<?x?x2x16xf32>, %w: tensor<?x?x2x1xf32>, %tau: tensor<?x?x2x1xf32>,
                            %k: tensor<?x?x2x16xf32>, %v: tensor<?x?x2x16xf32>)
    -> (tensor<?x?x2x16xf32>, tensor<?x?x2x1xf32>, tensor<?x?x2x16xf32>, tensor<?x?x2x1xf32>) attributes {caa.kernel} {
  %near, %nearLse, %far, %farLse = caa.attend queries(%q, %w, %tau) keys(%k, %v) heads()
      reductions [#caa.reduce<softmax over keys, value = 1>, #caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x2x16xf32>, tensor<?x?x2x1xf32>, tensor<?x?x2x1xf32>, tensor<?x?x2x16xf32>, tensor<?x?x2x16xf32>)
      -> (tensor<?x?x2x16xf32>, tensor<?x?x2x1xf32>, tensor<?x?x2x16xf32>, tensor<?x?x2x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<16xf32>, %wi: f32, %taui: f32, %kj: vector<16xf32>, %vj: vector<16xf32>):
    %c = arith.constant 0.25 : f32
    %r = arith.constant 32.0 : f32
    %zero = arith.constant 0.0 : f32
    %d = caa.dot %qi, %kj : vector<16xf32>
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
  return %near, %nearLse, %far, %farLse : tensor<?x?x2x16xf32>, tensor<?x?x2x1xf32>, tensor<?x?x2x16xf32>, tensor<?x?x2x1xf32>
}
