// A division by a constant becomes a product: of a score always, of a set's weight only where that gives the same bits, because the
// intervals that decide about its tiles divide.
// RUN: caa-opt --caa-lower-attend="bodies=1" %s | FileCheck %s

// CHECK-LABEL: func.func private @scaled
// CHECK:         tile.sweep
// CHECK:         arith.divf %{{.*}}, %[[TEN:.*]] : f32
// CHECK:         tile.visit
// CHECK:         arith.divf
// CHECK:         %[[C:.*]] = arith.constant 0.353553385 : f32
// CHECK:         arith.mulf %{{.*}}, %[[C]] : f32
// CHECK:         tile.next
func.func private @scaled(%q: tensor<?x?x1x8xf32>, %w: tensor<?x?x1x1xf32>, %k: tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32>
    attributes {caa.kernel} {
  %o, %lse = caa.attend queries(%q, %w) keys(%k) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x1x8xf32>, tensor<?x?x1x1xf32>, tensor<?x?x1x8xf32>) -> (tensor<?x?x1x8xf32>, tensor<?x?x1x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %wi: f32, %kj: vector<8xf32>):
    %root = arith.constant 2.82842708 : f32
    %ramp = arith.constant 10.0 : f32
    %d = caa.dot %qi, %kj : vector<8xf32>
    %s = arith.divf %d, %root : f32
    %back = arith.subi %i, %j : i64
    %backf = arith.sitofp %back : i64 to f32
    %left = arith.subf %wi, %backf : f32
    %slope = arith.divf %left, %ramp : f32
    %m = caa.clip %slope : f32
    caa.yield %s, %m : f32, f32
  }
  return %o : tensor<?x?x1x8xf32>
}
