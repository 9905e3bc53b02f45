// The threshold of an exact top-k on a GPU: maxima of classes of keys in registers, then lists in shared memory.
// RUN: tile-to-ptx %s --target=sm_80 --assemble | FileCheck %s
// RUN: tile-to-ptx %s --target=sm_90a --assemble | FileCheck %s

// CHECK: .entry kth
// The first sweep keeps pairs of scores, rounded.
// CHECK: cvt.rz.bf16x2.f32
// CHECK: max.bf16x2
// The second one lists what exceeds the bound, without a branch.
// CHECK: setp.gt.f32 %exceeds
// CHECK: @%exceeds st.shared.f32
// CHECK: // launch: {{.*}}"name":"kth"
// CHECK: // ptxas: kth {{[0-9]+}} registers, 0 bytes spilled

func.func private @kth(%arg0: memref<?x?x8x64xbf16>, %arg1: memref<?x?x1x1xi64>, %arg2: memref<?x?x8x64xbf16>, %arg3: memref<?x?x8x1xf32>) attributes {tile.flops = 0x4160000000000000 : f64, tile.grid = [#tile.term<8, batch = 1, length = 1, lengthDivisor = 128>], tile.kernel, tile.keys = 64 : i64, tile.queries = 128 : i64} {
  %0 = tile.extent length
  %1 = tile.item
  %c128 = arith.constant 128 : index
  %2 = arith.ceildivui %0, %c128 : index
  %3 = arith.remui %1, %2 : index
  %4 = arith.divui %1, %2 : index
  %c8 = arith.constant 8 : index
  %5 = arith.remui %4, %c8 : index
  %6 = arith.divui %4, %c8 : index
  %7 = arith.muli %3, %c128 : index
  %8 = tile.ranking : <128>
  %c0 = arith.constant 0 : index
  %9 = tile.load %arg0[%6, %7, %5, %c0] : memref<?x?x8x64xbf16> -> <128x64xbf16>
  %10 = tile.iota %7 : <128x1xi64>
  %11 = tile.load %arg1[%6, %7, %c0, %c0] : memref<?x?x1x1xi64> -> <128x1xi64>
  %12 = arith.index_cast %7 : index to i64
  %c127_i64 = arith.constant 127 : i64
  %13 = arith.addi %12, %c127_i64 : i64
  %c1_i64 = arith.constant 1 : i64
  %14 = arith.index_cast %0 : index to i64
  %15 = arith.subi %14, %c1_i64 : i64
  %16 = arith.minsi %13, %15 : i64
  %17 = arith.addi %16, %c1_i64 : i64
  %18 = arith.index_cast %17 : i64 to index
  %19 = arith.cmpi slt, %16, %17 : i64
  %20 = arith.select %19, %18, %0 : index
  %c0_i64 = arith.constant 0 : i64
  %21 = arith.cmpi slt, %16, %c0_i64 : i64
  %c64 = arith.constant 64 : index
  %22 = arith.index_cast %12 : i64 to index
  %23 = arith.divui %22, %c64 : index
  %24 = arith.muli %23, %c64 : index
  %25 = arith.select %21, %24, %c0 : index
  %26 = tile.sweep %25 to %20 step 64 iter(%8) : (!tile.ranking<128>) -> !tile.ranking<128> visit {
  ^bb0(%arg4: index):
    %28 = arith.index_cast %arg4 : index to i64
    %c63_i64 = arith.constant 63 : i64
    %29 = arith.addi %28, %c63_i64 : i64
    %30 = arith.minsi %29, %15 : i64
    %31 = arith.addi %arg4, %c64 : index
    %32 = arith.cmpi ule, %31, %0 : index
    %c0_i32 = arith.constant 0 : i32
    %33 = arith.cmpi sle, %30, %12 : i64
    %34 = arith.cmpi slt, %16, %28 : i64
    %35 = arith.andi %32, %33 : i1
    %c1_i32 = arith.constant 1 : i32
    %36 = arith.select %35, %c1_i32, %c0_i32 : i32
    %c-1_i32 = arith.constant -1 : i32
    %37 = arith.select %34, %c-1_i32, %36 : i32
    tile.visit %37
  } bodies {
  ^bb0(%arg4: index, %arg5: !tile.ranking<128>):
    %28 = tile.load %arg2[%6, %arg4, %5, %c0] : memref<?x?x8x64xbf16> -> <64x64xbf16>
    %29 = tile.iota %arg4 : <1x64xi64>
    %30 = tile.dot %9, %28 {transposeB} : (!tile.tile<128x64xbf16>, !tile.tile<64x64xbf16>) -> !tile.tile<128x64xf32>
    %31:2 = tile.map(%29, %10, %30) : (!tile.tile<1x64xi64>, !tile.tile<128x1xi64>, !tile.tile<128x64xf32>) -> (!tile.tile<128x64xf32>, !tile.tile<128x64xi1>) {
    ^bb0(%arg6: i64, %arg7: i64, %arg8: f32):
      %33 = arith.cmpi slt, %arg6, %14 : i64
      %34 = arith.cmpi sle, %arg6, %arg7 : i64
      %cst = arith.constant 1.250000e-01 : f32
      %35 = arith.mulf %arg8, %cst : f32
      %36 = arith.andi %34, %33 : i1
      tile.yield %35, %36 : f32, i1
    }
    %32 = tile.rank %arg5, %31#0 where %31#1 : (!tile.ranking<128>, !tile.tile<128x64xf32>, !tile.tile<128x64xi1>) -> !tile.ranking<128>
    tile.next %32 : !tile.ranking<128>
  }, {
  ^bb0(%arg4: index, %arg5: !tile.ranking<128>):
    %28 = tile.load %arg2[%6, %arg4, %5, %c0] : memref<?x?x8x64xbf16> -> <64x64xbf16>
    %29 = tile.dot %9, %28 {transposeB} : (!tile.tile<128x64xbf16>, !tile.tile<64x64xbf16>) -> !tile.tile<128x64xf32>
    %30 = tile.map(%29) : (!tile.tile<128x64xf32>) -> !tile.tile<128x64xf32> {
    ^bb0(%arg6: f32):
      %cst = arith.constant 1.250000e-01 : f32
      %32 = arith.mulf %arg6, %cst : f32
      tile.yield %32 : f32
    }
    %31 = tile.rank %arg5, %30 : (!tile.ranking<128>, !tile.tile<128x64xf32>) -> !tile.ranking<128>
    tile.next %31 : !tile.ranking<128>
  }
  %27 = tile.threshold %26, %11 : (!tile.ranking<128>, !tile.tile<128x1xi64>) -> !tile.tile<128x1xf32>
  tile.store %27, %arg3[%6, %7, %5, %c0] : <128x1xf32>, memref<?x?x8x1xf32>
  return
}

