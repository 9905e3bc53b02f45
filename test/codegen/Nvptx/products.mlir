// Kernels with products for sm_80: swept tiles by cp.async, products by mma.sync on fragments, nothing in local memory.
// RUN: tile-to-ptx %s --target=sm_80 --only=attention | FileCheck %s --check-prefix=ATTENTION
// RUN: tile-to-ptx %s --target=sm_80 --only=attention | FileCheck %s --check-prefix=WAIT
// RUN: tile-to-ptx %s --target=sm_80 --only=exact | FileCheck %s --check-prefix=EXACT
// RUN: tile-to-ptx %s --target=sm_80 --only=narrow | FileCheck %s --check-prefix=NARROW

// A warp has 32 rows of 128. Of the scores: 8 blocks of columns, 4 steps of 16 along the width, 2 strips; of the output as many. A
// row's maximum and sum are those of its registers, then of its four lanes.
// ATTENTION-LABEL: .entry attention
// ATTENTION: .maxntid 128
// ATTENTION-NOT: .local
// ATTENTION-COUNT-8: cp.async.cg.shared.global
// ATTENTION: cp.async.commit_group
// ATTENTION-COUNT-64: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
// ATTENTION-COUNT-8: shfl.sync.bfly.b32
// ATTENTION: ex2.approx.ftz.f32
// ATTENTION: cvt.rn.bf16x2.f32
// ATTENTION: ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
// ATTENTION-COUNT-64: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
// ATTENTION-NOT: mma.sync
// ATTENTION-NOT: .local
// ATTENTION: st.global
// ATTENTION: launch: {{.*}}"shared":55296

// All threads wait for the copies of a stage, and for each other.
// WAIT: cp.async.wait_group 0
// WAIT: bar.sync 0
func.func @attention(%q: memref<?x?x4x64xbf16>, %k: memref<?x?x2x64xbf16>, %v: memref<?x?x2x64xbf16>, %out: memref<?x?x4x64xbf16>)
    attributes {tile.kernel, tile.grid = [#tile.term<4, batch = 1, length = 1, lengthDivisor = 128>]} {
  %length = tile.extent length
  %item = tile.item
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %c128 = arith.constant 128 : index
  %lowest = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  %tiles = arith.ceildivui %length, %c128 : index
  %tile = arith.remui %item, %tiles : index
  %rest = arith.divui %item, %tiles : index
  %head = arith.remui %rest, %c4 : index
  %batch = arith.divui %rest, %c4 : index
  %start = arith.muli %tile, %c128 : index
  %q_tile = tile.load %q[%batch, %start, %head, %c0] : memref<?x?x4x64xbf16> -> <128x64xbf16>
  %m0 = tile.splat %lowest : f32 -> <128x1xf32>
  %l0 = tile.splat %zero : f32 -> <128x1xf32>
  %o0 = tile.splat %zero : f32 -> <128x64xf32>
  %swept:3 = tile.sweep %c0 to %length step 64 iter(%m0, %l0, %o0) : (!tile.tile<128x1xf32>, !tile.tile<128x1xf32>, !tile.tile<128x64xf32>) -> (!tile.tile<128x1xf32>, !tile.tile<128x1xf32>, !tile.tile<128x64xf32>) visit {
  ^bb0(%p: index):
    %body = arith.constant 0 : i32
    tile.visit %body
  } bodies {
  ^bb0(%p: index, %m: !tile.tile<128x1xf32>, %l: !tile.tile<128x1xf32>, %o: !tile.tile<128x64xf32>):
    %serving = arith.divui %head, %c2 : index
    %k_tile = tile.load %k[%batch, %p, %serving, %c0] : memref<?x?x2x64xbf16> -> <64x64xbf16>
    %v_tile = tile.load %v[%batch, %p, %serving, %c0] : memref<?x?x2x64xbf16> -> <64x64xbf16>
    %s = tile.dot %q_tile, %k_tile {transposeB} : (!tile.tile<128x64xbf16>, !tile.tile<64x64xbf16>) -> !tile.tile<128x64xf32>
    %highest = tile.reduce max %s : <128x64xf32> -> <128x1xf32>
    %moved:2 = tile.map(%m, %highest) : (!tile.tile<128x1xf32>, !tile.tile<128x1xf32>) -> (!tile.tile<128x1xf32>, !tile.tile<128x1xf32>) {
    ^bb0(%a: f32, %b: f32):
      %now = arith.maximumf %a, %b : f32
      %difference = arith.subf %a, %now : f32
      %factor = math.exp %difference : f32
      tile.yield %now, %factor : f32, f32
    }
    %e:2 = tile.map(%s, %moved#0) : (!tile.tile<128x64xf32>, !tile.tile<128x1xf32>) -> (!tile.tile<128x64xf32>, !tile.tile<128x64xbf16>) {
    ^bb0(%a: f32, %b: f32):
      %difference = arith.subf %a, %b : f32
      %weight = math.exp %difference : f32
      %rounded = arith.truncf %weight : f32 to bf16
      tile.yield %weight, %rounded : f32, bf16
    }
    %sum = tile.reduce add %e#0 : <128x64xf32> -> <128x1xf32>
    %next = tile.map(%l, %moved#1, %sum) : (!tile.tile<128x1xf32>, !tile.tile<128x1xf32>, !tile.tile<128x1xf32>) -> !tile.tile<128x1xf32> {
    ^bb0(%a: f32, %b: f32, %c: f32):
      %shrunk = arith.mulf %a, %b : f32
      %more = arith.addf %shrunk, %c : f32
      tile.yield %more : f32
    }
    %shrunk = tile.map(%o, %moved#1) : (!tile.tile<128x64xf32>, !tile.tile<128x1xf32>) -> !tile.tile<128x64xf32> {
    ^bb0(%a: f32, %b: f32):
      %product = arith.mulf %a, %b : f32
      tile.yield %product : f32
    }
    %weighted = tile.dot %e#1, %v_tile add %shrunk : (!tile.tile<128x64xbf16>, !tile.tile<64x64xbf16>, !tile.tile<128x64xf32>) -> !tile.tile<128x64xf32>
    tile.next %moved#0, %next, %weighted : !tile.tile<128x1xf32>, !tile.tile<128x1xf32>, !tile.tile<128x64xf32>
  }
  %result = tile.map(%swept#2, %swept#1) : (!tile.tile<128x64xf32>, !tile.tile<128x1xf32>) -> !tile.tile<128x64xbf16> {
  ^bb0(%a: f32, %b: f32):
    %quotient = arith.divf %a, %b : f32
    %rounded = arith.truncf %quotient : f32 to bf16
    tile.yield %rounded : bf16
  }
  tile.store %result, %out[%batch, %start, %head, %c0] : <128x64xbf16>, memref<?x?x4x64xbf16>
  return
}

// f32 operands: three products of tf32 parts for each of 4 blocks and 2 steps of 8.
// EXACT-LABEL: .entry exact
// EXACT: .maxntid 64
// EXACT-COUNT-24: mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
// EXACT-NOT: mma.sync
func.func @exact(%a: memref<?x?x1x16xf32>, %b: memref<?x?x1x16xf32>, %out: memref<?x?x1x32xf32>)
    attributes {tile.kernel, tile.grid = [#tile.term<1, batch = 1>]} {
  %item = tile.item
  %c0 = arith.constant 0 : index
  %a_tile = tile.load %a[%item, %c0, %c0, %c0] : memref<?x?x1x16xf32> -> <32x16xf32>
  %b_tile = tile.load %b[%item, %c0, %c0, %c0] : memref<?x?x1x16xf32> -> <32x16xf32>
  %s = tile.dot %a_tile, %b_tile {transposeB} : (!tile.tile<32x16xf32>, !tile.tile<32x16xf32>) -> !tile.tile<32x32xf32>
  tile.store %s, %out[%item, %c0, %c0, %c0] : <32x32xf32>, memref<?x?x1x32xf32>
  return
}

// A width of 24 fills two steps of 16; shared memory is cleared first, since the columns behind it count as zeros.
// NARROW-LABEL: .entry narrow
// NARROW: st.shared.v4
// NARROW: bar.sync 0
// NARROW: cp.async.cg
// NARROW-COUNT-8: mma.sync.aligned.m16n8k16
// NARROW-NOT: mma.sync
func.func @narrow(%a: memref<?x?x1x24xbf16>, %b: memref<?x?x1x24xbf16>, %out: memref<?x?x1x32xf32>)
    attributes {tile.kernel, tile.grid = [#tile.term<1, batch = 1>]} {
  %item = tile.item
  %c0 = arith.constant 0 : index
  %a_tile = tile.load %a[%item, %c0, %c0, %c0] : memref<?x?x1x24xbf16> -> <32x24xbf16>
  %b_tile = tile.load %b[%item, %c0, %c0, %c0] : memref<?x?x1x24xbf16> -> <32x24xbf16>
  %s = tile.dot %a_tile, %b_tile {transposeB} : (!tile.tile<32x24xbf16>, !tile.tile<32x24xbf16>) -> !tile.tile<32x32xf32>
  tile.store %s, %out[%item, %c0, %c0, %c0] : <32x32xf32>, memref<?x?x1x32xf32>
  return
}
