// Dense causal attention, forward: 4 query heads read 2 heads of keys. As caa-lower-attend writes it, with names put in; run by
// tile_test.cpp against the definition of its attend.
// RUN: caa-opt %s | caa-opt | FileCheck %s
// RUN: caa-opt %s --cse --canonicalize | FileCheck %s

// CHECK-LABEL: func.func private @dense
// CHECK: tile.sweep
// CHECK: tile.visit
// CHECK-COUNT-2: tile.next
// CHECK-COUNT-2: tile.store

func.func private @dense(%q: memref<?x?x4x8xf32>, %k: memref<?x?x2x8xf32>, %v: memref<?x?x2x6xf32>, %out: memref<?x?x4x6xf32>, %lse: memref<?x?x4x1xf32>) attributes {tile.flops = 2.293760e+05 : f64, tile.grid = [#tile.term<4, batch = 1, length = 1, lengthDivisor = 16>], tile.kernel, tile.keys = 16 : i64, tile.queries = 16 : i64} {
  %length = tile.extent length
  // Which batch row, which head, which tile of tokens.
  %item = tile.item
  %c16 = arith.constant 16 : index
  %x0 = arith.ceildivui %length, %c16 : index
  %x1 = arith.remui %item, %x0 : index
  %x2 = arith.divui %item, %x0 : index
  %c4 = arith.constant 4 : index
  %x3 = arith.remui %x2, %c4 : index
  %x4 = arith.divui %x2, %c4 : index
  %x5 = arith.muli %x1, %c16 : index
  %cst = arith.constant 0xFF800000 : f32
  %start = tile.splat %cst : f32 -> <16x1xf32>
  %cst_0 = arith.constant 0.000000e+00 : f32
  %start1 = tile.splat %cst_0 : f32 -> <16x1xf32>
  %start2 = tile.splat %cst_0 : f32 -> <16x6xf32>
  %c0 = arith.constant 0 : index
  %q_tile = tile.load %q[%x4, %x5, %x3, %c0] : memref<?x?x4x8xf32> -> <16x8xf32>
  %i_tokens = tile.iota %x5 : <16x1xi64>
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
  %swept:3 = tile.sweep %x19 to %x14 step 16 iter(%start, %start1, %start2) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x6xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x6xf32>) visit {
  ^bb0(%arg5: index):
    %x20 = arith.index_cast %arg5 : index to i64
    %x21 = arith.addi %x20, %c15_i64 : i64
    %x22 = arith.minsi %x21, %x9 : i64
    %x23 = arith.addi %arg5, %c16 : index
    %x24 = arith.cmpi ule, %x23, %length : index
    %c0_i32 = arith.constant 0 : i32
    %x25 = arith.cmpi sle, %x22, %x6 : i64
    %x26 = arith.cmpi slt, %x10, %x20 : i64
    %x27 = arith.andi %x24, %x25 : i1
    %c1_i32 = arith.constant 1 : i32
    %x28 = arith.select %x27, %c1_i32, %c0_i32 : i32
    %c-1_i32 = arith.constant -1 : i32
    %x29 = arith.select %x26, %c-1_i32, %x28 : i32
    // -1: the whole tile lies after the queries.
    tile.visit %x29
  } bodies {
  // Body 0: any tile. Keys after the query, or past the end, score -inf.
  ^bb0(%arg5: index, %arg6: !tile.tile<16x1xf32>, %arg7: !tile.tile<16x1xf32>, %arg8: !tile.tile<16x6xf32>):
    %c2 = arith.constant 2 : index
    %x30 = arith.divui %x3, %c2 : index
    %k_tile = tile.load %k[%x4, %arg5, %x30, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
    %v_tile = tile.load %v[%x4, %arg5, %x30, %c0] : memref<?x?x2x6xf32> -> <16x6xf32>
    %j_tokens = tile.iota %arg5 : <1x16xi64>
    %product = tile.dot %q_tile, %k_tile {transposeB} : (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x16xf32>
    %mapped = tile.map(%j_tokens, %i_tokens, %product) : (!tile.tile<1x16xi64>, !tile.tile<16x1xi64>, !tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg9: i64, %arg10: i64, %arg11: f32):
      %x31 = arith.cmpi slt, %arg9, %x8 : i64
      %x32 = arith.cmpi sle, %arg9, %arg10 : i64
      %cst_1 = arith.constant 3.000000e-01 : f32
      %x33 = arith.mulf %arg11, %cst_1 : f32
      %x34 = arith.andi %x32, %x31 : i1
      %x35 = arith.select %x34, %x33, %cst : f32
      tile.yield %x35 : f32
    }
    // Online softmax: the running maximum moves, and what was summed shrinks with it. -inf stands for no member yet.
    %highest = tile.reduce max %mapped : <16x16xf32> -> <16x1xf32>
    %mapped1:3 = tile.map(%arg6, %highest) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
    ^bb0(%arg9: f32, %arg10: f32):
      %x36 = arith.cmpf ogt, %arg10, %arg9 : f32
      %x37 = arith.select %x36, %arg10, %arg9 : f32
      %x38 = arith.cmpf oeq, %x37, %cst : f32
      %x39 = arith.select %x38, %cst_0, %x37 : f32
      %x40 = arith.subf %arg9, %x39 : f32
      %x41 = math.exp %x40 : f32
      tile.yield %x37, %x39, %x41 : f32, f32, f32
    }
    %mapped2 = tile.map(%mapped1#1, %mapped) : (!tile.tile<16x1xf32>, !tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg9: f32, %arg10: f32):
      %x42 = arith.subf %arg10, %arg9 : f32
      %x43 = math.exp %x42 : f32
      tile.yield %x43 : f32
    }
    %sum = tile.reduce add %mapped2 : <16x16xf32> -> <16x1xf32>
    %mapped3 = tile.map(%arg7, %mapped1#2, %sum) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x1xf32> {
    ^bb0(%arg9: f32, %arg10: f32, %arg11: f32):
      %x44 = arith.mulf %arg9, %arg10 : f32
      %x45 = arith.addf %x44, %arg11 : f32
      tile.yield %x45 : f32
    }
    %mapped4 = tile.map(%arg8, %mapped1#2) : (!tile.tile<16x6xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x6xf32> {
    ^bb0(%arg9: f32, %arg10: f32):
      %x46 = arith.mulf %arg9, %arg10 : f32
      tile.yield %x46 : f32
    }
    %weighted = tile.dot %mapped2, %v_tile add %mapped4 : (!tile.tile<16x16xf32>, !tile.tile<16x6xf32>, !tile.tile<16x6xf32>) -> !tile.tile<16x6xf32>
    tile.next %mapped1#0, %mapped3, %weighted : !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x6xf32>
  }, {
  // Body 1: all keys come before all queries and before the end: no masks.
  ^bb0(%arg5: index, %arg6: !tile.tile<16x1xf32>, %arg7: !tile.tile<16x1xf32>, %arg8: !tile.tile<16x6xf32>):
    %c2 = arith.constant 2 : index
    %x47 = arith.divui %x3, %c2 : index
    %k_tile1 = tile.load %k[%x4, %arg5, %x47, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
    %v_tile1 = tile.load %v[%x4, %arg5, %x47, %c0] : memref<?x?x2x6xf32> -> <16x6xf32>
    %product1 = tile.dot %q_tile, %k_tile1 {transposeB} : (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x16xf32>
    %mapped5 = tile.map(%product1) : (!tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg9: f32):
      %cst_1 = arith.constant 3.000000e-01 : f32
      %x48 = arith.mulf %arg9, %cst_1 : f32
      tile.yield %x48 : f32
    }
    %highest1 = tile.reduce max %mapped5 : <16x16xf32> -> <16x1xf32>
    %mapped6:3 = tile.map(%arg6, %highest1) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
    ^bb0(%arg9: f32, %arg10: f32):
      %x49 = arith.cmpf ogt, %arg10, %arg9 : f32
      %x50 = arith.select %x49, %arg10, %arg9 : f32
      %x51 = arith.cmpf oeq, %x50, %cst : f32
      %x52 = arith.select %x51, %cst_0, %x50 : f32
      %x53 = arith.subf %arg9, %x52 : f32
      %x54 = math.exp %x53 : f32
      tile.yield %x50, %x52, %x54 : f32, f32, f32
    }
    %mapped7 = tile.map(%mapped6#1, %mapped5) : (!tile.tile<16x1xf32>, !tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg9: f32, %arg10: f32):
      %x55 = arith.subf %arg10, %arg9 : f32
      %x56 = math.exp %x55 : f32
      tile.yield %x56 : f32
    }
    %sum1 = tile.reduce add %mapped7 : <16x16xf32> -> <16x1xf32>
    %mapped8 = tile.map(%arg7, %mapped6#2, %sum1) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x1xf32> {
    ^bb0(%arg9: f32, %arg10: f32, %arg11: f32):
      %x57 = arith.mulf %arg9, %arg10 : f32
      %x58 = arith.addf %x57, %arg11 : f32
      tile.yield %x58 : f32
    }
    %mapped9 = tile.map(%arg8, %mapped6#2) : (!tile.tile<16x6xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x6xf32> {
    ^bb0(%arg9: f32, %arg10: f32):
      %x59 = arith.mulf %arg9, %arg10 : f32
      tile.yield %x59 : f32
    }
    %weighted1 = tile.dot %mapped7, %v_tile1 add %mapped9 : (!tile.tile<16x16xf32>, !tile.tile<16x6xf32>, !tile.tile<16x6xf32>) -> !tile.tile<16x6xf32>
    tile.next %mapped6#0, %mapped8, %weighted1 : !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x6xf32>
  }
  %mapped10:2 = tile.map(%swept#1, %swept#0) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
  ^bb0(%arg5: f32, %arg6: f32):
    %x60 = arith.cmpf oeq, %arg5, %cst_0 : f32
    %cst_1 = arith.constant 1.000000e+00 : f32
    %x61 = arith.divf %cst_1, %arg5 : f32
    %x62 = arith.select %x60, %cst_0, %x61 : f32
    %x63 = arith.select %x60, %cst_1, %arg5 : f32
    %x64 = math.log %x63 : f32
    %x65 = arith.addf %arg6, %x64 : f32
    %x66 = arith.select %x60, %cst, %x65 : f32
    tile.yield %x62, %x66 : f32, f32
  }
  %mapped11 = tile.map(%swept#2, %mapped10#0) : (!tile.tile<16x6xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x6xf32> {
  ^bb0(%arg5: f32, %arg6: f32):
    %x67 = arith.mulf %arg5, %arg6 : f32
    tile.yield %x67 : f32
  }
  // Rows past the end are not written.
  tile.store %mapped11, %out[%x4, %x5, %x3, %c0] : <16x6xf32>, memref<?x?x4x6xf32>
  tile.store %mapped10#1, %lse[%x4, %x5, %x3, %c0] : <16x1xf32>, memref<?x?x4x1xf32>
  return
}
