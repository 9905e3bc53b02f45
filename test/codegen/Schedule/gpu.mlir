// RUN: caa-opt %s --caa-print-schedule=gpu=true -o /dev/null | FileCheck %s
// With values rounded to bf16, products take them and the parameters' rounded copies as they are; weight gradients stay in f32.

module attributes {caa.losses = [{name = "loss", heads = 1}]} {
  caa.parameter @table : tensor<151936x8xf32> {init = #caa.init<zeros>}
  caa.parameter @w : tensor<16x8xf32> {init = #caa.init<zeros>}
  func.func private @head_loss(memref<?x1x151936xf32>) attributes {tile.kernel, tile.grid = [#tile.term<1, rows = 1>]}

  // CHECK: entry linear
  func.func @linear(%x: tensor<?x?x2x4xbf16> {caa.name = "x"}, %dy: tensor<?x?x1x16xbf16> {caa.name = "dy"})
      -> (tensor<?x?x1x16xf32> {caa.name = "y"}, tensor<?x?x2x4xbf16> {caa.name = "d_x"}) {
    // CHECK: buffer %[[Y:.*]] value 2 f32 64 B T bytes
    // CHECK: buffer %[[DX:.*]] value 3 bf16 16 B T bytes
    // CHECK: buffer %[[W:.*]] parameter_bf16 1 bf16 256 bytes
    // CHECK: buffer %[[DW:.*]] gradient 1 f32 512 bytes
    %w = caa.param @w : tensor<16x8xbf16>
    // CHECK: 0: product %[[Y]] = %0 [8] * %[[W]]^T [8] : m B T, n 16, k 8, ldc 16, bf16 * bf16 -> f32
    %y = caa.linear %x, %w : (tensor<?x?x2x4xbf16>, tensor<16x8xbf16>) -> tensor<?x?x1x16xf32>
    // CHECK: 1: product %[[DX]] = %1 [16] * %[[W]] [8] : m B T, n 8, k 16, ldc 8, bf16 * bf16 -> bf16
    %dx = caa.linear_input_grad %dy, %w : (tensor<?x?x1x16xbf16>, tensor<16x8xbf16>) -> tensor<?x?x2x4xbf16>
    // CHECK: 2: product %[[DW]] += %1^T [16] * %0 [8] : m 16, n 8, k B T, ldc 8, bf16 * bf16 -> f32
    %dw = caa.linear_weight_grad %dy, %x : (tensor<?x?x1x16xbf16>, tensor<?x?x2x4xbf16>) -> tensor<16x8xf32>
    caa.accumulate @w, %dw : tensor<16x8xf32>
    return %y, %dx : tensor<?x?x1x16xf32>, tensor<?x?x2x4xbf16>
  }

  // CHECK: entry add
  // CHECK: 0: product %[[Y:.*]] = %1 + %0 [8] * %{{.*}}^T [8] : m B T, n 16, k 8, ldc 16, bf16 * bf16 -> bf16
  func.func @add(%x: tensor<?x?x2x4xbf16> {caa.name = "x"}, %before: tensor<?x?x1x16xbf16> {caa.name = "before"})
      -> (tensor<?x?x1x16xbf16> {caa.name = "after"}) {
    %w = caa.param @w : tensor<16x8xbf16>
    %y = caa.linear_add %x, %w, %before : (tensor<?x?x2x4xbf16>, tensor<16x8xbf16>, tensor<?x?x1x16xbf16>) -> tensor<?x?x1x16xbf16>
    return %y : tensor<?x?x1x16xbf16>
  }

  // CHECK: entry micro_step
  func.func @micro_step(%tokens: tensor<?x?x1x1xi32> {caa.name = "tokens"}, %mask: tensor<?x?x1x1xi1> {caa.name = "mask"},
                        %x: tensor<?x?x1x8xbf16> {caa.name = "x"}) -> (tensor<?x?x1x8xbf16> {caa.name = "d_x"}) {
    %w = caa.param @table : tensor<151936x8xbf16>
    %s = caa.loss_scale 0 : tensor<1x1xf32>
    // The logits are f32; products take their gradient from a second buffer.
    // CHECK: buffer %[[DX:.*]] value 3
    // CHECK: buffer %[[W:.*]] parameter_bf16 0
    // CHECK: buffer %[[DW:.*]] gradient 0 f32
    // CHECK: buffer %[[LOSS:.*]] arena f32 4 B T bytes
    // CHECK: buffer %[[LOGITS:.*]] arena f32 2489319424 bytes live 0..4 "logits of a chunk"
    // CHECK: buffer %[[SCALE:.*]] loss_scale 0
    // CHECK: buffer %[[SLOPES:.*]] arena bf16 1244659712 bytes live 0..4 "gradient of a chunk's logits"
    // A power of two of rows, so many that a gigabyte holds their logits.
    // CHECK: 0: loop 4096 rows, next 4
    // CHECK: 1: product %[[LOGITS]] = %2 + 16 row [8] * %[[W]]^T [8] : m R, n 151936, k 8, ldc 151936, bf16 * bf16 -> f32
    // CHECK: 2: head_loss(%[[LOGITS]], %0, %1 + 1 row, %[[SCALE]], %[[LOSS]] + 4 row, %[[SLOPES]])
    // CHECK: 3: product %[[DX]] + 16 row = %[[SLOPES]] [151936] * %[[W]] [8] : m R, n 8, k 151936, ldc 8, bf16 * bf16 -> bf16
    // CHECK: 4: product %[[DW]] += %[[SLOPES]]^T [151936] * %2 + 16 row [8] : m 151936, n 8, k R, ldc 8, bf16 * bf16 -> f32
    %loss, %dx, %dw = caa.chunked_head_loss input(%x) weight(%w) tokens(%tokens) mask(%mask) scale(%s)
        : (tensor<?x?x1x8xbf16>, tensor<151936x8xbf16>, tensor<?x?x1x1xi32>, tensor<?x?x1x1xi1>, tensor<1x1xf32>)
        -> (tensor<?x?x1x1xf32>, tensor<?x?x1x8xbf16>, tensor<151936x8xf32>) {kernel = @head_loss}
    caa.accumulate @table, %dw : tensor<151936x8xf32>
    return %dx : tensor<?x?x1x8xbf16>
  }
}
