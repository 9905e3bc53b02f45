// The shape of a lowered kernel: its type, its scratch, vectors of the target's width, no call.
// RUN: caa-opt --tile-to-cpu=vector-bits=512 %s | FileCheck %s --check-prefixes=CHECK,WIDE
// RUN: caa-opt --tile-to-cpu=vector-bits=256 %s | FileCheck %s --check-prefixes=CHECK,NARROW

// WIDE:       llvm.func @softmax_avx512(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: !llvm.ptr {llvm.align = 64 : i64})
// NARROW:     llvm.func @softmax_avx2(
// In scratch: the row where it would lie past the end, its exponentials, the maximum and the sum.
// CHECK-SAME: tile.scratch = [#tile.term<640>]
// WIDE:       llvm.load %{{.*}} : !llvm.ptr -> vector<16xf32>
// NARROW:     llvm.load %{{.*}} : !llvm.ptr -> vector<8xf32>
// WIDE:       llvm.x86.avx512.mask.scalef.ps.512
// CHECK-NOT:  llvm.call @
// CHECK:      llvm.return
func.func @softmax(%x: memref<?x1x64xf32>, %y: memref<?x1x64xf32>) attributes {tile.kernel, tile.grid = [#tile.term<1, rows = 1>]} {
  %c0 = arith.constant 0 : index
  %row = tile.item
  %a = tile.load %x[%row, %c0, %c0] : memref<?x1x64xf32> -> <1x64xf32>
  %most = tile.reduce max %a : <1x64xf32> -> <1x1xf32>
  %e = tile.map(%a, %most) : (!tile.tile<1x64xf32>, !tile.tile<1x1xf32>) -> !tile.tile<1x64xf32> {
  ^bb0(%p: f32, %m: f32):
    %d = arith.subf %p, %m : f32
    %r = math.exp %d : f32
    tile.yield %r : f32
  }
  %sum = tile.reduce add %e : <1x64xf32> -> <1x1xf32>
  %r = tile.map(%e, %sum) : (!tile.tile<1x64xf32>, !tile.tile<1x1xf32>) -> !tile.tile<1x64xf32> {
  ^bb0(%p: f32, %m: f32):
    %d = arith.divf %p, %m : f32
    tile.yield %d : f32
  }
  tile.store %r, %y[%row, %c0, %c0] : !tile.tile<1x64xf32>, memref<?x1x64xf32>
  return
}
