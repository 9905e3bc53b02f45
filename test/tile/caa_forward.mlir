// Context-adaptive attention, forward: a window with a soft edge whose width each query chooses, and the keys whose score reaches a
// threshold. One sweep, one product of scores and two softmaxes. As caa-lower-attend writes it, with names put in; run by tile_test.cpp.
// RUN: caa-opt %s | caa-opt | FileCheck %s
// RUN: caa-opt %s --cse --canonicalize | FileCheck %s

// CHECK-LABEL: func.func private @branches
// CHECK: tile.sweep
// CHECK: tile.visit
// CHECK-COUNT-4: tile.next
// CHECK-COUNT-4: tile.store

func.func private @branches(%q: memref<?x?x2x8xf32>, %w: memref<?x?x2x1xf32>, %tau: memref<?x?x2x1xf32>, %k: memref<?x?x2x8xf32>, %v: memref<?x?x2x8xf32>, %near: memref<?x?x2x8xf32>, %near_lse: memref<?x?x2x1xf32>, %far: memref<?x?x2x8xf32>, %far_lse: memref<?x?x2x1xf32>) attributes {tile.flops = 3.932160e+05 : f64, tile.grid = [#tile.term<2, batch = 1, length = 1, lengthDivisor = 16>], tile.kernel, tile.keys = 16 : i64, tile.queries = 16 : i64} {
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
  %cst = arith.constant 0xFF800000 : f32
  %start = tile.splat %cst : f32 -> <16x1xf32>
  %cst_0 = arith.constant 0.000000e+00 : f32
  %start1 = tile.splat %cst_0 : f32 -> <16x1xf32>
  %start2 = tile.splat %cst_0 : f32 -> <16x8xf32>
  %c0 = arith.constant 0 : index
  %q_tile = tile.load %q[%x4, %x5, %x3, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
  %i_tokens = tile.iota %x5 : <16x1xi64>
  %w_tile = tile.load %w[%x4, %x5, %x3, %c0] : memref<?x?x2x1xf32> -> <16x1xf32>
  %tau_tile = tile.load %tau[%x4, %x5, %x3, %c0] : memref<?x?x2x1xf32> -> <16x1xf32>
  %x6 = arith.index_cast %x5 : index to i64
  %c15_i64 = arith.constant 15 : i64
  %x7 = arith.addi %x6, %c15_i64 : i64
  %c1_i64 = arith.constant 1 : i64
  %x8 = arith.index_cast %length : index to i64
  %x9 = arith.subi %x8, %c1_i64 : i64
  %x10 = arith.minsi %x7, %x9 : i64
  %mapped = tile.map(%w_tile, %i_tokens) : (!tile.tile<16x1xf32>, !tile.tile<16x1xi64>) -> !tile.tile<16x1xf32> {
  ^bb0(%arg9: f32, %arg10: i64):
    %x11 = arith.cmpi slt, %arg10, %x8 : i64
    %cst_3 = arith.constant 0x7F800000 : f32
    %x12 = arith.select %x11, %arg9, %cst_3 : f32
    tile.yield %x12 : f32
  }
  // Bounds of what each token chooses, over the tokens that exist: they decide which tiles are visited.
  %lowest = tile.reduce min %mapped : <16x1xf32> -> <1x1xf32>
  %x13 = tile.extract %lowest : <1x1xf32> -> f32
  %mapped1 = tile.map(%w_tile, %i_tokens) : (!tile.tile<16x1xf32>, !tile.tile<16x1xi64>) -> !tile.tile<16x1xf32> {
  ^bb0(%arg9: f32, %arg10: i64):
    %x14 = arith.cmpi slt, %arg10, %x8 : i64
    %x15 = arith.select %x14, %arg9, %cst : f32
    tile.yield %x15 : f32
  }
  %highest = tile.reduce max %mapped1 : <16x1xf32> -> <1x1xf32>
  %x16 = tile.extract %highest : <1x1xf32> -> f32
  %x17 = arith.addi %x10, %c1_i64 : i64
  %x18 = arith.index_cast %x17 : i64 to index
  %x19 = arith.cmpi slt, %x10, %x17 : i64
  %x20 = arith.subi %x10, %x17 : i64
  %x21 = arith.sitofp %x20 : i64 to f32
  %x22 = arith.subf %x13, %x21 : f32
  %cst_1 = arith.constant 4.000000e+00 : f32
  %x23 = arith.divf %x22, %cst_1 : f32
  %cst_2 = arith.constant 1.000000e+00 : f32
  %x24 = caa.clip %x23 : f32
  %x25 = arith.cmpf ole, %x24, %cst_0 : f32
  %x26 = arith.select %x25, %x24, %cst_0 : f32
  %x27 = arith.select %x19, %cst_0, %x26 : f32
  %x28 = arith.select %x19, %cst_0, %cst_2 : f32
  %x29 = arith.cmpf ole, %x28, %cst_0 : f32
  %x30 = arith.cmpf ole, %cst_0, %x27 : f32
  %x31 = arith.andi %x29, %x30 : i1
  %x32 = arith.ori %x19, %x31 : i1
  %x33 = arith.ori %x32, %x29 : i1
  %x34 = arith.andi %x33, %x19 : i1
  %x35 = arith.select %x34, %x18, %length : index
  %c0_i64 = arith.constant 0 : i64
  %x36 = arith.subi %x6, %c1_i64 : i64
  %x37 = arith.cmpi sle, %x36, %x6 : i64
  %x38 = arith.cmpi slt, %x10, %c0_i64 : i64
  %x39 = arith.subi %x6, %x36 : i64
  %x40 = arith.sitofp %x39 : i64 to f32
  %x41 = arith.sitofp %x10 : i64 to f32
  %x42 = arith.subf %x13, %x41 : f32
  %x43 = arith.subf %x16, %x40 : f32
  %x44 = arith.divf %x42, %cst_1 : f32
  %x45 = arith.divf %x43, %cst_1 : f32
  %x46 = caa.clip %x44 : f32
  %x47 = caa.clip %x45 : f32
  %x48 = arith.cmpf ole, %cst_0, %x46 : f32
  %x49 = arith.cmpf ole, %x47, %cst_0 : f32
  %x50 = arith.andi %x49, %x48 : i1
  %x51 = arith.andi %x37, %x50 : i1
  %x52 = arith.ori %x51, %x38 : i1
  %x53 = arith.ori %x50, %x52 : i1
  %x54 = arith.cmpf ole, %x46, %cst_0 : f32
  %x55 = arith.select %x54, %x46, %cst_0 : f32
  %x56 = arith.select %x38, %cst_0, %x55 : f32
  %x57 = arith.select %x37, %x46, %x56 : f32
  %x58 = arith.select %x49, %cst_0, %x47 : f32
  %x59 = arith.select %x38, %cst_0, %x58 : f32
  %x60 = arith.select %x37, %x47, %x59 : f32
  %x61 = arith.cmpf ole, %x60, %cst_0 : f32
  %x62 = arith.cmpf ole, %cst_0, %x57 : f32
  %x63 = arith.andi %x61, %x62 : i1
  %x64 = arith.ori %x53, %x63 : i1
  %x65 = arith.ori %x64, %x61 : i1
  %x66 = arith.andi %x65, %x38 : i1
  %x67 = arith.index_cast %x6 : i64 to index
  %x68 = arith.divui %x67, %c16 : index
  %x69 = arith.muli %x68, %c16 : index
  %x70 = arith.select %x66, %x69, %c0 : index
  // Where the sweep begins and ends was found by asking the sets about all that lies before and beyond the held tile.
  %swept:6 = tile.sweep %x70 to %x35 step 16 iter(%start, %start1, %start2, %start, %start1, %start2) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>) visit {
  ^bb0(%arg9: index):
    %x71 = arith.index_cast %arg9 : index to i64
    %x72 = arith.addi %x71, %c15_i64 : i64
    %x73 = arith.minsi %x72, %x9 : i64
    %x74 = arith.addi %arg9, %c16 : index
    %x75 = arith.cmpi ule, %x74, %length : index
    %c0_i32 = arith.constant 0 : i32
    %x76 = arith.cmpi sle, %x73, %x6 : i64
    %x77 = arith.cmpi slt, %x10, %x71 : i64
    %x78 = arith.andi %x75, %x76 : i1
    %c3_i32 = arith.constant 3 : i32
    %x79 = arith.select %x78, %c3_i32, %c0_i32 : i32
    %x80 = arith.subi %x6, %x73 : i64
    %x81 = arith.subi %x10, %x71 : i64
    %x82 = arith.sitofp %x80 : i64 to f32
    %x83 = arith.sitofp %x81 : i64 to f32
    %x84 = arith.subf %x13, %x83 : f32
    %x85 = arith.subf %x16, %x82 : f32
    %x86 = arith.divf %x84, %cst_1 : f32
    %x87 = arith.divf %x85, %cst_1 : f32
    %x88 = caa.clip %x86 : f32
    %x89 = caa.clip %x87 : f32
    %x90 = arith.cmpf ole, %cst_0, %x88 : f32
    %x91 = arith.cmpf ole, %x89, %cst_0 : f32
    %x92 = arith.andi %x91, %x90 : i1
    %x93 = arith.andi %x76, %x92 : i1
    %x94 = arith.ori %x93, %x77 : i1
    %x95 = arith.ori %x92, %x94 : i1
    %x96 = arith.cmpf ole, %x88, %cst_0 : f32
    %x97 = arith.select %x96, %x88, %cst_0 : f32
    %x98 = arith.select %x77, %cst_0, %x97 : f32
    %x99 = arith.select %x76, %x88, %x98 : f32
    %x100 = arith.select %x91, %cst_0, %x89 : f32
    %x101 = arith.select %x77, %cst_0, %x100 : f32
    %x102 = arith.select %x76, %x89, %x101 : f32
    %x103 = arith.cmpf ole, %cst_2, %x99 : f32
    %x104 = arith.cmpf ole, %x102, %cst_2 : f32
    %x105 = arith.andi %x104, %x103 : i1
    %x106 = arith.andi %x78, %x105 : i1
    %c1_i32 = arith.constant 1 : i32
    %x107 = arith.select %x106, %c1_i32, %x79 : i32
    %x108 = arith.cmpf ole, %cst_0, %x99 : f32
    %x109 = arith.cmpf ole, %x102, %cst_0 : f32
    %x110 = arith.andi %x109, %x108 : i1
    %x111 = arith.ori %x95, %x110 : i1
    %x112 = arith.andi %x78, %x111 : i1
    %c2_i32 = arith.constant 2 : i32
    %x113 = arith.select %x112, %c2_i32, %x107 : i32
    %c-1_i32 = arith.constant -1 : i32
    %x114 = arith.ori %x111, %x109 : i1
    %x115 = arith.andi %x114, %x77 : i1
    %x116 = arith.select %x115, %c-1_i32, %x113 : i32
    tile.visit %x116
  } bodies {
  // Body 0: any tile.
  ^bb0(%arg9: index, %arg10: !tile.tile<16x1xf32>, %arg11: !tile.tile<16x1xf32>, %arg12: !tile.tile<16x8xf32>, %arg13: !tile.tile<16x1xf32>, %arg14: !tile.tile<16x1xf32>, %arg15: !tile.tile<16x8xf32>):
    %k_tile = tile.load %k[%x4, %arg9, %x3, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
    %v_tile = tile.load %v[%x4, %arg9, %x3, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
    %j_tokens = tile.iota %arg9 : <1x16xi64>
    %product = tile.dot %q_tile, %k_tile {transposeB} : (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x16xf32>
    %mapped2:3 = tile.map(%j_tokens, %i_tokens, %w_tile, %product, %tau_tile) : (!tile.tile<1x16xi64>, !tile.tile<16x1xi64>, !tile.tile<16x1xf32>, !tile.tile<16x16xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x16xf32>, !tile.tile<16x16xf32>, !tile.tile<16x16xf32>) {
    ^bb0(%arg16: i64, %arg17: i64, %arg18: f32, %arg19: f32, %arg20: f32):
      %x117 = arith.cmpi slt, %arg16, %x8 : i64
      %x118 = arith.cmpi sle, %arg16, %arg17 : i64
      %cst_3 = arith.constant 2.500000e-01 : f32
      %x119 = arith.subi %arg17, %arg16 : i64
      %x120 = arith.sitofp %x119 : i64 to f32
      %x121 = arith.subf %arg18, %x120 : f32
      %x122 = arith.mulf %x121, %cst_3 : f32
      %x123 = caa.clip %x122 : f32
      %x124 = arith.select %x118, %x123, %cst_0 : f32
      %x125 = arith.mulf %arg19, %cst_3 : f32
      %x126 = arith.cmpf ogt, %x124, %cst_0 : f32
      %x127 = arith.andi %x126, %x117 : i1
      %x128 = arith.select %x127, %x125, %cst : f32
      %x129 = arith.cmpf oge, %x125, %arg20 : f32
      %x130 = arith.andi %x118, %x129 : i1
      %x131 = arith.andi %x130, %x117 : i1
      %x132 = arith.select %x131, %x125, %cst : f32
      tile.yield %x128, %x124, %x132 : f32, f32, f32
    }
    %highest1 = tile.reduce max %mapped2#0 : <16x16xf32> -> <16x1xf32>
    %mapped3:3 = tile.map(%arg10, %highest1) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
    ^bb0(%arg16: f32, %arg17: f32):
      %x133 = arith.cmpf ogt, %arg17, %arg16 : f32
      %x134 = arith.select %x133, %arg17, %arg16 : f32
      %x135 = arith.cmpf oeq, %x134, %cst : f32
      %x136 = arith.select %x135, %cst_0, %x134 : f32
      %x137 = arith.subf %arg16, %x136 : f32
      %x138 = math.exp %x137 : f32
      tile.yield %x134, %x136, %x138 : f32, f32, f32
    }
    %mapped4 = tile.map(%mapped3#1, %mapped2#0, %mapped2#1) : (!tile.tile<16x1xf32>, !tile.tile<16x16xf32>, !tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg16: f32, %arg17: f32, %arg18: f32):
      %x139 = arith.subf %arg17, %arg16 : f32
      %x140 = math.exp %x139 : f32
      %x141 = arith.mulf %x140, %arg18 : f32
      tile.yield %x141 : f32
    }
    %sum = tile.reduce add %mapped4 : <16x16xf32> -> <16x1xf32>
    %mapped5 = tile.map(%arg11, %mapped3#2, %sum) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x1xf32> {
    ^bb0(%arg16: f32, %arg17: f32, %arg18: f32):
      %x142 = arith.mulf %arg16, %arg17 : f32
      %x143 = arith.addf %x142, %arg18 : f32
      tile.yield %x143 : f32
    }
    %mapped6 = tile.map(%arg12, %mapped3#2) : (!tile.tile<16x8xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x8xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x144 = arith.mulf %arg16, %arg17 : f32
      tile.yield %x144 : f32
    }
    %weighted = tile.dot %mapped4, %v_tile add %mapped6 : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
    %highest2 = tile.reduce max %mapped2#2 : <16x16xf32> -> <16x1xf32>
    %mapped7:3 = tile.map(%arg13, %highest2) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
    ^bb0(%arg16: f32, %arg17: f32):
      %x145 = arith.cmpf ogt, %arg17, %arg16 : f32
      %x146 = arith.select %x145, %arg17, %arg16 : f32
      %x147 = arith.cmpf oeq, %x146, %cst : f32
      %x148 = arith.select %x147, %cst_0, %x146 : f32
      %x149 = arith.subf %arg16, %x148 : f32
      %x150 = math.exp %x149 : f32
      tile.yield %x146, %x148, %x150 : f32, f32, f32
    }
    %mapped8 = tile.map(%mapped7#1, %mapped2#2) : (!tile.tile<16x1xf32>, !tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x151 = arith.subf %arg17, %arg16 : f32
      %x152 = math.exp %x151 : f32
      tile.yield %x152 : f32
    }
    %sum1 = tile.reduce add %mapped8 : <16x16xf32> -> <16x1xf32>
    %mapped9 = tile.map(%arg14, %mapped7#2, %sum1) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x1xf32> {
    ^bb0(%arg16: f32, %arg17: f32, %arg18: f32):
      %x153 = arith.mulf %arg16, %arg17 : f32
      %x154 = arith.addf %x153, %arg18 : f32
      tile.yield %x154 : f32
    }
    %mapped10 = tile.map(%arg15, %mapped7#2) : (!tile.tile<16x8xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x8xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x155 = arith.mulf %arg16, %arg17 : f32
      tile.yield %x155 : f32
    }
    %weighted1 = tile.dot %mapped8, %v_tile add %mapped10 : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
    tile.next %mapped3#0, %mapped5, %weighted, %mapped7#0, %mapped9, %weighted1 : !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>
  }, {
  // One of the bodies that know something of their tile. Each has only what is left of the two sets there: nothing, a
  // comparison with the threshold, the ramp.
  ^bb0(%arg9: index, %arg10: !tile.tile<16x1xf32>, %arg11: !tile.tile<16x1xf32>, %arg12: !tile.tile<16x8xf32>, %arg13: !tile.tile<16x1xf32>, %arg14: !tile.tile<16x1xf32>, %arg15: !tile.tile<16x8xf32>):
    %k_tile1 = tile.load %k[%x4, %arg9, %x3, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
    %v_tile1 = tile.load %v[%x4, %arg9, %x3, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
    %product1 = tile.dot %q_tile, %k_tile1 {transposeB} : (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x16xf32>
    %mapped11:2 = tile.map(%product1, %tau_tile) : (!tile.tile<16x16xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x16xf32>, !tile.tile<16x16xf32>) {
    ^bb0(%arg16: f32, %arg17: f32):
      %cst_3 = arith.constant 2.500000e-01 : f32
      %x156 = arith.mulf %arg16, %cst_3 : f32
      %x157 = arith.cmpf oge, %x156, %arg17 : f32
      %x158 = arith.select %x157, %x156, %cst : f32
      tile.yield %x156, %x158 : f32, f32
    }
    %highest3 = tile.reduce max %mapped11#0 : <16x16xf32> -> <16x1xf32>
    %mapped12:3 = tile.map(%arg10, %highest3) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
    ^bb0(%arg16: f32, %arg17: f32):
      %x159 = arith.cmpf ogt, %arg17, %arg16 : f32
      %x160 = arith.select %x159, %arg17, %arg16 : f32
      %x161 = arith.cmpf oeq, %x160, %cst : f32
      %x162 = arith.select %x161, %cst_0, %x160 : f32
      %x163 = arith.subf %arg16, %x162 : f32
      %x164 = math.exp %x163 : f32
      tile.yield %x160, %x162, %x164 : f32, f32, f32
    }
    %mapped13 = tile.map(%mapped12#1, %mapped11#0) : (!tile.tile<16x1xf32>, !tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x165 = arith.subf %arg17, %arg16 : f32
      %x166 = math.exp %x165 : f32
      tile.yield %x166 : f32
    }
    %sum2 = tile.reduce add %mapped13 : <16x16xf32> -> <16x1xf32>
    %mapped14 = tile.map(%arg11, %mapped12#2, %sum2) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x1xf32> {
    ^bb0(%arg16: f32, %arg17: f32, %arg18: f32):
      %x167 = arith.mulf %arg16, %arg17 : f32
      %x168 = arith.addf %x167, %arg18 : f32
      tile.yield %x168 : f32
    }
    %mapped15 = tile.map(%arg12, %mapped12#2) : (!tile.tile<16x8xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x8xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x169 = arith.mulf %arg16, %arg17 : f32
      tile.yield %x169 : f32
    }
    %weighted2 = tile.dot %mapped13, %v_tile1 add %mapped15 : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
    %highest4 = tile.reduce max %mapped11#1 : <16x16xf32> -> <16x1xf32>
    %mapped16:3 = tile.map(%arg13, %highest4) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
    ^bb0(%arg16: f32, %arg17: f32):
      %x170 = arith.cmpf ogt, %arg17, %arg16 : f32
      %x171 = arith.select %x170, %arg17, %arg16 : f32
      %x172 = arith.cmpf oeq, %x171, %cst : f32
      %x173 = arith.select %x172, %cst_0, %x171 : f32
      %x174 = arith.subf %arg16, %x173 : f32
      %x175 = math.exp %x174 : f32
      tile.yield %x171, %x173, %x175 : f32, f32, f32
    }
    %mapped17 = tile.map(%mapped16#1, %mapped11#1) : (!tile.tile<16x1xf32>, !tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x176 = arith.subf %arg17, %arg16 : f32
      %x177 = math.exp %x176 : f32
      tile.yield %x177 : f32
    }
    %sum3 = tile.reduce add %mapped17 : <16x16xf32> -> <16x1xf32>
    %mapped18 = tile.map(%arg14, %mapped16#2, %sum3) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x1xf32> {
    ^bb0(%arg16: f32, %arg17: f32, %arg18: f32):
      %x178 = arith.mulf %arg16, %arg17 : f32
      %x179 = arith.addf %x178, %arg18 : f32
      tile.yield %x179 : f32
    }
    %mapped19 = tile.map(%arg15, %mapped16#2) : (!tile.tile<16x8xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x8xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x180 = arith.mulf %arg16, %arg17 : f32
      tile.yield %x180 : f32
    }
    %weighted3 = tile.dot %mapped17, %v_tile1 add %mapped19 : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
    tile.next %mapped12#0, %mapped14, %weighted2, %mapped16#0, %mapped18, %weighted3 : !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>
  }, {
  ^bb0(%arg9: index, %arg10: !tile.tile<16x1xf32>, %arg11: !tile.tile<16x1xf32>, %arg12: !tile.tile<16x8xf32>, %arg13: !tile.tile<16x1xf32>, %arg14: !tile.tile<16x1xf32>, %arg15: !tile.tile<16x8xf32>):
    %k_tile2 = tile.load %k[%x4, %arg9, %x3, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
    %v_tile2 = tile.load %v[%x4, %arg9, %x3, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
    %product2 = tile.dot %q_tile, %k_tile2 {transposeB} : (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x16xf32>
    %mapped20 = tile.map(%product2, %tau_tile) : (!tile.tile<16x16xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %cst_3 = arith.constant 2.500000e-01 : f32
      %x181 = arith.mulf %arg16, %cst_3 : f32
      %x182 = arith.cmpf oge, %x181, %arg17 : f32
      %x183 = arith.select %x182, %x181, %cst : f32
      tile.yield %x183 : f32
    }
    %highest5 = tile.reduce max %mapped20 : <16x16xf32> -> <16x1xf32>
    %mapped21:3 = tile.map(%arg13, %highest5) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
    ^bb0(%arg16: f32, %arg17: f32):
      %x184 = arith.cmpf ogt, %arg17, %arg16 : f32
      %x185 = arith.select %x184, %arg17, %arg16 : f32
      %x186 = arith.cmpf oeq, %x185, %cst : f32
      %x187 = arith.select %x186, %cst_0, %x185 : f32
      %x188 = arith.subf %arg16, %x187 : f32
      %x189 = math.exp %x188 : f32
      tile.yield %x185, %x187, %x189 : f32, f32, f32
    }
    %mapped22 = tile.map(%mapped21#1, %mapped20) : (!tile.tile<16x1xf32>, !tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x190 = arith.subf %arg17, %arg16 : f32
      %x191 = math.exp %x190 : f32
      tile.yield %x191 : f32
    }
    %sum4 = tile.reduce add %mapped22 : <16x16xf32> -> <16x1xf32>
    %mapped23 = tile.map(%arg14, %mapped21#2, %sum4) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x1xf32> {
    ^bb0(%arg16: f32, %arg17: f32, %arg18: f32):
      %x192 = arith.mulf %arg16, %arg17 : f32
      %x193 = arith.addf %x192, %arg18 : f32
      tile.yield %x193 : f32
    }
    %mapped24 = tile.map(%arg15, %mapped21#2) : (!tile.tile<16x8xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x8xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x194 = arith.mulf %arg16, %arg17 : f32
      tile.yield %x194 : f32
    }
    %weighted4 = tile.dot %mapped22, %v_tile2 add %mapped24 : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
    tile.next %arg10, %arg11, %arg12, %mapped21#0, %mapped23, %weighted4 : !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>
  }, {
  ^bb0(%arg9: index, %arg10: !tile.tile<16x1xf32>, %arg11: !tile.tile<16x1xf32>, %arg12: !tile.tile<16x8xf32>, %arg13: !tile.tile<16x1xf32>, %arg14: !tile.tile<16x1xf32>, %arg15: !tile.tile<16x8xf32>):
    %k_tile3 = tile.load %k[%x4, %arg9, %x3, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
    %v_tile3 = tile.load %v[%x4, %arg9, %x3, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
    %j_tokens1 = tile.iota %arg9 : <1x16xi64>
    %product3 = tile.dot %q_tile, %k_tile3 {transposeB} : (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x16xf32>
    %mapped25:3 = tile.map(%i_tokens, %j_tokens1, %w_tile, %product3, %tau_tile) : (!tile.tile<16x1xi64>, !tile.tile<1x16xi64>, !tile.tile<16x1xf32>, !tile.tile<16x16xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x16xf32>, !tile.tile<16x16xf32>, !tile.tile<16x16xf32>) {
    ^bb0(%arg16: i64, %arg17: i64, %arg18: f32, %arg19: f32, %arg20: f32):
      %cst_3 = arith.constant 2.500000e-01 : f32
      %x195 = arith.subi %arg16, %arg17 : i64
      %x196 = arith.sitofp %x195 : i64 to f32
      %x197 = arith.subf %arg18, %x196 : f32
      %x198 = arith.mulf %x197, %cst_3 : f32
      %x199 = caa.clip %x198 : f32
      %x200 = arith.mulf %arg19, %cst_3 : f32
      %x201 = arith.cmpf ogt, %x199, %cst_0 : f32
      %x202 = arith.select %x201, %x200, %cst : f32
      %x203 = arith.cmpf oge, %x200, %arg20 : f32
      %x204 = arith.select %x203, %x200, %cst : f32
      tile.yield %x202, %x199, %x204 : f32, f32, f32
    }
    %highest6 = tile.reduce max %mapped25#0 : <16x16xf32> -> <16x1xf32>
    %mapped26:3 = tile.map(%arg10, %highest6) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
    ^bb0(%arg16: f32, %arg17: f32):
      %x205 = arith.cmpf ogt, %arg17, %arg16 : f32
      %x206 = arith.select %x205, %arg17, %arg16 : f32
      %x207 = arith.cmpf oeq, %x206, %cst : f32
      %x208 = arith.select %x207, %cst_0, %x206 : f32
      %x209 = arith.subf %arg16, %x208 : f32
      %x210 = math.exp %x209 : f32
      tile.yield %x206, %x208, %x210 : f32, f32, f32
    }
    %mapped27 = tile.map(%mapped26#1, %mapped25#0, %mapped25#1) : (!tile.tile<16x1xf32>, !tile.tile<16x16xf32>, !tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg16: f32, %arg17: f32, %arg18: f32):
      %x211 = arith.subf %arg17, %arg16 : f32
      %x212 = math.exp %x211 : f32
      %x213 = arith.mulf %x212, %arg18 : f32
      tile.yield %x213 : f32
    }
    %sum5 = tile.reduce add %mapped27 : <16x16xf32> -> <16x1xf32>
    %mapped28 = tile.map(%arg11, %mapped26#2, %sum5) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x1xf32> {
    ^bb0(%arg16: f32, %arg17: f32, %arg18: f32):
      %x214 = arith.mulf %arg16, %arg17 : f32
      %x215 = arith.addf %x214, %arg18 : f32
      tile.yield %x215 : f32
    }
    %mapped29 = tile.map(%arg12, %mapped26#2) : (!tile.tile<16x8xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x8xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x216 = arith.mulf %arg16, %arg17 : f32
      tile.yield %x216 : f32
    }
    %weighted5 = tile.dot %mapped27, %v_tile3 add %mapped29 : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
    %highest7 = tile.reduce max %mapped25#2 : <16x16xf32> -> <16x1xf32>
    %mapped30:3 = tile.map(%arg13, %highest7) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
    ^bb0(%arg16: f32, %arg17: f32):
      %x217 = arith.cmpf ogt, %arg17, %arg16 : f32
      %x218 = arith.select %x217, %arg17, %arg16 : f32
      %x219 = arith.cmpf oeq, %x218, %cst : f32
      %x220 = arith.select %x219, %cst_0, %x218 : f32
      %x221 = arith.subf %arg16, %x220 : f32
      %x222 = math.exp %x221 : f32
      tile.yield %x218, %x220, %x222 : f32, f32, f32
    }
    %mapped31 = tile.map(%mapped30#1, %mapped25#2) : (!tile.tile<16x1xf32>, !tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x223 = arith.subf %arg17, %arg16 : f32
      %x224 = math.exp %x223 : f32
      tile.yield %x224 : f32
    }
    %sum6 = tile.reduce add %mapped31 : <16x16xf32> -> <16x1xf32>
    %mapped32 = tile.map(%arg14, %mapped30#2, %sum6) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x1xf32> {
    ^bb0(%arg16: f32, %arg17: f32, %arg18: f32):
      %x225 = arith.mulf %arg16, %arg17 : f32
      %x226 = arith.addf %x225, %arg18 : f32
      tile.yield %x226 : f32
    }
    %mapped33 = tile.map(%arg15, %mapped30#2) : (!tile.tile<16x8xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x8xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x227 = arith.mulf %arg16, %arg17 : f32
      tile.yield %x227 : f32
    }
    %weighted6 = tile.dot %mapped31, %v_tile3 add %mapped33 : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
    tile.next %mapped26#0, %mapped28, %weighted5, %mapped30#0, %mapped32, %weighted6 : !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>
  }
  %mapped34:2 = tile.map(%swept#1, %swept#0) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
  ^bb0(%arg9: f32, %arg10: f32):
    %x228 = arith.cmpf oeq, %arg9, %cst_0 : f32
    %x229 = arith.divf %cst_2, %arg9 : f32
    %x230 = arith.select %x228, %cst_0, %x229 : f32
    %x231 = arith.select %x228, %cst_2, %arg9 : f32
    %x232 = math.log %x231 : f32
    %x233 = arith.addf %arg10, %x232 : f32
    %x234 = arith.select %x228, %cst, %x233 : f32
    tile.yield %x230, %x234 : f32, f32
  }
  %mapped35 = tile.map(%swept#2, %mapped34#0) : (!tile.tile<16x8xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x8xf32> {
  ^bb0(%arg9: f32, %arg10: f32):
    %x235 = arith.mulf %arg9, %arg10 : f32
    tile.yield %x235 : f32
  }
  tile.store %mapped35, %near[%x4, %x5, %x3, %c0] : <16x8xf32>, memref<?x?x2x8xf32>
  tile.store %mapped34#1, %near_lse[%x4, %x5, %x3, %c0] : <16x1xf32>, memref<?x?x2x1xf32>
  %mapped36:2 = tile.map(%swept#4, %swept#3) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
  ^bb0(%arg9: f32, %arg10: f32):
    %x236 = arith.cmpf oeq, %arg9, %cst_0 : f32
    %x237 = arith.divf %cst_2, %arg9 : f32
    %x238 = arith.select %x236, %cst_0, %x237 : f32
    %x239 = arith.select %x236, %cst_2, %arg9 : f32
    %x240 = math.log %x239 : f32
    %x241 = arith.addf %arg10, %x240 : f32
    %x242 = arith.select %x236, %cst, %x241 : f32
    tile.yield %x238, %x242 : f32, f32
  }
  %mapped37 = tile.map(%swept#5, %mapped36#0) : (!tile.tile<16x8xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x8xf32> {
  ^bb0(%arg9: f32, %arg10: f32):
    %x243 = arith.mulf %arg9, %arg10 : f32
    tile.yield %x243 : f32
  }
  tile.store %mapped37, %far[%x4, %x5, %x3, %c0] : <16x8xf32>, memref<?x?x2x8xf32>
  tile.store %mapped36#1, %far_lse[%x4, %x5, %x3, %c0] : <16x1xf32>, memref<?x?x2x1xf32>
  return
}
