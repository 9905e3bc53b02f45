// The form that GPUs take: a work item holds the rows of its pair tiles and sweeps over the other axis. Rows of bf16 are multiplied as
// they lie; weights are narrowed by the map that makes them, and a softmax sums them before that.
// RUN: caa-opt --caa-split-attends --caa-lower-attend="held=128 swept=64 held-keys=64 swept-queries=32 keys-as-rows bodies=1" %s | FileCheck %s

// CHECK-LABEL: func.func private @forward
// CHECK: %[[Q:.*]] = tile.load %arg0{{.*}} -> <128x16xbf16>
// CHECK: tile.sweep {{.*}} step 64
// CHECK: %[[K:.*]] = tile.load %arg1{{.*}} -> <64x16xbf16>
// CHECK: tile.dot %[[Q]], %[[K]] {transposeB} : (!tile.tile<128x16xbf16>, !tile.tile<64x16xbf16>) -> !tile.tile<128x64xf32>
// CHECK: %[[P:.*]]:2 = tile.map{{.*}} -> (!tile.tile<128x64xf32>, !tile.tile<128x64xbf16>)
// CHECK: tile.reduce add %[[P]]#0
// CHECK: tile.dot %[[P]]#1, %{{.*}} add %{{.*}} : (!tile.tile<128x64xbf16>, !tile.tile<64x16xbf16>, !tile.tile<128x16xf32>) -> !tile.tile<128x16xf32>
// CHECK: arith.truncf
// CHECK: tile.store %{{.*}}, %arg3{{.*}} : <128x16xbf16>
// CHECK: tile.store %{{.*}}, %arg4{{.*}} : <128x1xf32>
func.func private @forward(%q: tensor<?x?x4x16xbf16>, %k: tensor<?x?x2x16xbf16>, %v: tensor<?x?x2x16xbf16>)
    -> (tensor<?x?x4x16xbf16>, tensor<?x?x4x1xf32>) attributes {caa.kernel} {
  %o, %lse = caa.attend queries(%q) keys(%k, %v) heads() reductions [#caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x4x16xbf16>, tensor<?x?x2x16xbf16>, tensor<?x?x2x16xbf16>) -> (tensor<?x?x4x16xbf16>, tensor<?x?x4x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<16xbf16>, %kj: vector<16xbf16>, %vj: vector<16xbf16>):
    %d = caa.dot %qi, %kj : vector<16xbf16>
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %d, %m : f32, i1
  }
  return %o, %lse : tensor<?x?x4x16xbf16>, tensor<?x?x4x1xf32>
}

// Keys are held and are the rows, so the score is the forward's with its factors exchanged.
// CHECK-LABEL: func.func private @keys
// CHECK: %[[K:.*]] = tile.load %arg2{{.*}} -> <64x16xbf16>
// CHECK: tile.sweep {{.*}} step 32
// CHECK: %[[Q:.*]] = tile.load %arg0{{.*}} -> <32x16xbf16>
// CHECK: tile.load %arg1{{.*}} -> <1x32xf32> {transposed}
// CHECK: tile.dot %[[K]], %[[Q]] {transposeB} : (!tile.tile<64x16xbf16>, !tile.tile<32x16xbf16>) -> !tile.tile<64x32xf32>
// CHECK: %[[P:.*]] = tile.map{{.*}} -> !tile.tile<64x32xbf16>
// CHECK: tile.dot %[[P]], %[[Q]] add
func.func private @keys(%q: tensor<?x?x2x16xbf16>, %lse: tensor<?x?x2x1xf32>, %k: tensor<?x?x2x16xbf16>) -> tensor<?x?x2x16xbf16>
    attributes {caa.kernel} {
  %dk = caa.attend queries(%q, %lse) keys(%k) heads() reductions [#caa.reduce<sum over queries, value = 0>]
      : (tensor<?x?x2x16xbf16>, tensor<?x?x2x1xf32>, tensor<?x?x2x16xbf16>) -> tensor<?x?x2x16xbf16> {
  ^bb0(%i: i64, %j: i64, %qi: vector<16xbf16>, %li: f32, %kj: vector<16xbf16>):
    %zero = arith.constant 0.0 : f32
    %d = caa.dot %qi, %kj : vector<16xbf16>
    %s = arith.subf %d, %li : f32
    %e = math.exp %s : f32
    %m = arith.cmpi sle, %j, %i : i64
    %p = arith.select %m, %e, %zero : f32
    caa.yield %p : f32
  }
  return %dk : tensor<?x?x2x16xbf16>
}
