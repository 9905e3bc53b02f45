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
    %x76 = arith.subi %x6, %x73 : i64
    %x77 = arith.subi %x10, %x71 : i64
    %x78 = arith.sitofp %x76 : i64 to f32
    %x79 = arith.sitofp %x77 : i64 to f32
    %x80 = arith.subf %x13, %x79 : f32
    %x81 = arith.subf %x16, %x78 : f32
    %x82 = arith.divf %x80, %cst_1 : f32
    %x83 = arith.divf %x81, %cst_1 : f32
    %x84 = caa.clip %x82 : f32
    %x85 = caa.clip %x83 : f32
    %x86 = arith.cmpf ole, %cst_2, %x84 : f32
    %x87 = arith.cmpf ole, %x85, %cst_2 : f32
    %x88 = arith.andi %x87, %x86 : i1
    %x89 = arith.andi %x75, %x88 : i1
    %c3_i32 = arith.constant 3 : i32
    %x90 = arith.select %x89, %c3_i32, %c0_i32 : i32
    %x91 = arith.cmpi sle, %x73, %x6 : i64
    %x92 = arith.cmpi slt, %x10, %x71 : i64
    %x93 = arith.andi %x75, %x91 : i1
    %x94 = arith.andi %x93, %x88 : i1
    %x95 = arith.cmpf ole, %cst_0, %x84 : f32
    %x96 = arith.cmpf ole, %x85, %cst_0 : f32
    %x97 = arith.andi %x96, %x95 : i1
    %x98 = arith.andi %x91, %x97 : i1
    %x99 = arith.ori %x98, %x92 : i1
    %x100 = arith.ori %x97, %x99 : i1
    %x101 = arith.cmpf ole, %x84, %cst_0 : f32
    %x102 = arith.select %x101, %x84, %cst_0 : f32
    %x103 = arith.select %x92, %cst_0, %x102 : f32
    %x104 = arith.select %x91, %x84, %x103 : f32
    %x105 = arith.select %x96, %cst_0, %x85 : f32
    %x106 = arith.select %x92, %cst_0, %x105 : f32
    %x107 = arith.select %x91, %x85, %x106 : f32
    %x108 = arith.cmpf ole, %cst_2, %x104 : f32
    %x109 = arith.cmpf ole, %x107, %cst_2 : f32
    %x110 = arith.andi %x109, %x108 : i1
    %x111 = arith.andi %x94, %x110 : i1
    %c1_i32 = arith.constant 1 : i32
    %x112 = arith.select %x111, %c1_i32, %x90 : i32
    %x113 = arith.andi %x93, %x97 : i1
    %x114 = arith.cmpf ole, %cst_0, %x104 : f32
    %x115 = arith.cmpf ole, %x107, %cst_0 : f32
    %x116 = arith.andi %x115, %x114 : i1
    %x117 = arith.ori %x100, %x116 : i1
    %x118 = arith.andi %x113, %x117 : i1
    %c2_i32 = arith.constant 2 : i32
    %x119 = arith.select %x118, %c2_i32, %x112 : i32
    %c-1_i32 = arith.constant -1 : i32
    %x120 = arith.ori %x117, %x115 : i1
    %x121 = arith.andi %x120, %x92 : i1
    %x122 = arith.select %x121, %c-1_i32, %x119 : i32
    tile.visit %x122
  } bodies {
  // Body 0: any tile.
  ^bb0(%arg9: index, %arg10: !tile.tile<16x1xf32>, %arg11: !tile.tile<16x1xf32>, %arg12: !tile.tile<16x8xf32>, %arg13: !tile.tile<16x1xf32>, %arg14: !tile.tile<16x1xf32>, %arg15: !tile.tile<16x8xf32>):
    %k_tile = tile.load %k[%x4, %arg9, %x3, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
    %v_tile = tile.load %v[%x4, %arg9, %x3, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
    %j_tokens = tile.iota %arg9 : <1x16xi64>
    %product = tile.dot %q_tile, %k_tile {transposeB} : (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x16xf32>
    %mapped2:3 = tile.map(%j_tokens, %i_tokens, %w_tile, %product, %tau_tile) : (!tile.tile<1x16xi64>, !tile.tile<16x1xi64>, !tile.tile<16x1xf32>, !tile.tile<16x16xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x16xf32>, !tile.tile<16x16xf32>, !tile.tile<16x16xf32>) {
    ^bb0(%arg16: i64, %arg17: i64, %arg18: f32, %arg19: f32, %arg20: f32):
      %x123 = arith.cmpi slt, %arg16, %x8 : i64
      %x124 = arith.cmpi sle, %arg16, %arg17 : i64
      %cst_3 = arith.constant 2.500000e-01 : f32
      %x125 = arith.subi %arg17, %arg16 : i64
      %x126 = arith.sitofp %x125 : i64 to f32
      %x127 = arith.subf %arg18, %x126 : f32
      %x128 = arith.mulf %x127, %cst_3 : f32
      %x129 = caa.clip %x128 : f32
      %x130 = arith.select %x124, %x129, %cst_0 : f32
      %x131 = arith.mulf %arg19, %cst_3 : f32
      %x132 = arith.cmpf ogt, %x130, %cst_0 : f32
      %x133 = arith.andi %x132, %x123 : i1
      %x134 = arith.select %x133, %x131, %cst : f32
      %x135 = arith.cmpf oge, %x131, %arg20 : f32
      %x136 = arith.andi %x124, %x135 : i1
      %x137 = arith.andi %x136, %x123 : i1
      %x138 = arith.select %x137, %x131, %cst : f32
      tile.yield %x134, %x130, %x138 : f32, f32, f32
    }
    %highest1 = tile.reduce max %mapped2#0 : <16x16xf32> -> <16x1xf32>
    %mapped3:3 = tile.map(%arg10, %highest1) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
    ^bb0(%arg16: f32, %arg17: f32):
      %x139 = arith.cmpf ogt, %arg17, %arg16 : f32
      %x140 = arith.select %x139, %arg17, %arg16 : f32
      %x141 = arith.cmpf oeq, %x140, %cst : f32
      %x142 = arith.select %x141, %cst_0, %x140 : f32
      %x143 = arith.subf %arg16, %x142 : f32
      %x144 = math.exp %x143 : f32
      tile.yield %x140, %x142, %x144 : f32, f32, f32
    }
    %mapped4 = tile.map(%mapped3#1, %mapped2#0, %mapped2#1) : (!tile.tile<16x1xf32>, !tile.tile<16x16xf32>, !tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg16: f32, %arg17: f32, %arg18: f32):
      %x145 = arith.subf %arg17, %arg16 : f32
      %x146 = math.exp %x145 : f32
      %x147 = arith.mulf %x146, %arg18 : f32
      tile.yield %x147 : f32
    }
    %sum = tile.reduce add %mapped4 : <16x16xf32> -> <16x1xf32>
    %mapped5 = tile.map(%arg11, %mapped3#2, %sum) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x1xf32> {
    ^bb0(%arg16: f32, %arg17: f32, %arg18: f32):
      %x148 = arith.mulf %arg16, %arg17 : f32
      %x149 = arith.addf %x148, %arg18 : f32
      tile.yield %x149 : f32
    }
    %mapped6 = tile.map(%arg12, %mapped3#2) : (!tile.tile<16x8xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x8xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x150 = arith.mulf %arg16, %arg17 : f32
      tile.yield %x150 : f32
    }
    %weighted = tile.dot %mapped4, %v_tile add %mapped6 : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
    %highest2 = tile.reduce max %mapped2#2 : <16x16xf32> -> <16x1xf32>
    %mapped7:3 = tile.map(%arg13, %highest2) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
    ^bb0(%arg16: f32, %arg17: f32):
      %x151 = arith.cmpf ogt, %arg17, %arg16 : f32
      %x152 = arith.select %x151, %arg17, %arg16 : f32
      %x153 = arith.cmpf oeq, %x152, %cst : f32
      %x154 = arith.select %x153, %cst_0, %x152 : f32
      %x155 = arith.subf %arg16, %x154 : f32
      %x156 = math.exp %x155 : f32
      tile.yield %x152, %x154, %x156 : f32, f32, f32
    }
    %mapped8 = tile.map(%mapped7#1, %mapped2#2) : (!tile.tile<16x1xf32>, !tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x157 = arith.subf %arg17, %arg16 : f32
      %x158 = math.exp %x157 : f32
      tile.yield %x158 : f32
    }
    %sum1 = tile.reduce add %mapped8 : <16x16xf32> -> <16x1xf32>
    %mapped9 = tile.map(%arg14, %mapped7#2, %sum1) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x1xf32> {
    ^bb0(%arg16: f32, %arg17: f32, %arg18: f32):
      %x159 = arith.mulf %arg16, %arg17 : f32
      %x160 = arith.addf %x159, %arg18 : f32
      tile.yield %x160 : f32
    }
    %mapped10 = tile.map(%arg15, %mapped7#2) : (!tile.tile<16x8xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x8xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x161 = arith.mulf %arg16, %arg17 : f32
      tile.yield %x161 : f32
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
      %x162 = arith.mulf %arg16, %cst_3 : f32
      %x163 = arith.cmpf oge, %x162, %arg17 : f32
      %x164 = arith.select %x163, %x162, %cst : f32
      tile.yield %x162, %x164 : f32, f32
    }
    %highest3 = tile.reduce max %mapped11#0 : <16x16xf32> -> <16x1xf32>
    %mapped12:3 = tile.map(%arg10, %highest3) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
    ^bb0(%arg16: f32, %arg17: f32):
      %x165 = arith.cmpf ogt, %arg17, %arg16 : f32
      %x166 = arith.select %x165, %arg17, %arg16 : f32
      %x167 = arith.cmpf oeq, %x166, %cst : f32
      %x168 = arith.select %x167, %cst_0, %x166 : f32
      %x169 = arith.subf %arg16, %x168 : f32
      %x170 = math.exp %x169 : f32
      tile.yield %x166, %x168, %x170 : f32, f32, f32
    }
    %mapped13 = tile.map(%mapped12#1, %mapped11#0) : (!tile.tile<16x1xf32>, !tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x171 = arith.subf %arg17, %arg16 : f32
      %x172 = math.exp %x171 : f32
      tile.yield %x172 : f32
    }
    %sum2 = tile.reduce add %mapped13 : <16x16xf32> -> <16x1xf32>
    %mapped14 = tile.map(%arg11, %mapped12#2, %sum2) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x1xf32> {
    ^bb0(%arg16: f32, %arg17: f32, %arg18: f32):
      %x173 = arith.mulf %arg16, %arg17 : f32
      %x174 = arith.addf %x173, %arg18 : f32
      tile.yield %x174 : f32
    }
    %mapped15 = tile.map(%arg12, %mapped12#2) : (!tile.tile<16x8xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x8xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x175 = arith.mulf %arg16, %arg17 : f32
      tile.yield %x175 : f32
    }
    %weighted2 = tile.dot %mapped13, %v_tile1 add %mapped15 : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
    %highest4 = tile.reduce max %mapped11#1 : <16x16xf32> -> <16x1xf32>
    %mapped16:3 = tile.map(%arg13, %highest4) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
    ^bb0(%arg16: f32, %arg17: f32):
      %x176 = arith.cmpf ogt, %arg17, %arg16 : f32
      %x177 = arith.select %x176, %arg17, %arg16 : f32
      %x178 = arith.cmpf oeq, %x177, %cst : f32
      %x179 = arith.select %x178, %cst_0, %x177 : f32
      %x180 = arith.subf %arg16, %x179 : f32
      %x181 = math.exp %x180 : f32
      tile.yield %x177, %x179, %x181 : f32, f32, f32
    }
    %mapped17 = tile.map(%mapped16#1, %mapped11#1) : (!tile.tile<16x1xf32>, !tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x182 = arith.subf %arg17, %arg16 : f32
      %x183 = math.exp %x182 : f32
      tile.yield %x183 : f32
    }
    %sum3 = tile.reduce add %mapped17 : <16x16xf32> -> <16x1xf32>
    %mapped18 = tile.map(%arg14, %mapped16#2, %sum3) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x1xf32> {
    ^bb0(%arg16: f32, %arg17: f32, %arg18: f32):
      %x184 = arith.mulf %arg16, %arg17 : f32
      %x185 = arith.addf %x184, %arg18 : f32
      tile.yield %x185 : f32
    }
    %mapped19 = tile.map(%arg15, %mapped16#2) : (!tile.tile<16x8xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x8xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x186 = arith.mulf %arg16, %arg17 : f32
      tile.yield %x186 : f32
    }
    %weighted3 = tile.dot %mapped17, %v_tile1 add %mapped19 : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
    tile.next %mapped12#0, %mapped14, %weighted2, %mapped16#0, %mapped18, %weighted3 : !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>
  }, {
  ^bb0(%arg9: index, %arg10: !tile.tile<16x1xf32>, %arg11: !tile.tile<16x1xf32>, %arg12: !tile.tile<16x8xf32>, %arg13: !tile.tile<16x1xf32>, %arg14: !tile.tile<16x1xf32>, %arg15: !tile.tile<16x8xf32>):
    %k_tile2 = tile.load %k[%x4, %arg9, %x3, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
    %product2 = tile.dot %q_tile, %k_tile2 {transposeB} : (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x16xf32>
    %mapped20 = tile.map(%product2, %tau_tile) : (!tile.tile<16x16xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %cst_3 = arith.constant 2.500000e-01 : f32
      %x187 = arith.mulf %arg16, %cst_3 : f32
      %x188 = arith.cmpf oge, %x187, %arg17 : f32
      %x189 = arith.uitofp %x188 : i1 to f32
      tile.yield %x189 : f32
    }
    %highest5 = tile.reduce max %mapped20 : <16x16xf32> -> <1x1xf32>
    %x190 = tile.extract %highest5 : <1x1xf32> -> f32
    %x191 = arith.cmpf ogt, %x190, %cst_0 : f32
    %x192:6 = scf.if %x191 -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>) {
      %v_tile2 = tile.load %v[%x4, %arg9, %x3, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
      %mapped21 = tile.map(%product2, %tau_tile) : (!tile.tile<16x16xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x16xf32> {
      ^bb0(%arg16: f32, %arg17: f32):
        %cst_3 = arith.constant 2.500000e-01 : f32
        %x193 = arith.mulf %arg16, %cst_3 : f32
        %x194 = arith.cmpf oge, %x193, %arg17 : f32
        %x195 = arith.select %x194, %x193, %cst : f32
        tile.yield %x195 : f32
      }
      %highest6 = tile.reduce max %mapped21 : <16x16xf32> -> <16x1xf32>
      %mapped22:3 = tile.map(%arg13, %highest6) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
      ^bb0(%arg16: f32, %arg17: f32):
        %x196 = arith.cmpf ogt, %arg17, %arg16 : f32
        %x197 = arith.select %x196, %arg17, %arg16 : f32
        %x198 = arith.cmpf oeq, %x197, %cst : f32
        %x199 = arith.select %x198, %cst_0, %x197 : f32
        %x200 = arith.subf %arg16, %x199 : f32
        %x201 = math.exp %x200 : f32
        tile.yield %x197, %x199, %x201 : f32, f32, f32
      }
      %mapped23 = tile.map(%mapped22#1, %mapped21) : (!tile.tile<16x1xf32>, !tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
      ^bb0(%arg16: f32, %arg17: f32):
        %x202 = arith.subf %arg17, %arg16 : f32
        %x203 = math.exp %x202 : f32
        tile.yield %x203 : f32
      }
      %sum4 = tile.reduce add %mapped23 : <16x16xf32> -> <16x1xf32>
      %mapped24 = tile.map(%arg14, %mapped22#2, %sum4) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x1xf32> {
      ^bb0(%arg16: f32, %arg17: f32, %arg18: f32):
        %x204 = arith.mulf %arg16, %arg17 : f32
        %x205 = arith.addf %x204, %arg18 : f32
        tile.yield %x205 : f32
      }
      %mapped25 = tile.map(%arg15, %mapped22#2) : (!tile.tile<16x8xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x8xf32> {
      ^bb0(%arg16: f32, %arg17: f32):
        %x206 = arith.mulf %arg16, %arg17 : f32
        tile.yield %x206 : f32
      }
      %weighted4 = tile.dot %mapped23, %v_tile2 add %mapped25 : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
      scf.yield %arg10, %arg11, %arg12, %mapped22#0, %mapped24, %weighted4 : !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>
    } else {
      scf.yield %arg10, %arg11, %arg12, %arg13, %arg14, %arg15 : !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>
    }
    tile.next %x192#0, %x192#1, %x192#2, %x192#3, %x192#4, %x192#5 : !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>
  }, {
  ^bb0(%arg9: index, %arg10: !tile.tile<16x1xf32>, %arg11: !tile.tile<16x1xf32>, %arg12: !tile.tile<16x8xf32>, %arg13: !tile.tile<16x1xf32>, %arg14: !tile.tile<16x1xf32>, %arg15: !tile.tile<16x8xf32>):
    %k_tile3 = tile.load %k[%x4, %arg9, %x3, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
    %v_tile3 = tile.load %v[%x4, %arg9, %x3, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
    %j_tokens1 = tile.iota %arg9 : <1x16xi64>
    %product3 = tile.dot %q_tile, %k_tile3 {transposeB} : (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x16xf32>
    %mapped26:3 = tile.map(%j_tokens1, %i_tokens, %product3, %tau_tile) : (!tile.tile<1x16xi64>, !tile.tile<16x1xi64>, !tile.tile<16x16xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x16xf32>, !tile.tile<16x16xf32>, !tile.tile<16x16xf32>) {
    ^bb0(%arg16: i64, %arg17: i64, %arg18: f32, %arg19: f32):
      %x207 = arith.cmpi sle, %arg16, %arg17 : i64
      %x208 = arith.select %x207, %cst_2, %cst_0 : f32
      %cst_3 = arith.constant 2.500000e-01 : f32
      %x209 = arith.mulf %arg18, %cst_3 : f32
      %x210 = arith.cmpf ogt, %x208, %cst_0 : f32
      %x211 = arith.select %x210, %x209, %cst : f32
      %x212 = arith.cmpf oge, %x209, %arg19 : f32
      %x213 = arith.andi %x207, %x212 : i1
      %x214 = arith.select %x213, %x209, %cst : f32
      tile.yield %x211, %x208, %x214 : f32, f32, f32
    }
    %highest7 = tile.reduce max %mapped26#0 : <16x16xf32> -> <16x1xf32>
    %mapped27:3 = tile.map(%arg10, %highest7) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
    ^bb0(%arg16: f32, %arg17: f32):
      %x215 = arith.cmpf ogt, %arg17, %arg16 : f32
      %x216 = arith.select %x215, %arg17, %arg16 : f32
      %x217 = arith.cmpf oeq, %x216, %cst : f32
      %x218 = arith.select %x217, %cst_0, %x216 : f32
      %x219 = arith.subf %arg16, %x218 : f32
      %x220 = math.exp %x219 : f32
      tile.yield %x216, %x218, %x220 : f32, f32, f32
    }
    %mapped28 = tile.map(%mapped27#1, %mapped26#0, %mapped26#1) : (!tile.tile<16x1xf32>, !tile.tile<16x16xf32>, !tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg16: f32, %arg17: f32, %arg18: f32):
      %x221 = arith.subf %arg17, %arg16 : f32
      %x222 = math.exp %x221 : f32
      %x223 = arith.mulf %x222, %arg18 : f32
      tile.yield %x223 : f32
    }
    %sum5 = tile.reduce add %mapped28 : <16x16xf32> -> <16x1xf32>
    %mapped29 = tile.map(%arg11, %mapped27#2, %sum5) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x1xf32> {
    ^bb0(%arg16: f32, %arg17: f32, %arg18: f32):
      %x224 = arith.mulf %arg16, %arg17 : f32
      %x225 = arith.addf %x224, %arg18 : f32
      tile.yield %x225 : f32
    }
    %mapped30 = tile.map(%arg12, %mapped27#2) : (!tile.tile<16x8xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x8xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x226 = arith.mulf %arg16, %arg17 : f32
      tile.yield %x226 : f32
    }
    %weighted5 = tile.dot %mapped28, %v_tile3 add %mapped30 : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
    %highest8 = tile.reduce max %mapped26#2 : <16x16xf32> -> <16x1xf32>
    %mapped31:3 = tile.map(%arg13, %highest8) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
    ^bb0(%arg16: f32, %arg17: f32):
      %x227 = arith.cmpf ogt, %arg17, %arg16 : f32
      %x228 = arith.select %x227, %arg17, %arg16 : f32
      %x229 = arith.cmpf oeq, %x228, %cst : f32
      %x230 = arith.select %x229, %cst_0, %x228 : f32
      %x231 = arith.subf %arg16, %x230 : f32
      %x232 = math.exp %x231 : f32
      tile.yield %x228, %x230, %x232 : f32, f32, f32
    }
    %mapped32 = tile.map(%mapped31#1, %mapped26#2) : (!tile.tile<16x1xf32>, !tile.tile<16x16xf32>) -> !tile.tile<16x16xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x233 = arith.subf %arg17, %arg16 : f32
      %x234 = math.exp %x233 : f32
      tile.yield %x234 : f32
    }
    %sum6 = tile.reduce add %mapped32 : <16x16xf32> -> <16x1xf32>
    %mapped33 = tile.map(%arg14, %mapped31#2, %sum6) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x1xf32> {
    ^bb0(%arg16: f32, %arg17: f32, %arg18: f32):
      %x235 = arith.mulf %arg16, %arg17 : f32
      %x236 = arith.addf %x235, %arg18 : f32
      tile.yield %x236 : f32
    }
    %mapped34 = tile.map(%arg15, %mapped31#2) : (!tile.tile<16x8xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x8xf32> {
    ^bb0(%arg16: f32, %arg17: f32):
      %x237 = arith.mulf %arg16, %arg17 : f32
      tile.yield %x237 : f32
    }
    %weighted6 = tile.dot %mapped32, %v_tile3 add %mapped34 : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
    tile.next %mapped27#0, %mapped29, %weighted5, %mapped31#0, %mapped33, %weighted6 : !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x8xf32>
  }
  %mapped35:2 = tile.map(%swept#1, %swept#0) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
  ^bb0(%arg9: f32, %arg10: f32):
    %x238 = arith.cmpf oeq, %arg9, %cst_0 : f32
    %x239 = arith.divf %cst_2, %arg9 : f32
    %x240 = arith.select %x238, %cst_0, %x239 : f32
    %x241 = arith.select %x238, %cst_2, %arg9 : f32
    %x242 = math.log %x241 : f32
    %x243 = arith.addf %arg10, %x242 : f32
    %x244 = arith.select %x238, %cst, %x243 : f32
    tile.yield %x240, %x244 : f32, f32
  }
  %mapped36 = tile.map(%swept#2, %mapped35#0) : (!tile.tile<16x8xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x8xf32> {
  ^bb0(%arg9: f32, %arg10: f32):
    %x245 = arith.mulf %arg9, %arg10 : f32
    tile.yield %x245 : f32
  }
  tile.store %mapped36, %near[%x4, %x5, %x3, %c0] : <16x8xf32>, memref<?x?x2x8xf32>
  tile.store %mapped35#1, %near_lse[%x4, %x5, %x3, %c0] : <16x1xf32>, memref<?x?x2x1xf32>
  %mapped37:2 = tile.map(%swept#4, %swept#3) : (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x1xf32>, !tile.tile<16x1xf32>) {
  ^bb0(%arg9: f32, %arg10: f32):
    %x246 = arith.cmpf oeq, %arg9, %cst_0 : f32
    %x247 = arith.divf %cst_2, %arg9 : f32
    %x248 = arith.select %x246, %cst_0, %x247 : f32
    %x249 = arith.select %x246, %cst_2, %arg9 : f32
    %x250 = math.log %x249 : f32
    %x251 = arith.addf %arg10, %x250 : f32
    %x252 = arith.select %x246, %cst, %x251 : f32
    tile.yield %x248, %x252 : f32, f32
  }
  %mapped38 = tile.map(%swept#5, %mapped37#0) : (!tile.tile<16x8xf32>, !tile.tile<16x1xf32>) -> !tile.tile<16x8xf32> {
  ^bb0(%arg9: f32, %arg10: f32):
    %x253 = arith.mulf %arg9, %arg10 : f32
    tile.yield %x253 : f32
  }
  tile.store %mapped38, %far[%x4, %x5, %x3, %c0] : <16x8xf32>, memref<?x?x2x8xf32>
  tile.store %mapped37#1, %far_lse[%x4, %x5, %x3, %c0] : <16x1xf32>, memref<?x?x2x1xf32>
  return
}
