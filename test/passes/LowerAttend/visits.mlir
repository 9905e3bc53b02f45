// Scores visited by length: a window of 512 at 16k looks at 7 % of the causal ones (134225920). A width that a sigmoid keeps between 256
// and 512 looks at no more, although each token chooses its own.
// RUN: caa-opt --caa-describe-attends="queries=64 keys=64" %s -o /dev/null | FileCheck %s

// CHECK:      "softmax"
// CHECK:      "length": 1024,
// CHECK-NEXT: "visited": 442368,
// CHECK-NEXT: "causal": 524800
// CHECK:      "length": 16384,
// CHECK-NEXT: "visited": 9289728,
// CHECK:      "softmax"
// CHECK:      "length": 16384,
// CHECK-NEXT: "visited": 9289728,
func.func @window(%q: tensor<?x?x1x8xf32>, %k: tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32> {
  %o, %lse = caa.attend queries(%q) keys(%k) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x1x8xf32>, tensor<?x?x1x8xf32>) -> (tensor<?x?x1x8xf32>, tensor<?x?x1x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %kj: vector<8xf32>):
    %w = arith.constant 512 : i64
    %d = caa.dot %qi, %kj : vector<8xf32>
    %causal = arith.cmpi sle, %j, %i : i64
    %back = arith.subi %i, %j : i64
    %near = arith.cmpi slt, %back, %w : i64
    %m = arith.andi %causal, %near : i1
    caa.yield %d, %m : f32, i1
  }
  return %o : tensor<?x?x1x8xf32>
}

func.func @adaptive(%q: tensor<?x?x1x8xf32>, %k: tensor<?x?x1x8xf32>, %x: tensor<?x?x1x2xf32>) -> tensor<?x?x1x8xf32> {
  %z = caa.slice %x : tensor<?x?x1x2xf32> -> tensor<?x?x1x1xf32> {start = 1 : i64}
  %width = caa.map(%z) : (tensor<?x?x1x1xf32>) -> tensor<?x?x1x1xf32> {
  ^bb0(%zw: f32):
    %c = arith.constant 256.0 : f32
    %g = caa.sigmoid %zw : f32
    %s = arith.mulf %g, %c : f32
    %w = arith.addf %s, %c : f32
    caa.yield %w : f32
  }
  %o, %lse = caa.attend queries(%q, %width) keys(%k) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x1x8xf32>, tensor<?x?x1x1xf32>, tensor<?x?x1x8xf32>) -> (tensor<?x?x1x8xf32>, tensor<?x?x1x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %wi: f32, %kj: vector<8xf32>):
    %ramp = arith.constant 32.0 : f32
    %zero = arith.constant 0.0 : f32
    %d = caa.dot %qi, %kj : vector<8xf32>
    %causal = arith.cmpi sle, %j, %i : i64
    %back = arith.subi %i, %j : i64
    %backf = arith.sitofp %back : i64 to f32
    %left = arith.subf %wi, %backf : f32
    %slope = arith.divf %left, %ramp : f32
    %soft = caa.clip %slope : f32
    %m = arith.select %causal, %soft, %zero : f32
    caa.yield %d, %m : f32, f32
  }
  return %o : tensor<?x?x1x8xf32>
}
