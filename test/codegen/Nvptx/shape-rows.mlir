// What caa-shape-rows makes of kernels that suit a CPU.
// RUN: caa-opt --caa-shape-rows %s | FileCheck %s

// Sums that are added to memory in every round are carried, and added once.
// CHECK-LABEL: func.func @partials(
// CHECK:       %[[ZERO:.*]] = tile.splat %{{.*}} : f32 -> <8x64xf32>
// CHECK:       %[[SUM:.*]] = scf.for {{.*}} iter_args(%[[CARRIED:.*]] = %[[ZERO]]) -> (!tile.tile<8x64xf32>)
// CHECK:         %[[ROWS:.*]] = tile.load
// CHECK:         %[[NEXT:.*]] = tile.map(%[[CARRIED]], %[[ROWS]])
// CHECK-NOT:     tile.store
// CHECK:         scf.yield %[[NEXT]]
// CHECK:       }
// CHECK:       %[[TOTAL:.*]] = tile.reduce add %[[SUM]] : <8x64xf32> -> <1x64xf32>
// CHECK:       tile.store %[[TOTAL]], %arg1[%{{.*}}] : <1x64xf32>, memref<?x1x64xf32> {accumulate}
func.func @partials(%x: memref<?x1x64xf32>, %y: memref<?x1x64xf32>) attributes {tile.kernel, tile.grid = [#tile.term<1, rows = 1, divisor = 64>]} {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %c64 = arith.constant 64 : index
  %item = tile.item
  %first = arith.muli %item, %c64 : index
  %end = arith.addi %first, %c64 : index
  scf.for %row = %first to %end step %c8 {
    %a = tile.load %x[%row, %c0, %c0] : memref<?x1x64xf32> -> <8x64xf32>
    %sum = tile.reduce add %a : <8x64xf32> -> <1x64xf32>
    tile.store %sum, %y[%item, %c0, %c0] : <1x64xf32>, memref<?x1x64xf32> {accumulate}
  }
  return
}

// Where the place moves with the loop, or the loop reads it, nothing changes.
// CHECK-LABEL: func.func @moving(
// CHECK:       scf.for
// CHECK-NOT:   iter_args
// CHECK:         tile.store {{.*}} {accumulate}
// CHECK-NEXT:    tile.store {{.*}} {accumulate}
// CHECK-NEXT:    tile.load
func.func @moving(%x: memref<?x1x64xf32>, %y: memref<?x1x64xf32>) attributes {tile.kernel, tile.grid = [#tile.term<1>]} {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %c64 = arith.constant 64 : index
  scf.for %row = %c0 to %c64 step %c8 {
    %a = tile.load %x[%row, %c0, %c0] : memref<?x1x64xf32> -> <8x64xf32>
    %sum = tile.reduce add %a : <8x64xf32> -> <1x64xf32>
    tile.store %sum, %y[%row, %c0, %c0] : <1x64xf32>, memref<?x1x64xf32> {accumulate}
    tile.store %sum, %x[%c0, %c0, %c0] : <1x64xf32>, memref<?x1x64xf32> {accumulate}
    %b = tile.load %x[%c0, %c0, %c0] : memref<?x1x64xf32> -> <1x64xf32>
    tile.store %b, %y[%row, %c0, %c0] : <1x64xf32>, memref<?x1x64xf32>
  }
  return
}

// Single rows are taken many at once; rows past the buffer's end are left out.
// CHECK-LABEL: func.func @sum(
// CHECK-SAME:  memref<?x1x64xf32> {caa.chunk = 64 : i64}
// CHECK:       %[[STEP:.*]] = arith.constant 64 : index
// CHECK:       scf.for %{{.*}} step %[[STEP]]
// CHECK:         %[[MANY:.*]] = tile.load {{.*}} -> <64x64xf32>
// CHECK:         %[[KEPT:.*]] = tile.map(%[[MANY]], {{.*}}
// CHECK:         tile.reduce add %[[KEPT]] : <64x64xf32> -> <1x64xf32>
func.func @sum(%x: memref<?x1x64xf32>, %y: memref<64xf32>) attributes {tile.kernel, tile.grid = [#tile.term<1>]} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %rows = tile.extent rows
  %chunks = arith.ceildivui %rows, %c64 : index
  %zero = arith.constant 0.0 : f32
  %none = tile.splat %zero : f32 -> <1x64xf32>
  %total = scf.for %row = %c0 to %chunks step %c1 iter_args(%carried = %none) -> (!tile.tile<1x64xf32>) {
    %a = tile.load %x[%row, %c0, %c0] : memref<?x1x64xf32> -> <1x64xf32>
    %next = tile.map(%carried, %a) : (!tile.tile<1x64xf32>, !tile.tile<1x64xf32>) -> !tile.tile<1x64xf32> {
    ^bb0(%p: f32, %q: f32):
      %s = arith.addf %p, %q : f32
      tile.yield %s : f32
    }
    scf.yield %next : !tile.tile<1x64xf32>
  }
  tile.store %total, %y[%c0] : <1x64xf32>, memref<64xf32> {accumulate}
  return
}

// The gradient of a table is cut into slabs of 128 rows.
// CHECK-LABEL: func.func @table(
// CHECK-SAME:  tile.grid = [#tile.term<4>]
func.func @table(%tokens: memref<?x1x1xi32>, %gradient: memref<?x1x64xf32>, %table: memref<500x64xf32>) attributes {tile.kernel, tile.grid = [#tile.term<1>]} {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %rows = tile.extent rows
  scf.for %row = %c0 to %rows step %c64 {
    %token = tile.load %tokens[%row, %c0, %c0] : memref<?x1x1xi32> -> <64x1xi32>
    %tile = tile.load %gradient[%row, %c0, %c0] : memref<?x1x64xf32> -> <64x64xf32>
    tile.scatter_add %tile, %table[%token, %c0] count %rows : <64x64xf32>, memref<500x64xf32>, <64x1xi32>
  }
  return
}
