// RUN: caa-opt %s --caa-print-schedule -o /dev/null | FileCheck %s
// Products, launches, where gradients and losses are added, and how long parts of the arena live.

module attributes {caa.losses = [{name = "aux", heads = 2}, {name = "loss", heads = 1}]} {
  // CHECK: parameter w [6, 4] at 0 normal(0, 0.02) decay
  caa.parameter @w : tensor<6x4xf32> {init = #caa.init<normal, 0.0 : f64, 0.02 : f64>, decay}
  // CHECK: parameter norm [4] at 32 ones group gate clamp(0, inf)
  caa.parameter @norm : tensor<4xf32> {init = #caa.init<ones>, group = "gate", low = 0.0 : f64}

  // CHECK: kernel scale grid R
  func.func private @scale(memref<?x1x4xf32>, memref<1x4xf32>, memref<?x1x4xf32>) attributes {tile.kernel, tile.grid = [#tile.term<1, rows = 1>]}
  // CHECK: kernel attend grid 2 B ceil(T / 64)
  func.func private @attend(memref<?x?x1x4xf32>, memref<?x?x2x2xf32>, memref<?x?x2x1xi8>)
      attributes {tile.kernel, tile.grid = [#tile.term<2, batch = 1, length = 1, lengthDivisor = 64>]}
  // CHECK: kernel partial grid ceil(R / 32)
  func.func private @partial(memref<?x1x4xf32>, memref<?x1x1xf64>) attributes {tile.kernel, tile.grid = [#tile.term<1, rows = 1, divisor = 32>]}
  // CHECK: kernel total grid 1
  func.func private @total(memref<?x1x1xf64>, memref<1x1xf64>) attributes {tile.kernel, tile.grid = [#tile.term<1>]}

  // CHECK: loss 0 aux heads 2
  // CHECK: loss 1 loss heads 1

  // CHECK: entry micro_step
  // CHECK: input x f32 [batch, length, 1, 4]
  // CHECK: buffer %[[X:.*]] value 0 f32 16 B T bytes "x"
  func.func @micro_step(%x: tensor<?x?x1x4xf32> {caa.name = "x"}) {
    %n = caa.param @norm : tensor<4xf32>
    %w = caa.param @w : tensor<6x4xf32>
    %c = caa.constant dense<[[1.0, 2.0, 3.0, 4.0]]> : tensor<1x4xf32>
    // CHECK: buffer %[[C:.*]] constant 0 f32 16 bytes
    // CHECK: buffer %[[A:.*]] arena f32 16 B T bytes live 0..1
    // CHECK: buffer %[[W:.*]] parameter 0 f32 96 bytes "w"
    // CHECK: buffer %[[Y:.*]] arena f32 24 B T bytes live 1..4
    // CHECK: buffer %[[M:.*]] arena bool 2 B T bytes live 2..2
    // CHECK: buffer %[[DW:.*]] gradient 0 f32 96 bytes "d_w"
    // CHECK: buffer %[[DX:.*]] arena f32 16 B T bytes live 4..5
    // CHECK: buffer %[[P:.*]] arena f64 8 ceil(B T / 32) bytes live 5..8
    // CHECK: buffer %[[L:.*]] loss_sum 0 f64 16 bytes
    // CHECK: buffer %[[Z:.*]] arena f64 8 bytes live 7..8

    // CHECK: 0: scale(%[[X]], %[[C]], %[[A]])
    %a = caa.launch @scale(%x, %c) : (tensor<?x?x1x4xf32>, tensor<1x4xf32>) -> tensor<?x?x1x4xf32>
    // CHECK: 1: product %[[Y]] = %[[A]] [4] * %[[W]]^T [4] : m B T, n 6, k 4, ldc 6
    %y = caa.linear %a, %w : (tensor<?x?x1x4xf32>, tensor<6x4xf32>) -> tensor<?x?x2x3xf32>
    %r = caa.reshape %y : tensor<?x?x2x3xf32> -> tensor<?x?x1x6xf32>
    // CHECK: 2: attend(%[[Y]], %[[M]])
    %m = caa.launch @attend(%r) : (tensor<?x?x1x6xf32>) -> tensor<?x?x2x1xi1>
    // CHECK: 3: product %[[DW]] += %[[Y]]^T [6] * %[[X]] [4] : m 6, n 4, k B T, ldc 4
    %dw = caa.linear_weight_grad %r, %x : (tensor<?x?x1x6xf32>, tensor<?x?x1x4xf32>) -> tensor<6x4xf32>
    caa.accumulate @w, %dw : tensor<6x4xf32>
    // CHECK: 4: product %[[DX]] = %[[Y]] [6] * %[[W]] [4] : m B T, n 4, k 6, ldc 4
    %dx = caa.linear_input_grad %y, %w : (tensor<?x?x2x3xf32>, tensor<6x4xf32>) -> tensor<?x?x1x4xf32>
    // CHECK: 5: partial(%[[DX]], %[[P]])
    %p = caa.launch @partial(%dx) : (tensor<?x?x1x4xf32>) -> tensor<?x1x1xf64> {chunks = array<i64: 32>}
    // CHECK: 6: total(%[[P]], %[[L]] + 8)
    %l = caa.launch @total(%p) : (tensor<?x1x1xf64>) -> tensor<1x1xf64> {accumulates = array<i64: 0>}
    caa.accumulate_loss %l : tensor<1x1xf64> {index = 1 : i64}
    // Nobody takes this sum: it starts from zero.
    // CHECK: 7: fill %[[Z]] : 8 bytes
    // CHECK: 8: total(%[[P]], %[[Z]])
    %unused = caa.launch @total(%p) : (tensor<?x1x1xf64>) -> tensor<1x1xf64> {accumulates = array<i64: 0>}
    return
  }

  // CHECK: entry logits
  // CHECK: output logits f32 [batch, length, 1, 6]
  func.func @logits(%x: tensor<?x?x1x4xf32> {caa.name = "x"}) {
    // CHECK: buffer %[[OUT:.*]] value 1 f32 24 B T bytes "logits"
    %w = caa.param @w : tensor<6x4xf32>
    // CHECK: 0: product %[[OUT]] =
    %y = caa.linear %x, %w : (tensor<?x?x1x4xf32>, tensor<6x4xf32>) -> tensor<?x?x1x6xf32>
    caa.logits %y : tensor<?x?x1x6xf32>
    return
  }

  // CHECK: entry same.forward
  // CHECK: input x f32
  // CHECK: output out f32
  // CHECK: output twice f32
  func.func @same.forward(%x: tensor<?x?x1x4xf32> {caa.name = "x"})
      -> (tensor<?x?x1x4xf32> {caa.name = "out"}, tensor<?x?x1x4xf32> {caa.name = "d"}, tensor<?x?x1x4xf32> {caa.name = "twice"}) {
    %c = caa.constant dense<[[1.0, 2.0, 3.0, 4.0]]> : tensor<1x4xf32>
    %a = caa.launch @scale(%x, %c) : (tensor<?x?x1x4xf32>, tensor<1x4xf32>) -> tensor<?x?x1x4xf32>
    // An input that is an output, and an output under two names, are copied.
    // CHECK: 0: scale(%0, %{{.*}}, %2)
    // CHECK: 1: copy %1 = %0 : 16 B T bytes
    // CHECK: 2: copy %3 = %2 : 16 B T bytes
    return %x, %a, %a : tensor<?x?x1x4xf32>, tensor<?x?x1x4xf32>, tensor<?x?x1x4xf32>
  }
}
