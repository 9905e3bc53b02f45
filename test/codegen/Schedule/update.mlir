// RUN: caa-opt %s --caa-print-schedule=gpu -o /dev/null | FileCheck %s
// RUN: caa-opt %s --caa-print-schedule -o /dev/null | FileCheck %s --check-prefix=CPU
// A GPU's program has entries of its own for what follows the micro-batches, on whole arenas.

// CPU-NOT: entry update
// CPU-NOT: entry refresh
module attributes {caa.losses = [{name = "loss", heads = 1}]} {
  caa.parameter @w : tensor<6x4xf32> {init = #caa.init<normal, 0.0 : f64, 0.02 : f64>, decay}
  caa.parameter @norm : tensor<4xf32> {init = #caa.init<ones>, group = "gate", low = 0.0 : f64}

  // CHECK: kernel caa_update_squares grid 2
  // CHECK: kernel caa_update_norms grid 1
  // CHECK: kernel caa_update_adamw grid 2

  func.func private @scale(memref<?x?x1x4xf32>, memref<6x4xf32>, memref<?x?x1x4xf32>) attributes {tile.kernel, tile.grid = [#tile.term<1, rows = 1>]}
  // CHECK: entry micro_step
  func.func @micro_step(%x: tensor<?x?x1x4xf32> {caa.name = "x"}) -> (tensor<?x?x1x4xf32> {caa.name = "y"}) {
    %w = caa.param @w : tensor<6x4xf32>
    %y = caa.launch @scale(%x, %w) : (tensor<?x?x1x4xf32>, tensor<6x4xf32>) -> tensor<?x?x1x4xf32>
    return %y : tensor<?x?x1x4xf32>
  }
  // CHECK: entry update
  // CHECK: buffer %[[TABLE:.*]] constant 0 i32 64 bytes "segments"
  // CHECK: buffer %[[P:.*]] parameters 0 f32 192 bytes
  // CHECK: buffer %[[G:.*]] gradients 0 f32 192 bytes
  // CHECK: buffer %[[M:.*]] moment1 0 f32 192 bytes
  // CHECK: buffer %[[V:.*]] moment2 0 f32 192 bytes
  // CHECK: buffer %[[LOSS:.*]] loss_sum 0 f64 8 bytes
  // CHECK: buffer %[[STATE:.*]] optimizer 0 f32 552 bytes
  // CHECK: buffer %[[SUMS:.*]] arena f64 16 bytes live 0..1
  // CHECK: 0: caa_update_squares(%[[TABLE]], %[[G]], %[[SUMS]])
  // CHECK: 1: caa_update_norms(%[[TABLE]], %[[SUMS]], %[[LOSS]], %[[STATE]])
  // CHECK: 2: caa_update_adamw(%[[TABLE]], %[[STATE]], %[[P]], %[[G]], %[[M]], %[[V]])
  // Nothing here reads rounded parameters.
  // CHECK-NOT: entry refresh
}
