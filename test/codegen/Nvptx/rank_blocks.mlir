// A ranking of one score per row and block of keys, made from positions: no product is taken. The scores become classes in turn, and one
// lane of the four that share a row lists them.
// RUN: tile-to-ptx %s --target=sm_80 --assemble | FileCheck %s
// RUN: tile-to-ptx %s --target=sm_90a --assemble | FileCheck %s

// CHECK: .entry blocks
// CHECK-NOT: mma.sync
// CHECK: cvt.rz.bf16x2.f32
// CHECK: max.bf16x2
// CHECK: @%exceeds st.shared.f32
// CHECK: // launch: {{.*}}"name":"blocks"
// CHECK: // ptxas: blocks {{[0-9]+}} registers
func.func @blocks(%counts: memref<?x?x1x1xi64>, %out: memref<?x?x1x1xf32>)
    attributes {tile.kernel, tile.grid = [#tile.term<1, batch = 1, length = 1, lengthDivisor = 32>]} {
  %length = tile.extent length
  %item = tile.item
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %tiles = arith.ceildivui %length, %c32 : index
  %tile = arith.remui %item, %tiles : index
  %batch = arith.divui %item, %tiles : index
  %start = arith.muli %tile, %c32 : index
  %queries = tile.iota %start : <32x1xi64>
  %wanted = tile.load %counts[%batch, %start, %c0, %c0] : memref<?x?x1x1xi64> -> <32x1xi64>
  %empty = tile.ranking : <32>
  %filled = tile.sweep %c0 to %length step 16 iter(%empty) : (!tile.ranking<32>) -> !tile.ranking<32> visit {
  ^bb0(%p: index):
    %body = arith.constant 0 : i32
    tile.visit %body
  } bodies {
  ^bb0(%p: index, %ranking: !tile.ranking<32>):
    %block = arith.index_cast %p : index to i64
    %scores:2 = tile.map(%queries) : (!tile.tile<32x1xi64>) -> (!tile.tile<32x1xf32>, !tile.tile<32x1xi1>) {
    ^bb0(%i: i64):
      %difference = arith.subi %i, %block : i64
      %score = arith.sitofp %difference : i64 to f32
      %member = arith.cmpi sle, %block, %i : i64
      tile.yield %score, %member : f32, i1
    }
    %next = tile.rank %ranking, %scores#0 where %scores#1 : (!tile.ranking<32>, !tile.tile<32x1xf32>, !tile.tile<32x1xi1>) -> !tile.ranking<32>
    tile.next %next : !tile.ranking<32>
  }
  %threshold = tile.threshold %filled, %wanted : (!tile.ranking<32>, !tile.tile<32x1xi64>) -> !tile.tile<32x1xf32>
  tile.store %threshold, %out[%batch, %start, %c0, %c0] : <32x1xf32>, memref<?x?x1x1xf32>
  return
}
