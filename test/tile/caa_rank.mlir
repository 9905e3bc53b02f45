// The threshold of an exact top-k: each query's k-th largest score. One sweep over scores; what a ranking remembers of them is the
// lowering's business, as is how often it runs the sweep (docs/tile.md). As caa-lower-attend writes it, with names put in; run by tile_test.cpp.
// RUN: caa-opt %s | caa-opt | FileCheck %s
// RUN: caa-opt %s --cse --canonicalize | FileCheck %s

// CHECK-LABEL: func.func private @kth
// CHECK: tile.ranking
// CHECK: tile.sweep
// CHECK: tile.rank
// CHECK: tile.threshold

func.func private @kth(%q: memref<?x?x2x8xf32>, %n: memref<?x?x1x1xi64>, %k: memref<?x?x1x8xf32>, %tau: memref<?x?x2x1xf32>) attributes {tile.flops = 1.310720e+05 : f64, tile.grid = [#tile.term<2, batch = 1, length = 1, lengthDivisor = 16>], tile.kernel, tile.keys = 16 : i64, tile.queries = 16 : i64} {
  %length = tile.extent length
  // Which batch row, which head, which tile of tokens.
  %item = tile.item
  %c16 = arith.constant 16 : index
  %x0 = arith.ceildivui %length, %c16 : index
  %x1 = arith.remui %item, %x0 : index
  %x2 = arith.divui %item, %x0 : index
  %c2 = arith.constant 2 : index
  %x3 = arith.remui %x2, %c2 : index
  %x4 = arith.divui %x2, %c2 : index
  %x5 = arith.muli %x1, %c16 : index
  %nothing = tile.ranking : <16>
  %c0 = arith.constant 0 : index
  %q_tile = tile.load %q[%x4, %x5, %x3, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
  %i_tokens = tile.iota %x5 : <16x1xi64>
  %n_tile = tile.load %n[%x4, %x5, %c0, %c0] : memref<?x?x1x1xi64> -> <16x1xi64>
  %x6 = arith.index_cast %x5 : index to i64
  %c15_i64 = arith.constant 15 : i64
  %x7 = arith.addi %x6, %c15_i64 : i64
  %c1_i64 = arith.constant 1 : i64
  %x8 = arith.index_cast %length : index to i64
  %x9 = arith.subi %x8, %c1_i64 : i64
  %x10 = arith.minsi %x7, %x9 : i64
  %x11 = arith.addi %x10, %c1_i64 : i64
  %x12 = arith.index_cast %x11 : i64 to index
  %x13 = arith.cmpi slt, %x10, %x11 : i64
  %x14 = arith.select %x13, %x12, %length : index
  %c0_i64 = arith.constant 0 : i64
  %x15 = arith.cmpi slt, %x10, %c0_i64 : i64
  %x16 = arith.index_cast %x6 : i64 to index
  %x17 = arith.divui %x16, %c16 : index
  %x18 = arith.muli %x17, %c16 : index
  %x19 = arith.select %x15, %x18, %c0 : index
  // Where the sweep begins and ends was found by asking the sets about all that lies before and beyond the held tile.
  %swept = tile.sweep %x19 to %x14 step 16 iter(%nothing) : (!tile.ranking<16>) -> !tile.ranking<16> visit {
  ^bb0(%arg4: index):
    %x20 = arith.index_cast %arg4 : index to i64
    %x21 = arith.addi %x20, %c15_i64 : i64
    %x22 = arith.minsi %x21, %x9 : i64
    %x23 = arith.addi %arg4, %c16 : index
    %x24 = arith.cmpi ule, %x23, %length : index
    %c0_i32 = arith.constant 0 : i32
    %x25 = arith.cmpi sle, %x22, %x6 : i64
    %x26 = arith.cmpi slt, %x10, %x20 : i64
    %x27 = arith.andi %x24, %x25 : i1
    %c1_i32 = arith.constant 1 : i32
    %x28 = arith.select %x27, %c1_i32, %c0_i32 : i32
    %c-1_i32 = arith.constant -1 : i32
    %x29 = arith.select %x26, %c-1_i32, %x28 : i32
    tile.visit %x29
  } bodies {
  // Body 0: which scores count is said beside them.
  ^bb0(%arg4: index, %arg5: !tile.ranking<16>):
    %k_tile = tile.load %k[%x4, %arg4, %c0, %c0] : memref<?x?x1x8xf32> -> <16x8xf32>
    %j_tokens = tile.iota %arg4 : <1x16xi64>
    %product = tile.dot %q_tile, %k_tile {transposeB} : (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x16xf32>
    %mapped:2 = tile.map(%j_tokens, %i_tokens, %product) : (!tile.tile<1x16xi64>, !tile.tile<16x1xi64>, !tile.tile<16x16xf32>) -> (!tile.tile<16x16xf32>, !tile.tile<16x16xi1>) {
    ^bb0(%arg6: i64, %arg7: i64, %arg8: f32):
      %x30 = arith.cmpi slt, %arg6, %x8 : i64
      %x31 = arith.cmpi sle, %arg6, %arg7 : i64
      %x32 = arith.andi %x31, %x30 : i1
      tile.yield %arg8, %x32 : f32, i1
    }
    %ranked = tile.rank %arg5, %mapped#0 where %mapped#1 : (!tile.ranking<16>, !tile.tile<16x16xf32>, !tile.tile<16x16xi1>) -> !tile.ranking<16>
    tile.next %ranked : !tile.ranking<16>
  }, {
  // Body 1: all count.
  ^bb0(%arg4: index, %arg5: !tile.ranking<16>):
    %k_tile1 = tile.load %k[%x4, %arg4, %c0, %c0] : memref<?x?x1x8xf32> -> <16x8xf32>
    %product1 = tile.dot %q_tile, %k_tile1 {transposeB} : (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x16xf32>
    %mapped1 = tile.map(%product1) : (!tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg6: f32):
      tile.yield %arg6 : f32
    }
    %ranked1 = tile.rank %arg5, %mapped1 : (!tile.ranking<16>, !tile.tile<16x16xf32>) -> !tile.ranking<16>
    tile.next %ranked1 : !tile.ranking<16>
  }
  %threshold = tile.threshold %swept, %n_tile : (!tile.ranking<16>, !tile.tile<16x1xi64>) -> !tile.tile<16x1xf32>
  tile.store %threshold, %tau[%x4, %x5, %x3, %c0] : <16x1xf32>, memref<?x?x2x1xf32>
  return
}
