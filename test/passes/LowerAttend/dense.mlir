// Dense causal attention with grouped queries.
// RUN: caa-opt --caa-lower-attend="queries=64 keys=64" %s | FileCheck %s

// One work item per batch row, head and tile of queries.
// CHECK-LABEL: func.func private @dense
// CHECK-SAME:    tile.grid = [#tile.term<4, batch = 1, length = 1, lengthDivisor = 64>]
// CHECK:       %[[Q:.*]] = tile.load %arg0
// Keys after the tile's last query are never looked at.
// CHECK:       tile.sweep %{{.*}} to %{{.*}} step 64
// CHECK:         tile.visit
// Body 0 masks; query head h reads key head h / 2.
// CHECK:         arith.divui %{{.*}}, %c2
// CHECK:         %[[K:.*]] = tile.load %arg1
// CHECK:         tile.dot %[[Q]], %[[K]] {transposeB}
// CHECK:         arith.cmpi sle
// CHECK:         arith.select
// CHECK:         tile.next
// Body 1 has no mask left: one product with a constant.
// CHECK:         tile.dot %[[Q]]
// CHECK-NEXT:    tile.map
// CHECK-NEXT:    ^bb0
// CHECK-NEXT:      arith.constant
// CHECK-NEXT:      arith.mulf
// CHECK-NEXT:      tile.yield
// CHECK-NOT:     arith.cmpi
// CHECK:         tile.next
// CHECK:       tile.store %{{.*}}, %arg3
// CHECK:       tile.store %{{.*}}, %arg4

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
