// Kernels without products: vectors of 16 bytes, reductions by shuffles and shared memory, no branch around a load.
// RUN: tile-to-ptx %s --target=sm_80 | FileCheck %s
// RUN: tile-to-ptx %s --target=sm_90a | FileCheck %s

// Four rows of 64 threads, each of which holds eight columns; rows past the end read the last row and count as zero.
// CHECK-LABEL: .entry normalize(
// CHECK:       .maxntid 256, 1, 1
// CHECK:       min.s64
// CHECK:       ld.global.nc.v4.b32
// CHECK:       shfl.sync.bfly.b32 {{.*}}, 1, 31, -1
// CHECK:       shfl.sync.bfly.b32 {{.*}}, 16, 31, -1
// CHECK:       st.shared.b32
// CHECK:       bar.sync
// CHECK:       ld.shared.b32
// CHECK:       cvt.rn.bf16x2.f32
// CHECK:       st.global.v4.b32
func.func @normalize(%x: memref<?x1x512xbf16>, %y: memref<?x1x512xbf16>) attributes {tile.kernel, tile.grid = [#tile.term<1, rows = 1, divisor = 4>]} {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %item = tile.item
  %row = arith.muli %item, %c4 : index
  %a = tile.load %x[%row, %c0, %c0] : memref<?x1x512xbf16> -> <4x512xbf16>
  %squares = tile.map(%a) : (!tile.tile<4x512xbf16>) -> !tile.tile<4x512xf32> {
  ^bb0(%p: bf16):
    %wide = arith.extf %p : bf16 to f32
    %square = arith.mulf %wide, %wide : f32
    tile.yield %square : f32
  }
  %sum = tile.reduce add %squares : <4x512xf32> -> <4x1xf32>
  %b = tile.map(%a, %sum) : (!tile.tile<4x512xbf16>, !tile.tile<4x1xf32>) -> !tile.tile<4x512xbf16> {
  ^bb0(%p: bf16, %s: f32):
    %wide = arith.extf %p : bf16 to f32
    %factor = math.rsqrt %s : f32
    %scaled = arith.mulf %wide, %factor : f32
    %narrow = arith.truncf %scaled : f32 to bf16
    tile.yield %narrow : bf16
  }
  tile.store %b, %y[%row, %c0, %c0] : <4x512xbf16>, memref<?x1x512xbf16>
  return
}

// Sixteen small items share a block, each done by 16 threads; more items than teams take turns.
// CHECK-LABEL: .entry small(
// CHECK:       .maxntid 256, 1, 1
// CHECK:       %nctaid.x
// CHECK:       ld.global.nc.v4.b32
// CHECK:       st.global.v4.b32
// CHECK:       setp.{{lt|gt|le|ge}}.s64
// CHECK:       bra
func.func @small(%x: memref<1x262144xbf16>, %y: memref<1x262144xbf16>) attributes {tile.kernel, tile.grid = [#tile.term<2048>]} {
  %c0 = arith.constant 0 : index
  %c128 = arith.constant 128 : index
  %item = tile.item
  %column = arith.muli %item, %c128 : index
  %a = tile.load %x[%c0, %column] : memref<1x262144xbf16> -> <1x128xbf16>
  tile.store %a, %y[%c0, %column] : <1x128xbf16>, memref<1x262144xbf16>
  return
}

// A width that allows no vectors, and none of whole turns: eight bytes at most, and the threads past the end do not store.
// CHECK-LABEL: .entry odd(
// CHECK-NOT:   ld.global.nc.v4
// CHECK:       ld.global.nc.b16
// CHECK-NOT:   st.global.v
// CHECK:       st.global.b16
func.func @odd(%x: memref<?x1x75xbf16>, %y: memref<?x1x75xbf16>) attributes {tile.kernel, tile.grid = [#tile.term<1, rows = 1, divisor = 4>]} {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %item = tile.item
  %row = arith.muli %item, %c4 : index
  %a = tile.load %x[%row, %c0, %c0] : memref<?x1x75xbf16> -> <4x75xbf16>
  tile.store %a, %y[%row, %c0, %c0] : <4x75xbf16>, memref<?x1x75xbf16>
  return
}

// CHECK:      // launch: {"blocks_per_sm":0,{{.*}}"name":"normalize",{{.*}}"threads":256}
// CHECK-NEXT: // launch: {"blocks_per_sm":8,{{.*}}"name":"small",{{.*}}"threads":256}
