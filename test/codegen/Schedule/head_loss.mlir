// RUN: caa-opt %s --caa-print-schedule -o /dev/null | FileCheck %s
// A head with its loss runs in chunks of token rows: logits exist for one chunk alone.

module attributes {caa.losses = [{name = "loss", heads = 1}]} {
  caa.parameter @table : tensor<151936x8xf32> {init = #caa.init<zeros>}
  caa.parameter @bias : tensor<151936xf32> {init = #caa.init<zeros>}
  func.func private @head_loss(memref<?x1x151936xf32>) attributes {tile.kernel, tile.grid = [#tile.term<1, rows = 1>]}
  func.func private @column_sum(memref<?x1x151936xf32>) attributes {tile.kernel, tile.grid = [#tile.term<151936, divisor = 64>]}

  // CHECK: entry eval_step
  func.func @eval_step(%tokens: tensor<?x?x1x1xi32> {caa.name = "tokens"}, %mask: tensor<?x?x1x1xi1> {caa.name = "mask"},
                       %x: tensor<?x?x2x4xf32> {caa.name = "x"}) -> (tensor<?x?x1x1xf32> {caa.name = "each"}) {
    %w = caa.param @table : tensor<151936x8xf32>
    // CHECK: buffer %[[EACH:.*]] value 3
    // CHECK: buffer %[[W:.*]] parameter 0
    // 64 rows at least, however large the vocabulary.
    // CHECK: buffer %[[LOGITS:.*]] arena f32 38895616 bytes live 0..2 "logits of a chunk"
    // CHECK: 0: loop 64 rows, next 2
    // CHECK: 1: product %[[LOGITS]] = %2 + 32 row [8] * %[[W]]^T [8] : m R, n 151936, k 8, ldc 151936
    // CHECK: 2: head_loss(%[[LOGITS]], %0, %1 + 1 row, %[[EACH]] + 4 row)
    %loss = caa.chunked_head_loss input(%x) weight(%w) tokens(%tokens) mask(%mask)
        : (tensor<?x?x2x4xf32>, tensor<151936x8xf32>, tensor<?x?x1x1xi32>, tensor<?x?x1x1xi1>) -> tensor<?x?x1x1xf32> {kernel = @head_loss}
    return %loss : tensor<?x?x1x1xf32>
  }

  // CHECK: entry micro_step
  func.func @micro_step(%tokens: tensor<?x?x1x1xi32> {caa.name = "tokens"}, %mask: tensor<?x?x1x1xi1> {caa.name = "mask"},
                        %x: tensor<?x?x1x8xf32> {caa.name = "x"}) -> (tensor<?x?x1x8xf32> {caa.name = "d_x"}) {
    %w = caa.param @table : tensor<151936x8xf32>
    %b = caa.param @bias : tensor<151936xf32>
    %s = caa.loss_scale 0 : tensor<1x1xf32>
    // CHECK: buffer %[[DX:.*]] value 3
    // CHECK: buffer %[[DW:.*]] gradient 0
    // CHECK: buffer %[[DB:.*]] arena f32 607744 bytes live 0..6
    // CHECK: buffer %[[LOSS:.*]] arena f32 4 B T bytes live 1..6
    // CHECK: buffer %[[LOGITS:.*]] arena f32 38895616 bytes live 1..6
    // CHECK: buffer %[[B:.*]] parameter 1
    // CHECK: buffer %[[S:.*]] loss_scale 0 f32 4 bytes
    // The gradient of the bias has no sink here: it starts from zero, before the loop.
    // CHECK: 0: fill %[[DB]]
    // CHECK: 1: loop 64 rows, next 5
    // CHECK: 2: product %[[LOGITS]] =
    // CHECK: 3: head_loss(%[[LOGITS]], %[[B]], %0, %1 + 1 row, %[[S]], %[[LOSS]] + 4 row)
    // CHECK: 4: product %[[DX]] + 32 row = %[[LOGITS]] [151936] * %{{.*}} [8] : m R, n 8, k 151936, ldc 8
    // CHECK: 5: product %[[DW]] += %[[LOGITS]]^T [151936] * %2 + 32 row [8] : m 151936, n 8, k R, ldc 8
    // CHECK: 6: column_sum(%[[LOGITS]], %[[DB]])
    %loss, %dx, %dw, %db = caa.chunked_head_loss input(%x) weight(%w) bias(%b) tokens(%tokens) mask(%mask) scale(%s)
        : (tensor<?x?x1x8xf32>, tensor<151936x8xf32>, tensor<151936xf32>, tensor<?x?x1x1xi32>, tensor<?x?x1x1xi1>, tensor<1x1xf32>)
        -> (tensor<?x?x1x1xf32>, tensor<?x?x1x8xf32>, tensor<151936x8xf32>, tensor<151936xf32>) {kernel = @head_loss, biasKernel = @column_sum}
    caa.accumulate @table, %dw : tensor<151936x8xf32>
    return %dx : tensor<?x?x1x8xf32>
  }
}
