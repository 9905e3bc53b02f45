// What a GPU kernel with products cannot do is named where it stands.
// RUN: not tile-to-ptx %s --target=sm_80 --only=transposed 2>&1 | FileCheck %s --check-prefix=TRANSPOSED
// RUN: not tile-to-ptx %s --target=sm_80 --only=large 2>&1 | FileCheck %s --check-prefix=LARGE

// TRANSPOSED: products_errors.mlir":[[# @LINE + 7]]:{{.*}}error: cannot be compiled for sm_80 yet: a GPU kernel's product needs the held axis as rows
func.func @transposed(%a: memref<?x?x1x16xbf16>, %out: memref<?x?x1x16xf32>)
    attributes {tile.kernel, tile.grid = [#tile.term<1, batch = 1>]} {
  %item = tile.item
  %c0 = arith.constant 0 : index
  %a_tile = tile.load %a[%item, %c0, %c0, %c0] : memref<?x?x1x16xbf16> -> <16x16xbf16>
  // The error stands at this product.
  %s = tile.dot %a_tile, %a_tile {transposeA} : (!tile.tile<16x16xbf16>, !tile.tile<16x16xbf16>) -> !tile.tile<16x16xf32>
  tile.store %s, %out[%item, %c0, %c0, %c0] : <16x16xf32>, memref<?x?x1x16xf32>
  return
}

// LARGE: error: cannot be compiled for sm_80 yet: the smallest tiles of this attention take {{[0-9]+}} bytes of shared memory; a block has 166912
func.func @large(%a: memref<?x?x1x1024xf32>, %out: memref<?x?x1x64xf32>)
    attributes {tile.kernel, tile.grid = [#tile.term<1, batch = 1>]} {
  %item = tile.item
  %c0 = arith.constant 0 : index
  %a_tile = tile.load %a[%item, %c0, %c0, %c0] : memref<?x?x1x1024xf32> -> <64x1024xf32>
  %s = tile.dot %a_tile, %a_tile {transposeB} : (!tile.tile<64x1024xf32>, !tile.tile<64x1024xf32>) -> !tile.tile<64x64xf32>
  tile.store %s, %out[%item, %c0, %c0, %c0] : <64x64xf32>, memref<?x?x1x64xf32>
  return
}
