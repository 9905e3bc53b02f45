// RUN: caa-opt %s --caa-print-schedule -split-input-file -verify-diagnostics -o /dev/null
// What kernel formation must not leave behind.

func.func @micro_step(%x: tensor<?x?x1x4xf32> {caa.name = "x"}) {
  // expected-error @below {{`caa.map` is left in an entry}}
  %y = caa.map(%x) : (tensor<?x?x1x4xf32>) -> tensor<?x?x1x4xf32> {
  ^bb0(%a: f32):
    caa.yield %a : f32
  }
  return
}

// -----

caa.parameter @w : tensor<6x4xf32> {init = #caa.init<zeros>}
func.func private @k() attributes {tile.kernel, tile.grid = [#tile.term<1>]}
func.func @micro_step() {
  %g = caa.launch @k() : () -> tensor<6x4xf32>
  // expected-error @below {{nothing adds this value to its sink}}
  caa.accumulate @w, %g : tensor<6x4xf32>
  return
}

// -----

func.func private @k() attributes {tile.kernel, tile.grid = [#tile.term<1>]}
func.func @micro_step() {
  %g = caa.launch @k() : () -> tensor<1x1xf64> {accumulates = array<i64: 0>}
  // expected-error @below {{there is no loss numbered 0}}
  caa.accumulate_loss %g : tensor<1x1xf64> {index = 0 : i64}
  return
}

// -----

// expected-error @below {{a kernel without a grid}}
func.func private @k() attributes {tile.kernel}
func.func @micro_step() {
  %g = caa.launch @k() : () -> tensor<6x4xf32>
  return
}
