// RUN: caa-opt %s --caa-form-kernels | FileCheck %s

// What is computed again shares a kernel with the gradient that reads it, although a weight's gradient, for which nothing
// waits, could have it earlier: one kernel after the product gives the gradient and the recomputed value.
// CHECK-LABEL: func.func @backward
// CHECK: %[[D:.*]] = caa.linear_input_grad %arg1
// CHECK: %[[BOTH:.*]]:2 = caa.launch @tokenwise_0(%arg0, %[[D]])
// CHECK: %[[W:.*]] = caa.linear_weight_grad %arg1, %[[BOTH]]#0
// CHECK: caa.accumulate @w, %[[W]]
// CHECK: return %[[BOTH]]#1
// CHECK: func.func private @tokenwise_0
// CHECK-COUNT-1: caa.map
// CHECK-COUNT-1: math.exp
// CHECK-NOT: caa.map
caa.parameter @w : tensor<16x24xf32> {init = #caa.init<zeros>}
func.func @backward(%x: tensor<?x?x1x24xf32>, %dy: tensor<?x?x1x16xf32>) -> tensor<?x?x1x24xf32> {
  %w = caa.param @w : tensor<16x24xf32>
  %h = caa.map(%x) : (tensor<?x?x1x24xf32>) -> tensor<?x?x1x24xf32> attributes {caa.recomputed} {
  ^bb0(%a: f32):
    %e = math.exp %a : f32
    caa.yield %e : f32
  }
  %dw = caa.linear_weight_grad %dy, %h : (tensor<?x?x1x16xf32>, tensor<?x?x1x24xf32>) -> tensor<16x24xf32>
  caa.accumulate @w, %dw : tensor<16x24xf32>
  %d = caa.linear_input_grad %dy, %w : (tensor<?x?x1x16xf32>, tensor<16x24xf32>) -> tensor<?x?x1x24xf32>
  %dx = caa.map(%x, %d) : (tensor<?x?x1x24xf32>, tensor<?x?x1x24xf32>) -> tensor<?x?x1x24xf32> {
  ^bb0(%a: f32, %b: f32):
    %e = math.exp %a : f32
    %c = arith.mulf %e, %b : f32
    caa.yield %c : f32
  }
  return %dx : tensor<?x?x1x24xf32>
}
