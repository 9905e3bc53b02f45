// Context-adaptive attention, backward: five products a tile, as many as dense attention has. dQ and the width's gradient are added up in
// memory by the one work item that owns them. As caa-lower-attend writes it (with two bodies), with names put in; run by tile_test.cpp.
// RUN: caa-opt %s | caa-opt | FileCheck %s
// RUN: caa-opt %s --cse --canonicalize | FileCheck %s

// CHECK-LABEL: func.func private @branches_backward
// CHECK: tile.sweep
// CHECK-COUNT-5: tile.dot
// CHECK: tile.next
// CHECK-COUNT-5: tile.dot
// CHECK: tile.next

func.func private @branches_backward(%q: memref<?x?x4x8xf32>, %do: memref<?x?x4x8xf32>, %lse_near: memref<?x?x4x1xf32>, %lse_far: memref<?x?x4x1xf32>, %g: memref<?x?x4x1xf32>, %delta_near: memref<?x?x4x1xf32>, %delta_far: memref<?x?x4x1xf32>, %w: memref<?x?x4x1xf32>, %tau: memref<?x?x4x1xf32>, %k: memref<?x?x2x8xf32>, %v: memref<?x?x2x8xf32>, %dq: memref<?x?x4x8xf32>, %dw: memref<?x?x4x1xf32>, %dk: memref<?x?x2x8xf32>, %dv: memref<?x?x2x8xf32>) attributes {tile.flops = 0x4184000000000000 : f64, tile.grid = [#tile.term<2, batch = 1>], tile.kernel, tile.keys = 16 : i64, tile.queries = 16 : i64} {
  %length = tile.extent length
  // Which batch row, which head, which tile of tokens.
  %item = tile.item
  %c2 = arith.constant 2 : index
  %x0 = arith.divui %item, %c2 : index
  %x1 = arith.remui %item, %c2 : index
  %c1 = arith.constant 1 : index
  %c0 = arith.constant 0 : index
  scf.for %arg15 = %c0 to %c2 step %c1 {
    %x2 = arith.muli %x1, %c2 : index
    %x3 = arith.addi %x2, %arg15 : index
    %c16_0 = arith.constant 16 : index
    %x4 = arith.ceildivui %length, %c16_0 : index
    scf.for %arg16 = %c0 to %x4 step %c1 {
      %x5 = arith.muli %arg16, %c16_0 : index
      %cst = arith.constant 0.000000e+00 : f32
      %start = tile.splat %cst : f32 -> <16x8xf32>
      tile.store %start, %dq[%x0, %x5, %x3, %c0] : <16x8xf32>, memref<?x?x4x8xf32>
    }
  }
  scf.for %arg15 = %c0 to %c2 step %c1 {
    %x6 = arith.muli %x1, %c2 : index
    %x7 = arith.addi %x6, %arg15 : index
    %c16_0 = arith.constant 16 : index
    %x8 = arith.ceildivui %length, %c16_0 : index
    scf.for %arg16 = %c0 to %x8 step %c1 {
      %x9 = arith.muli %arg16, %c16_0 : index
      %cst = arith.constant 0.000000e+00 : f32
      %start1 = tile.splat %cst : f32 -> <16x1xf32>
      tile.store %start1, %dw[%x0, %x9, %x7, %c0] : <16x1xf32>, memref<?x?x4x1xf32>
    }
  }
  %c16 = arith.constant 16 : index
  %x10 = arith.ceildivui %length, %c16 : index
  scf.for %arg15 = %c0 to %x10 step %c1 {
    %x11 = arith.muli %arg15, %c16 : index
    %cst = arith.constant 0.000000e+00 : f32
    %start2 = tile.splat %cst : f32 -> <16x8xf32>
    %x12 = arith.muli %x1, %c2 : index
    %x13:2 = scf.for %arg16 = %c0 to %c2 step %c1 iter_args(%arg17 = %start2, %arg18 = %start2) -> (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) {
      %x14 = arith.addi %x12, %arg16 : index
      %x15 = arith.divui %x14, %c2 : index
      %k_tile = tile.load %k[%x0, %x11, %x15, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
      %v_tile = tile.load %v[%x0, %x11, %x15, %c0] : memref<?x?x2x8xf32> -> <16x8xf32>
      %j_tokens = tile.iota %x11 : <1x16xi64>
      %x16 = arith.index_cast %x11 : index to i64
      %c15_i64 = arith.constant 15 : i64
      %x17 = arith.addi %x16, %c15_i64 : i64
      %c1_i64 = arith.constant 1 : i64
      %x18 = arith.index_cast %length : index to i64
      %x19 = arith.subi %x18, %c1_i64 : i64
      %x20 = arith.minsi %x17, %x19 : i64
      %c0_i64 = arith.constant 0 : i64
      %x21 = arith.subi %x16, %c1_i64 : i64
      %x22 = arith.cmpi sle, %x20, %c0_i64 : i64
      %x23 = arith.cmpi slt, %x21, %x16 : i64
      %cst_0 = arith.constant 1.000000e+00 : f32
      %x24 = arith.select %x23, %cst, %cst : f32
      %x25 = arith.select %x22, %cst, %x24 : f32
      %x26 = arith.select %x23, %cst, %cst_0 : f32
      %x27 = arith.select %x22, %cst_0, %x26 : f32
      %x28 = arith.cmpf ole, %cst, %x25 : f32
      %x29 = arith.cmpf ole, %x27, %cst : f32
      %x30 = arith.andi %x29, %x28 : i1
      %x31 = arith.ori %x23, %x30 : i1
      %x32 = arith.cmpf olt, %cst, %x25 : f32
      %x33 = arith.ori %x29, %x31 : i1
      %x34 = arith.andi %x33, %x23 : i1
      %x35 = arith.cmpf olt, %x27, %cst_0 : f32
      %x36 = arith.cmpf ole, %cst_0, %x25 : f32
      %x37 = arith.andi %x32, %x35 : i1
      %x38 = arith.ori %x29, %x36 : i1
      %x39 = arith.andi %x37, %x29 : i1
      %x40 = arith.ori %x39, %x38 : i1
      %x41 = arith.ori %x29, %x40 : i1
      %x42 = arith.andi %x34, %x41 : i1
      %x43 = arith.andi %x42, %x34 : i1
      %x44 = arith.index_cast %x16 : i64 to index
      %x45 = arith.divui %x44, %c16 : index
      %x46 = arith.muli %x45, %c16 : index
      %x47 = arith.select %x43, %x46, %c0 : index
      // Where the sweep begins and ends was found by asking the sets about all that lies before and beyond the held tile.
      %swept:2 = tile.sweep %x47 to %length step 16 iter(%arg17, %arg18) : (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) visit {
      ^bb0(%arg19: index):
        %x48 = arith.index_cast %arg19 : index to i64
        %x49 = arith.addi %x48, %c15_i64 : i64
        %x50 = arith.minsi %x49, %x19 : i64
        %x51 = arith.addi %arg19, %c16 : index
        %x52 = arith.cmpi ule, %x51, %length : index
        %x53 = arith.addi %x11, %c16 : index
        %x54 = arith.cmpi ule, %x53, %length : index
        %x55 = arith.andi %x52, %x54 : i1
        %c0_i32 = arith.constant 0 : i32
        %x56 = arith.cmpi sle, %x20, %x48 : i64
        %x57 = arith.cmpi slt, %x50, %x16 : i64
        %x58 = arith.andi %x55, %x56 : i1
        // The widths of the swept tile bound where its windows reach.
        %w_tile = tile.load %w[%x0, %arg19, %x14, %c0] : memref<?x?x4x1xf32> -> <16x1xf32>
        %i_tokens = tile.iota %arg19 : <16x1xi64>
        %mapped = tile.map(%w_tile, %i_tokens) : (!tile.tile<16x1xf32>, !tile.tile<16x1xi64>) -> !tile.tile<16x1xf32> {
        ^bb0(%arg20: f32, %arg21: i64):
          %x59 = arith.cmpi slt, %arg21, %x18 : i64
          %cst_2 = arith.constant 0x7F800000 : f32
          %x60 = arith.select %x59, %arg20, %cst_2 : f32
          tile.yield %x60 : f32
        }
        // Bounds of what each token chooses, over the tokens that exist: they decide which tiles are visited.
        %lowest = tile.reduce min %mapped : <16x1xf32> -> <1x1xf32>
        %x61 = tile.extract %lowest : <1x1xf32> -> f32
        %mapped1 = tile.map(%w_tile, %i_tokens) : (!tile.tile<16x1xf32>, !tile.tile<16x1xi64>) -> !tile.tile<16x1xf32> {
        ^bb0(%arg20: f32, %arg21: i64):
          %x62 = arith.cmpi slt, %arg21, %x18 : i64
          %cst_2 = arith.constant 0xFF800000 : f32
          %x63 = arith.select %x62, %arg20, %cst_2 : f32
          tile.yield %x63 : f32
        }
        %highest = tile.reduce max %mapped1 : <16x1xf32> -> <1x1xf32>
        %x64 = tile.extract %highest : <1x1xf32> -> f32
        %x65 = arith.subi %x48, %x20 : i64
        %x66 = arith.subi %x50, %x16 : i64
        %x67 = arith.sitofp %x65 : i64 to f32
        %x68 = arith.sitofp %x66 : i64 to f32
        %x69 = arith.subf %x61, %x68 : f32
        %x70 = arith.subf %x64, %x67 : f32
        %cst_1 = arith.constant 4.000000e+00 : f32
        %x71 = arith.divf %x69, %cst_1 : f32
        %x72 = arith.divf %x70, %cst_1 : f32
        %x73 = caa.clip %x71 : f32
        %x74 = caa.clip %x72 : f32
        %x75 = arith.cmpf ole, %cst_0, %x73 : f32
        %x76 = arith.cmpf ole, %x74, %cst_0 : f32
        %x77 = arith.andi %x76, %x75 : i1
        %x78 = arith.andi %x58, %x77 : i1
        %x79 = arith.cmpf ole, %cst, %x73 : f32
        %x80 = arith.cmpf ole, %x74, %cst : f32
        %x81 = arith.andi %x80, %x79 : i1
        %x82 = arith.andi %x56, %x81 : i1
        %x83 = arith.ori %x82, %x57 : i1
        %x84 = arith.ori %x81, %x83 : i1
        %x85 = arith.cmpf ole, %x73, %cst : f32
        %x86 = arith.select %x85, %x73, %cst : f32
        %x87 = arith.select %x57, %cst, %x86 : f32
        %x88 = arith.select %x56, %x73, %x87 : f32
        %x89 = arith.select %x80, %cst, %x74 : f32
        %x90 = arith.select %x57, %cst, %x89 : f32
        %x91 = arith.select %x56, %x74, %x90 : f32
        %x92 = arith.cmpf ole, %cst_0, %x88 : f32
        %x93 = arith.cmpf ole, %x91, %cst_0 : f32
        %x94 = arith.andi %x93, %x92 : i1
        %x95 = arith.andi %x78, %x94 : i1
        %x96 = arith.cmpf olt, %cst, %x88 : f32
        %x97 = arith.cmpf ole, %x91, %cst : f32
        %x98 = arith.andi %x95, %x96 : i1
        %x99 = arith.cmpf olt, %x91, %cst_0 : f32
        %x100 = arith.andi %x98, %x92 : i1
        %x101 = arith.andi %x96, %x99 : i1
        %x102 = arith.ori %x97, %x92 : i1
        %x103 = arith.andi %x100, %x102 : i1
        %c1_i32 = arith.constant 1 : i32
        %x104 = arith.select %x103, %c1_i32, %c0_i32 : i32
        %c-1_i32 = arith.constant -1 : i32
        %x105 = arith.cmpf ole, %cst, %x88 : f32
        %x106 = arith.andi %x97, %x105 : i1
        %x107 = arith.ori %x84, %x106 : i1
        %x108 = arith.ori %x97, %x107 : i1
        %x109 = arith.andi %x108, %x57 : i1
        %x110 = arith.andi %x101, %x97 : i1
        %x111 = arith.ori %x110, %x102 : i1
        %x112 = arith.ori %x97, %x111 : i1
        %x113 = arith.andi %x109, %x112 : i1
        %x114 = arith.andi %x113, %x109 : i1
        %x115 = arith.select %x114, %c-1_i32, %x104 : i32
        tile.visit %x115
      } bodies {
      // Body 0: any tile.
      ^bb0(%arg19: index, %arg20: !tile.tile<16x8xf32>, %arg21: !tile.tile<16x8xf32>):
        %q_tile = tile.load %q[%x0, %arg19, %x14, %c0] : memref<?x?x4x8xf32> -> <16x8xf32>
        %do_tile = tile.load %do[%x0, %arg19, %x14, %c0] : memref<?x?x4x8xf32> -> <16x8xf32>
        %i_tokens1 = tile.iota %arg19 : <16x1xi64>
        %w_tile1 = tile.load %w[%x0, %arg19, %x14, %c0] : memref<?x?x4x1xf32> -> <16x1xf32>
        %lse_near_tile = tile.load %lse_near[%x0, %arg19, %x14, %c0] : memref<?x?x4x1xf32> -> <16x1xf32>
        %g_tile = tile.load %g[%x0, %arg19, %x14, %c0] : memref<?x?x4x1xf32> -> <16x1xf32>
        %tau_tile = tile.load %tau[%x0, %arg19, %x14, %c0] : memref<?x?x4x1xf32> -> <16x1xf32>
        %lse_far_tile = tile.load %lse_far[%x0, %arg19, %x14, %c0] : memref<?x?x4x1xf32> -> <16x1xf32>
        %delta_near_tile = tile.load %delta_near[%x0, %arg19, %x14, %c0] : memref<?x?x4x1xf32> -> <16x1xf32>
        %delta_far_tile = tile.load %delta_far[%x0, %arg19, %x14, %c0] : memref<?x?x4x1xf32> -> <16x1xf32>
        %mapped2 = tile.map(%g_tile) : (!tile.tile<16x1xf32>) -> !tile.tile<16x1xf32> {
        ^bb0(%arg22: f32):
          %x116 = arith.subf %cst_0, %arg22 : f32
          tile.yield %x116 : f32
        }
        %product = tile.dot %q_tile, %k_tile {transposeB} : (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x16xf32>
        %product1 = tile.dot %do_tile, %v_tile {transposeB} : (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x16xf32>
        %mapped3:4 = tile.map(%i_tokens1, %j_tokens, %w_tile1, %lse_near_tile, %product, %g_tile, %delta_near_tile, %product1, %tau_tile, %lse_far_tile, %mapped2, %delta_far_tile) : (!tile.tile<16x1xi64>, !tile.tile<1x16xi64>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x16xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x16xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x16xf32>, !tile.tile<16x16xf32>, !tile.tile<16x16xf32>, !tile.tile<16x16xf32>) {
        ^bb0(%arg22: i64, %arg23: i64, %arg24: f32, %arg25: f32, %arg26: f32, %arg27: f32, %arg28: f32, %arg29: f32, %arg30: f32, %arg31: f32, %arg32: f32, %arg33: f32):
          %x117 = arith.cmpi slt, %arg22, %x18 : i64
          %x118 = arith.cmpi slt, %arg23, %x18 : i64
          %x119 = arith.andi %x117, %x118 : i1
          %x120 = arith.cmpi sle, %arg23, %arg22 : i64
          %cst_1 = arith.constant 2.500000e-01 : f32
          %x121 = arith.subi %arg22, %arg23 : i64
          %x122 = arith.sitofp %x121 : i64 to f32
          %x123 = arith.subf %arg24, %x122 : f32
          %x124 = arith.mulf %x123, %cst_1 : f32
          %x125 = caa.clip %x124 : f32
          %x126 = arith.select %x120, %x125, %cst : f32
          %x127 = arith.cmpf ogt, %x126, %cst : f32
          %x128 = arith.mulf %arg26, %cst_1 : f32
          %x129 = arith.subf %x128, %arg25 : f32
          %x130 = math.exp %x129 : f32
          %x131 = arith.mulf %x130, %arg27 : f32
          %x132 = arith.select %x127, %x131, %cst : f32
          %x133 = arith.mulf %x132, %x126 : f32
          %x134 = arith.subf %arg29, %arg28 : f32
          %x135 = arith.mulf %x133, %x134 : f32
          %x136 = arith.cmpf oge, %x128, %arg30 : f32
          %x137 = arith.andi %x120, %x136 : i1
          %x138 = arith.subf %x128, %arg31 : f32
          %x139 = math.exp %x138 : f32
          %x140 = arith.mulf %x139, %arg32 : f32
          %x141 = arith.select %x137, %x140, %cst : f32
          %x142 = arith.subf %arg29, %arg33 : f32
          %x143 = arith.mulf %x141, %x142 : f32
          %x144 = arith.addf %x135, %x143 : f32
          %x145 = arith.mulf %x144, %cst_1 : f32
          %x146 = arith.select %x119, %x145, %cst : f32
          %x147 = arith.cmpf olt, %x126, %cst_0 : f32
          %x148 = arith.andi %x127, %x147 : i1
          %x149 = arith.mulf %x132, %x134 : f32
          %x150 = arith.mulf %x149, %cst_1 : f32
          %x151 = arith.select %x148, %x150, %cst : f32
          %x152 = arith.select %x119, %x151, %cst : f32
          %x153 = arith.addf %x133, %x141 : f32
          %x154 = arith.select %x119, %x153, %cst : f32
          tile.yield %x146, %x152, %x146, %x154 : f32, f32, f32, f32
        }
        %weighted = tile.dot %mapped3#0, %k_tile : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
        tile.store %weighted, %dq[%x0, %arg19, %x14, %c0] : <16x8xf32>, memref<?x?x4x8xf32> {accumulate}
        %sum = tile.reduce add %mapped3#1 : <16x16xf32> -> <16x1xf32>
        tile.store %sum, %dw[%x0, %arg19, %x14, %c0] : <16x1xf32>, memref<?x?x4x1xf32> {accumulate}
        %weighted1 = tile.dot %mapped3#2, %q_tile add %arg20 {transposeA} : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
        %weighted2 = tile.dot %mapped3#3, %do_tile add %arg21 {transposeA} : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
        tile.next %weighted1, %weighted2 : !tile.tile<16x8xf32>, !tile.tile<16x8xf32>
      }, {
      // Body 1: what most tiles know of themselves.
      ^bb0(%arg19: index, %arg20: !tile.tile<16x8xf32>, %arg21: !tile.tile<16x8xf32>):
        %q_tile1 = tile.load %q[%x0, %arg19, %x14, %c0] : memref<?x?x4x8xf32> -> <16x8xf32>
        %do_tile1 = tile.load %do[%x0, %arg19, %x14, %c0] : memref<?x?x4x8xf32> -> <16x8xf32>
        %lse_near_tile1 = tile.load %lse_near[%x0, %arg19, %x14, %c0] : memref<?x?x4x1xf32> -> <16x1xf32>
        %g_tile1 = tile.load %g[%x0, %arg19, %x14, %c0] : memref<?x?x4x1xf32> -> <16x1xf32>
        %tau_tile1 = tile.load %tau[%x0, %arg19, %x14, %c0] : memref<?x?x4x1xf32> -> <16x1xf32>
        %lse_far_tile1 = tile.load %lse_far[%x0, %arg19, %x14, %c0] : memref<?x?x4x1xf32> -> <16x1xf32>
        %delta_near_tile1 = tile.load %delta_near[%x0, %arg19, %x14, %c0] : memref<?x?x4x1xf32> -> <16x1xf32>
        %delta_far_tile1 = tile.load %delta_far[%x0, %arg19, %x14, %c0] : memref<?x?x4x1xf32> -> <16x1xf32>
        %mapped4 = tile.map(%g_tile1) : (!tile.tile<16x1xf32>) -> !tile.tile<16x1xf32> {
        ^bb0(%arg22: f32):
          %x155 = arith.subf %cst_0, %arg22 : f32
          tile.yield %x155 : f32
        }
        %product2 = tile.dot %q_tile1, %k_tile {transposeB} : (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x16xf32>
        %product3 = tile.dot %do_tile1, %v_tile {transposeB} : (!tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x16xf32>
        %mapped5:2 = tile.map(%lse_near_tile1, %product2, %g_tile1, %delta_near_tile1, %product3, %tau_tile1, %lse_far_tile1, %mapped4, %delta_far_tile1) : (!tile.tile<16x1xf32>, !tile.tile<16x16xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x16xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>, !tile.tile<16x1xf32>) -> (!tile.tile<16x16xf32>, !tile.tile<16x16xf32>) {
        ^bb0(%arg22: f32, %arg23: f32, %arg24: f32, %arg25: f32, %arg26: f32, %arg27: f32, %arg28: f32, %arg29: f32, %arg30: f32):
          %cst_1 = arith.constant 2.500000e-01 : f32
          %x156 = arith.mulf %arg23, %cst_1 : f32
          %x157 = arith.subf %x156, %arg22 : f32
          %x158 = math.exp %x157 : f32
          %x159 = arith.mulf %x158, %arg24 : f32
          %x160 = arith.subf %arg26, %arg25 : f32
          %x161 = arith.mulf %x159, %x160 : f32
          %x162 = arith.cmpf oge, %x156, %arg27 : f32
          %x163 = arith.subf %x156, %arg28 : f32
          %x164 = math.exp %x163 : f32
          %x165 = arith.mulf %x164, %arg29 : f32
          %x166 = arith.select %x162, %x165, %cst : f32
          %x167 = arith.subf %arg26, %arg30 : f32
          %x168 = arith.mulf %x166, %x167 : f32
          %x169 = arith.addf %x161, %x168 : f32
          %x170 = arith.mulf %x169, %cst_1 : f32
          %x171 = arith.addf %x159, %x166 : f32
          tile.yield %x170, %x171 : f32, f32
        }
        %weighted3 = tile.dot %mapped5#0, %k_tile : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
        tile.store %weighted3, %dq[%x0, %arg19, %x14, %c0] : <16x8xf32>, memref<?x?x4x8xf32> {accumulate}
        %weighted4 = tile.dot %mapped5#0, %q_tile1 add %arg20 {transposeA} : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
        %weighted5 = tile.dot %mapped5#1, %do_tile1 add %arg21 {transposeA} : (!tile.tile<16x16xf32>, !tile.tile<16x8xf32>, !tile.tile<16x8xf32>) -> !tile.tile<16x8xf32>
        tile.next %weighted4, %weighted5 : !tile.tile<16x8xf32>, !tile.tile<16x8xf32>
      }
      scf.yield %swept#0, %swept#1 : !tile.tile<16x8xf32>, !tile.tile<16x8xf32>
    }
    %x172 = arith.divui %x12, %c2 : index
    tile.store %x13#0, %dk[%x0, %x11, %x172, %c0] : <16x8xf32>, memref<?x?x2x8xf32>
    tile.store %x13#1, %dv[%x0, %x11, %x172, %c0] : <16x8xf32>, memref<?x?x2x8xf32>
  }
  return
}
