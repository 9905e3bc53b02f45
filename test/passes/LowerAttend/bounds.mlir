// The bounds of a product, one side of which the compiler knows to lie between two numbers while the other is known only when the code
// runs: a constant may stand on the left of what is multiplied.
// RUN: caa-opt --caa-lower-attend="bodies=1" %s | FileCheck %s

// CHECK-LABEL: func.func private @product
// CHECK:         tile.visit
// CHECK:           arith.mulf %{{.*}}, %{{.*}} : f32
// CHECK:         tile.next
func.func private @product(%q: tensor<?x?x1x8xf32>, %z: tensor<?x?x1x1xf32>, %k: tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32>
    attributes {caa.kernel} {
  %o, %lse = caa.attend queries(%q, %z) keys(%k) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x1x8xf32>, tensor<?x?x1x1xf32>, tensor<?x?x1x8xf32>) -> (tensor<?x?x1x8xf32>, tensor<?x?x1x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %zi: f32, %kj: vector<8xf32>):
    %d = caa.dot %qi, %kj : vector<8xf32>
    %seven = arith.constant 7 : i64
    %place = arith.remsi %j, %seven : i64
    %placef = arith.sitofp %place : i64 to f32
    %slope = arith.mulf %placef, %zi : f32
    %m = caa.clip %slope : f32
    caa.yield %d, %m : f32, f32
  }
  return %o : tensor<?x?x1x8xf32>
}
