// RUN: caa-opt %s --caa-form-kernels --split-input-file | FileCheck %s

// A masked loss: scaled and summed in f64, per chunk of token rows, then all chunks into the loss's buffer.
// CHECK-LABEL: func.func @loss
// CHECK: %[[SCALE:.*]] = caa.loss_scale 3
// CHECK: %[[PART:.*]] = caa.launch @tokenwise_0(%arg0, %[[SCALE]], %arg1) : {{.*}} -> tensor<?x1x1xf64> {chunks = array<i64: 64>}
// CHECK: %[[SUM:.*]] = caa.launch @sum_0(%[[PART]]) : (tensor<?x1x1xf64>) -> tensor<1x1xf64> {accumulates = array<i64: 0>}
// CHECK: caa.accumulate_loss %[[SUM]] : tensor<1x1xf64> {index = 3 : i64}
// CHECK: %[[COUNT:.*]] = caa.launch @tokenwise_1(%arg1)
// CHECK: %[[COUNTS:.*]] = caa.launch @sum_0(%[[COUNT]])
// CHECK: caa.accumulate_count %[[COUNTS]] : tensor<1x1xf64> {index = 3 : i64}
// CHECK-LABEL: func.func private @tokenwise_0
// CHECK: arith.extf
// CHECK: arith.select
// CHECK: caa.reduce_heads
// CHECK: caa.partial_sums
func.func @loss(%v: tensor<?x?x4x1xf32>, %mask: tensor<?x?x1x1xi1>) {
  caa.loss %v over %mask : tensor<?x?x1x1xi1> : tensor<?x?x4x1xf32> {name = "loss", index = 3 : i64}
  caa.loss_count over %mask : tensor<?x?x1x1xi1> {index = 3 : i64, heads = 4 : i64}
  return
}

// -----

// Reports have kernels of their own.
// CHECK-LABEL: func.func @report
// CHECK: %[[PART:.*]] = caa.launch @report_0(%arg0) : (tensor<?x?x4x1xf32>) -> tensor<?x1x5xf64> {chunks = array<i64: 64>}
// CHECK: %[[SUM:.*]] = caa.launch @sum_0(%[[PART]]) : (tensor<?x1x5xf64>) -> tensor<1x5xf64> {accumulates = array<i64: 0>}
// CHECK: caa.accumulate_report %[[SUM]] : tensor<1x5xf64> {name = "gate", path = "model.layers.0"}
func.func @report(%v: tensor<?x?x4x1xf32>) {
  caa.report %v : tensor<?x?x4x1xf32> {name = "gate", path = "model.layers.0"}
  return
}

// -----

// Head and loss in chunks: the kernel turns logits into their gradient in place; what it writes first is each token's loss.
// CHECK-LABEL: func.func @head
// CHECK: %[[LOSS:.*]], %[[OUT:.*]]:2 = caa.chunked_head_loss input(%arg0) weight(%{{.*}}) tokens(%arg1) mask(%arg2) scale(%{{.*}}) {{.*}} {kernel = @head_loss_0}
// CHECK: caa.launch @tokenwise_0(%[[LOSS]], %{{.*}}) {{.*}} -> tensor<?x1x1xf64>
// CHECK-DAG: caa.accumulate @table, %[[OUT]]#1
// CHECK-DAG: %[[GRADIENT:.*]] = caa.launch @embed_grad_0(%arg1, %arg0) : {{.*}} {accumulates = array<i64: 0>}
// CHECK-DAG: caa.accumulate @table, %[[GRADIENT]]
// CHECK: func.func private @head_loss_0
// CHECK-SAME: tensor<?x?x1x64xf32> {caa.in_place = 0 : i64}
// CHECK: caa.head_loss_rows
caa.parameter @table : tensor<64x16xf32> {init = #caa.init<zeros>}
func.func @head(%x: tensor<?x?x1x16xf32>, %tokens: tensor<?x?x1x1xi32>, %mask: tensor<?x?x1x1xi1>) -> tensor<?x?x1x16xf32> {
  %w = caa.param @table : tensor<64x16xf32>
  %dx, %dw = caa.head_loss input(%x) weight(%w) tokens(%tokens) mask(%mask)
    : (tensor<?x?x1x16xf32>, tensor<64x16xf32>, tensor<?x?x1x1xi32>, tensor<?x?x1x1xi1>) -> (tensor<?x?x1x16xf32>, tensor<64x16xf32>)
    {name = "loss", index = 0 : i64}
  %de = caa.embed_grad %tokens, %x : (tensor<?x?x1x1xi32>, tensor<?x?x1x16xf32>) -> tensor<64x16xf32>
  // Autodiff accumulates each contribution by itself, but a sum of matrices is taken apart too.
  %sum = caa.map(%dw, %de) : (tensor<64x16xf32>, tensor<64x16xf32>) -> tensor<64x16xf32> {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    caa.yield %c : f32
  }
  caa.accumulate @table, %sum : tensor<64x16xf32>
  return %dx : tensor<?x?x1x16xf32>
}

// -----

// A product with another use, and a parameter itself, are copied into the gradient.
// CHECK-LABEL: func.func @copies
// CHECK: %[[P:.*]] = caa.linear_weight_grad
// CHECK: %[[COPY:.*]] = caa.launch @per_head_0(%[[P]]) : (tensor<16x16xf32>) -> tensor<16x16xf32> {accumulates = array<i64: 0>}
// CHECK-NEXT: caa.accumulate @w, %[[COPY]]
// CHECK: return %[[P]]
caa.parameter @w : tensor<16x16xf32> {init = #caa.init<zeros>}
func.func @copies(%x: tensor<?x?x1x16xf32>, %y: tensor<?x?x1x16xf32>) -> tensor<16x16xf32> {
  %p = caa.linear_weight_grad %x, %y : (tensor<?x?x1x16xf32>, tensor<?x?x1x16xf32>) -> tensor<16x16xf32>
  caa.accumulate @w, %p : tensor<16x16xf32>
  return %p : tensor<16x16xf32>
}
