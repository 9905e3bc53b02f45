// Dense causal attention, backward, in one kernel: a work item is a head of keys. For each of its key tiles, dK and dV are carried
// through the query tiles of all query heads that read it; dQ is added up in memory, which no other work item touches.
// As caa-lower-attend writes it, with names put in; run by tile_test.cpp.
// RUN: caa-opt %s | caa-opt | FileCheck %s
// RUN: caa-opt %s --cse --canonicalize | FileCheck %s

// CHECK-LABEL: func.func private @dense_backward
// CHECK: scf.for
// CHECK: tile.sweep
// CHECK: tile.store {{.*}} {accumulate}

func.func private @dense_backward(%q: memref<?x?x4x8xf32>, %do: memref<?x?x4x6xf32>, %lse: memref<?x?x4x1xf32>, %delta: memref<?x?x4x1xf32>, %k: memref<?x?x2x8xf32>, %v: memref<?x?x2x6xf32>, %dq: memref<?x?x4x8xf32>, %dk: memref<?x?x2x8xf32>, %dv: memref<?x?x2x6xf32>) attributes {tile.flops = 0x4183000000000000 : f64, tile.grid = [#tile.term<2, batch = 1>], tile.kernel, tile.keys = 16 : i64, tile.queries = 16 : i64} {
  %length = tile.extent length
  // Which batch row, which head, which tile of tokens.
  %item = tile.item
  %c2 = arith.constant 2 : index
  %x0 = arith.divui %item, %c2 : index
  %x1 = arith.remui %item, %c2 : index
  %c1 = arith.constant 1 : index
  %c0 = arith.constant 0 : index
  scf.for %arg9 = %c0 to %c2 step %c1 {
    %x2 = arith.muli %x1, %c2 : index
    %x3 = arith.addi %x2, %arg9 : index
    %c16_0 = arith.constant 16 : index
    %x4 = arith.ceildivui %length, %c16_0 : index
    scf.for %arg10 = %c0 to %x4 step %c1 {
      %x5 = arith.muli %arg10, %c16_0 : index
      %cst = arith.constant 0.000000e+00 : f32
      // dQ starts from zero.
      %start = tile.splat %cst : f32 -> <16x8xf32>
      tile.store %start, %dq[%x0, %x5, %x3, %c0] : <16x8xf32>, memref<?x?x4x8xf32>
    }
  }
  %c16 = arith.constant 16 : index
  %x6 = arith.ceildivui %length, %c16 : index
  scf.for %arg9 = %c0 to %x6 step %c1 {
    %x7 = arith.muli %arg9, %c16 : index
    %cst = arith.constant 0.000000e+00 : f32
    %start1 = tile.splat %cst : f32 -> <16x8xf32>
    %start2 = tile.splat %cst : f32 -> <16x6xf32>
    %x8 = arith.muli %x1, %c2 : index
    %x9:2 = scf.for %arg10 = %c0 to %c2 step %c1 iter_args(%arg11 = %start1, %arg12 = %start2) -> (!tile.tile<16x8xf32>, !tile.tile<16x6xf32>) {
      %x10 = arith.addi %x8, %arg10 : index
      %x11 = arith.divui %x10, %c2 : index
      %k_tile = tile.load %k[%x0, %x7, %x11, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
      %v_tile = tile.load %v[%x0, %x7, %x11, %c0] : memref<?x?x2x6xf32> -> <16x6xf32>
      %j_tokens = tile.iota %x7 : <1x16xi64>
      %x12 = arith.index_cast %x7 : index to i64
      %c15_i64 = arith.constant 15 : i64
      %x13 = arith.addi %x12, %c15_i64 : i64
      %c1_i64 = arith.constant 1 : i64
      %x14 = arith.index_cast %length : index to i64
      %x15 = arith.subi %x14, %c1_i64 : i64
      %x16 = arith.minsi %x13, %x15 : i64
      %x17 = arith.subi %x12, %c1_i64 : i64
      %x18 = arith.cmpi slt, %x17, %x12 : i64
      %x19 = arith.index_cast %x12 : i64 to index
      %x20 = arith.divui %x19, %c16 : index
      %x21 = arith.muli %x20, %c16 : index
      %x22 = arith.select %x18, %x21, %c0 : index
      // Where the sweep begins and ends was found by asking the sets about all that lies before and beyond the held tile.
      %swept:2 = tile.sweep %x22 to %length step 16 iter(%arg11, %arg12) : (!tile.tile<16x8xf32>, !tile.tile<16x6xf32>) -> (!tile.tile<16x8xf32>, !tile.tile<16x6xf32>) visit {
      ^bb0(%arg13: index):
        %x23 = arith.index_cast %arg13 : index to i64
        %x24 = arith.addi %x23, %c15_i64 : i64
        %x25 = arith.minsi %x24, %x15 : i64
        %x26 = arith.addi %arg13, %c16 : index
        %x27 = arith.cmpi ule, %x26, %length : index
        %x28 = arith.addi %x7, %c16 : index
        %x29 = arith.cmpi ule, %x28, %length : index
        %x30 = arith.andi %x27, %x29 : i1
        %c0_i32 = arith.constant 0 : i32
        %x31 = arith.cmpi sle, %x16, %x23 : i64
        %x32 = arith.cmpi slt, %x25, %x12 : i64
        %x33 = arith.andi %x30, %x31 : i1
        %c1_i32 = arith.constant 1 : i32
        %x34 = arith.select %x33, %c1_i32, %c0_i32 : i32
        %c-1_i32 = arith.constant -1 : i32
        %x35 = arith.select %x32, %c-1_i32, %x34 : i32
        tile.visit %x35
      } bodies {
      // Body 0: any tile.
      ^bb0(%arg13: index, %arg14: !tile.tile<16x8xf32>, %arg15: !tile.tile<16x6xf32>):
        %q_tile = tile.load %q[%x0, %arg13, %x10, %c0] : memref<?x?x4x8xf32> -> <16x8xf32>
        %do_tile = tile.load %do[%x0, %arg13, %x10, %c0] : memref<?x?x4x6xf32> -> <16x6xf32>
        %i_tokens = tile.iota %arg13 : <16x1xi64>
        %lse_tile = tile.load %lse[%x0, %arg13, %x10, %c0] : memref<?x?x4x1xf32> -> <16x1xf32>
        %delta_tile = tile.load %delta[%x0, %arg13, %x10, %c0] : memref<?x?x4x1xf32> -> <16x1xf32>
        %product = tile.dot %q_tile, %k_tile {transposeB} : (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x16xf32>
        %product1 = tile.dot %do_tile, %v_tile {transposeB} : (!tile.tile<16x6xf32>, !tile.tile<16x6xf32>) -> !tile.tile<16x16xf32>
        %mapped:3 = tile.map(%i_tokens, %j_tokens, %lse_tile, %product, %delta_tile, %product1) : (!tile.tile<16x1xi64>, !tile.tile<1x16xi64>, !tile.tile<16x1xf32>, !tile.tile<16x16xf32>, !tile.tile<16x1xf32>, !tile.tile<16x16xf32>) -> (!tile.tile<16x16xf32>, !tile.tile<16x16xf32>, !tile.tile<16x16xf32>) {
        ^bb0(%arg16: i64, %arg17: i64, %arg18: f32, %arg19: f32, %arg20: f32, %arg21: f32):
          %x36 = arith.cmpi slt, %arg16, %x14 : i64
          %x37 = arith.cmpi slt, %arg17, %x14 : i64
          %x38 = arith.andi %x36, %x37 : i1
          %x39 = arith.cmpi sle, %arg17, %arg16 : i64
          %cst_0 = arith.constant 3.000000e-01 : f32
          %x40 = arith.mulf %arg19, %cst_0 : f32
          %x41 = arith.subf %x40, %arg18 : f32
          %x42 = math.exp %x41 : f32
          %x43 = arith.select %x39, %x42, %cst : f32
          %x44 = arith.subf %arg21, %arg20 : f32
          %x45 = arith.mulf %x43, %x44 : f32
          %x46 = arith.mulf %x45, %cst_0 : f32
          %x47 = arith.select %x38, %x46, %cst : f32
          %x48 = arith.select %x38, %x43, %cst : f32
          tile.yield %x47, %x47, %x48 : f32, f32, f32
        }
        // The three sums: dQ = dS K into memory, dK += dS^T Q, dV += P^T dO.
        %weighted = tile.dot %mapped#0, %k_tile : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
        tile.store %weighted, %dq[%x0, %arg13, %x10, %c0] : <16x8xf32>, memref<?x?x4x8xf32> {accumulate}
        %weighted1 = tile.dot %mapped#1, %q_tile add %arg14 {transposeA} : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
        %weighted2 = tile.dot %mapped#2, %do_tile add %arg15 {transposeA} : (!tile.tile<16x16xf32>, !tile.tile<16x6xf32>, !tile.tile<16x6xf32>) -> !tile.tile<16x6xf32>
        tile.next %weighted1, %weighted2 : !tile.tile<16x8xf32>, !tile.tile<16x6xf32>
      }, {
      // Body 1: no masks.
      ^bb0(%arg13: index, %arg14: !tile.tile<16x8xf32>, %arg15: !tile.tile<16x6xf32>):
        %q_tile1 = tile.load %q[%x0, %arg13, %x10, %c0] : memref<?x?x4x8xf32> -> <16x8xf32>
        %do_tile1 = tile.load %do[%x0, %arg13, %x10, %c0] : memref<?x?x4x6xf32> -> <16x6xf32>
        %lse_tile1 = tile.load %lse[%x0, %arg13, %x10, %c0] : memref<?x?x4x1xf32> -> <16x1xf32>
        %delta_tile1 = tile.load %delta[%x0, %arg13, %x10, %c0] : memref<?x?x4x1xf32> -> <16x1xf32>
        %product2 = tile.dot %q_tile1, %k_tile {transposeB} : (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x16xf32>
        %product3 = tile.dot %do_tile1, %v_tile {transposeB} : (!tile.tile<16x6xf32>, !tile.tile<16x6xf32>) -> !tile.tile<16x16xf32>
        %mapped1:2 = tile.map(%lse_tile1, %product2, %delta_tile1, %product3) : (!tile.tile<16x1xf32>, !tile.tile<16x16xf32>, !tile.tile<16x1xf32>, !tile.tile<16x16xf32>) -> (!tile.tile<16x16xf32>, !tile.tile<16x16xf32>) {
        ^bb0(%arg16: f32, %arg17: f32, %arg18: f32, %arg19: f32):
          %cst_0 = arith.constant 3.000000e-01 : f32
          %x49 = arith.mulf %arg17, %cst_0 : f32
          %x50 = arith.subf %x49, %arg16 : f32
          %x51 = math.exp %x50 : f32
          %x52 = arith.subf %arg19, %arg18 : f32
          %x53 = arith.mulf %x51, %x52 : f32
          %x54 = arith.mulf %x53, %cst_0 : f32
          tile.yield %x54, %x51 : f32, f32
        }
        %weighted3 = tile.dot %mapped1#0, %k_tile : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
        tile.store %weighted3, %dq[%x0, %arg13, %x10, %c0] : <16x8xf32>, memref<?x?x4x8xf32> {accumulate}
        %weighted4 = tile.dot %mapped1#0, %q_tile1 add %arg14 {transposeA} : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
        %weighted5 = tile.dot %mapped1#1, %do_tile1 add %arg15 {transposeA} : (!tile.tile<16x16xf32>, !tile.tile<16x6xf32>, !tile.tile<16x6xf32>) -> !tile.tile<16x6xf32>
        tile.next %weighted4, %weighted5 : !tile.tile<16x8xf32>, !tile.tile<16x6xf32>
      }
      scf.yield %swept#0, %swept#1 : !tile.tile<16x8xf32>, !tile.tile<16x6xf32>
    }
    %x55 = arith.divui %x8, %c2 : index
    tile.store %x9#0, %dk[%x0, %x7, %x55, %c0] : <16x8xf32>, memref<?x?x2x8xf32>
    tile.store %x9#1, %dv[%x0, %x7, %x55, %c0] : <16x6xf32>, memref<?x?x2x6xf32>
  }
  return
}
