// The tiles that fit the registers of Hopper's warpgroups: fewer held rows or swept tokens the more a thread has to hold.
// RUN: caa-opt --caa-lower-attend="held=128 swept=64 keys-as-rows fit-tiles bodies=1" %s | FileCheck %s
// ... and those that fit a block's shared memory, 99 KiB, and the registers of a warp for 16 rows.
// RUN: caa-opt --caa-lower-attend="held=128 swept=64 keys-as-rows block-bytes=101376 bodies=1" %s | FileCheck %s --check-prefix=BLOCK

// CHECK-LABEL: func.func private @heads_of_64
// CHECK: tile.load %arg0{{.*}} -> <192x64xbf16>
// CHECK: tile.sweep {{.*}} step 128
// BLOCK: tile.load %arg0{{.*}} -> <128x64xbf16>
// BLOCK: tile.sweep {{.*}} step 64
func.func private @heads_of_64(%q: tensor<?x?x4x64xbf16>, %k: tensor<?x?x2x64xbf16>) -> tensor<?x?x4x64xbf16> attributes {caa.kernel} {
  %o, %lse = caa.attend queries(%q) keys(%k) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x4x64xbf16>, tensor<?x?x2x64xbf16>) -> (tensor<?x?x4x64xbf16>, tensor<?x?x4x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<64xbf16>, %kj: vector<64xbf16>):
    %d = caa.dot %qi, %kj : vector<64xbf16>
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %d, %m : f32, i1
  }
  return %o : tensor<?x?x4x64xbf16>
}

// CHECK-LABEL: func.func private @heads_of_128
// CHECK: tile.load %arg0{{.*}} -> <128x128xbf16>
// CHECK: tile.sweep {{.*}} step 128
// BLOCK: tile.load %arg0{{.*}} -> <128x128xbf16>
// BLOCK: tile.sweep {{.*}} step 64
func.func private @heads_of_128(%q: tensor<?x?x4x128xbf16>, %k: tensor<?x?x2x128xbf16>) -> tensor<?x?x4x128xbf16> attributes {caa.kernel} {
  %o, %lse = caa.attend queries(%q) keys(%k) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x4x128xbf16>, tensor<?x?x2x128xbf16>) -> (tensor<?x?x4x128xbf16>, tensor<?x?x4x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<128xbf16>, %kj: vector<128xbf16>):
    %d = caa.dot %qi, %kj : vector<128xbf16>
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %d, %m : f32, i1
  }
  return %o : tensor<?x?x4x128xbf16>
}

// The scores of two visits are alive beside sums of 128 columns: two warpgroups.
// CHECK-LABEL: func.func private @queries_of_128
// CHECK: tile.load %arg0{{.*}} -> <128x128xbf16>
// CHECK: tile.sweep {{.*}} step 64
func.func private @queries_of_128(%q: tensor<?x?x8x128xbf16>, %lse: tensor<?x?x8x1xf32>, %do: tensor<?x?x8x128xbf16>,
                                  %delta: tensor<?x?x8x1xf32>, %k: tensor<?x?x2x128xbf16>, %v: tensor<?x?x2x128xbf16>)
    -> tensor<?x?x8x128xbf16> attributes {caa.kernel} {
  %dq = caa.attend queries(%q, %lse, %do, %delta) keys(%k, %v) heads() reductions [#caa.reduce<sum over keys, value = 0>]
      : (tensor<?x?x8x128xbf16>, tensor<?x?x8x1xf32>, tensor<?x?x8x128xbf16>, tensor<?x?x8x1xf32>, tensor<?x?x2x128xbf16>,
         tensor<?x?x2x128xbf16>) -> tensor<?x?x8x128xbf16> {
  ^bb0(%i: i64, %j: i64, %qi: vector<128xbf16>, %l: f32, %doi: vector<128xbf16>, %e: f32, %kj: vector<128xbf16>, %vj: vector<128xbf16>):
    %zero = arith.constant 0.0 : f32
    %d = caa.dot %qi, %kj : vector<128xbf16>
    %m = arith.cmpi sle, %j, %i : i64
    %x = arith.subf %d, %l : f32
    %y = math.exp %x : f32
    %p = arith.select %m, %y, %zero : f32
    %dp = caa.dot %doi, %vj : vector<128xbf16>
    %r = arith.subf %dp, %e : f32
    %ds = arith.mulf %p, %r : f32
    caa.yield %ds : f32
  }
  return %dq : tensor<?x?x8x128xbf16>
}

// No tensor core takes f32: the sizes of the options.
// CHECK-LABEL: func.func private @exact
// CHECK: tile.load %arg0{{.*}} -> <128x64xf32>
// CHECK: tile.sweep {{.*}} step 64
// BLOCK: tile.load %arg0{{.*}} -> <128x64xf32>
// BLOCK: tile.sweep {{.*}} step 64
func.func private @exact(%q: tensor<?x?x4x64xf32>, %k: tensor<?x?x2x64xf32>) -> tensor<?x?x4x64xf32> attributes {caa.kernel} {
  %o, %lse = caa.attend queries(%q) keys(%k) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x4x64xf32>, tensor<?x?x2x64xf32>) -> (tensor<?x?x4x64xf32>, tensor<?x?x4x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<64xf32>, %kj: vector<64xf32>):
    %d = caa.dot %qi, %kj : vector<64xf32>
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %d, %m : f32, i1
  }
  return %o : tensor<?x?x4x64xf32>
}

// Keys and values of 128: two stages of 64 of each are too much.
// BLOCK-LABEL: func.func private @keys_and_values
// BLOCK: tile.load %arg0{{.*}} -> <128x128xbf16>
// BLOCK: tile.sweep {{.*}} step 32
func.func private @keys_and_values(%q: tensor<?x?x4x128xbf16>, %k: tensor<?x?x2x128xbf16>, %v: tensor<?x?x2x128xbf16>)
    -> tensor<?x?x4x128xbf16> attributes {caa.kernel} {
  %o, %lse = caa.attend queries(%q) keys(%k, %v) heads() reductions [#caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x4x128xbf16>, tensor<?x?x2x128xbf16>, tensor<?x?x2x128xbf16>) -> (tensor<?x?x4x128xbf16>, tensor<?x?x4x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<128xbf16>, %kj: vector<128xbf16>, %vj: vector<128xbf16>):
    %d = caa.dot %qi, %kj : vector<128xbf16>
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %d, %m : f32, i1
  }
  return %o : tensor<?x?x4x128xbf16>
}

// Vectors of 512 bytes: half as many are held and swept.
// BLOCK-LABEL: func.func private @wide
// BLOCK: tile.load %arg0{{.*}} -> <64x256xbf16>
// BLOCK: tile.sweep {{.*}} step 32
func.func private @wide(%q: tensor<?x?x1x256xbf16>, %k: tensor<?x?x1x256xbf16>) -> tensor<?x?x1x256xbf16> attributes {caa.kernel} {
  %o, %lse = caa.attend queries(%q) keys(%k) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x1x256xbf16>, tensor<?x?x1x256xbf16>) -> (tensor<?x?x1x256xbf16>, tensor<?x?x1x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<256xbf16>, %kj: vector<256xbf16>):
    %d = caa.dot %qi, %kj : vector<256xbf16>
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %d, %m : f32, i1
  }
  return %o : tensor<?x?x1x256xbf16>
}

// The lists of a ranking take most of a block: half as many rows.
// BLOCK-LABEL: func.func private @threshold
// BLOCK: tile.load %arg0{{.*}} -> <64x64xbf16>
// BLOCK: tile.sweep {{.*}} step 64
func.func private @threshold(%q: tensor<?x?x4x64xbf16>, %k: tensor<?x?x2x64xbf16>, %n: tensor<?x?x1x1xi64>) -> tensor<?x?x4x1xf32> attributes {caa.kernel} {
  %t = caa.attend queries(%q, %n) keys(%k) heads() reductions [#caa.reduce<kth over keys, count = 1>]
      : (tensor<?x?x4x64xbf16>, tensor<?x?x1x1xi64>, tensor<?x?x2x64xbf16>) -> tensor<?x?x4x1xf32> {
  ^bb0(%i: i64, %j: i64, %qi: vector<64xbf16>, %ni: i64, %kj: vector<64xbf16>):
    %d = caa.dot %qi, %kj : vector<64xbf16>
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %d, %m : f32, i1
  }
  return %t : tensor<?x?x4x1xf32>
}
