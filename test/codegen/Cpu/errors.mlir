// What the CPU backend cannot lower is named where it stands.
// RUN: caa-opt --tile-to-cpu -split-input-file -verify-diagnostics %s

func.func @step(%y: memref<16xf32>) attributes {tile.kernel, tile.grid = [#tile.term<1>]} {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %t = tile.extent length
  // expected-error @below {{needs a loop's step to be a positive constant}}
  scf.for %i = %c0 to %c8 step %t {
  }
  return
}

// -----

func.func @unknown(%x: memref<16xf32>, %y: memref<16xf32>) attributes {tile.kernel, tile.grid = [#tile.term<1>]} {
  %c0 = arith.constant 0 : index
  %a = tile.load %x[%c0] : memref<16xf32> -> <1x16xf32>
  %r = tile.map(%a) : (!tile.tile<1x16xf32>) -> !tile.tile<1x16xf32> {
  ^bb0(%p: f32):
    // expected-error @below {{the backend cannot compute `math.acosh`}}
    %q = math.acosh %p : f32
    tile.yield %q : f32
  }
  tile.store %r, %y[%c0] : !tile.tile<1x16xf32>, memref<16xf32>
  return
}
