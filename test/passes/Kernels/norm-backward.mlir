// RUN: caa-opt %s --caa-decompose --caa-autodiff --caa-resolve-precision --canonicalize --cse --caa-form-kernels | FileCheck %s

// Backward of a norm: one kernel for the input's gradient, the residual's share and the partial sums of the weight's
// gradient; a second adds the partial sums to the gradient's buffer.
// CHECK-LABEL: func.func @f.gradient
// CHECK: %[[PARTS:.*]]:2 = caa.launch @[[BACK:[a-z_0-9]*]]({{.*}}) : {{.*}} -> (tensor<?x?x1x32xf32>, tensor<?x1x32xf32>) {chunks = array<i64: 0, 64>}
// CHECK-NOT: tokenwise
// CHECK: %[[SUM:.*]] = caa.launch @[[ADD:sum_[0-9]]](%[[PARTS]]#1) : (tensor<?x1x32xf32>) -> tensor<32xf32> {accumulates = array<i64: 0>}
// CHECK-NEXT: caa.accumulate @norm, %[[SUM]] : tensor<32xf32>
// CHECK: return %[[PARTS]]#0
// CHECK: func.func private @[[BACK]]({{.*}}
// CHECK: caa.partial_sums {{.*}} {chunk = 64 : i64}
// CHECK: func.func private @[[ADD]]({{.*}}) -> (tensor<32xf32> {caa.accumulates})
// CHECK-NEXT: caa.sum_partials
caa.parameter @norm : tensor<32xf32> {init = #caa.init<ones>}
func.func @f(%x: tensor<?x?x1x32xf32> {caa.name = "x"}) -> (tensor<?x?x1x32xf32> {caa.name = "out"}) attributes {caa.export} {
  %n = caa.param @norm : tensor<32xf32>
  %y = caa.rms_norm %x, %n : (tensor<?x?x1x32xf32>, tensor<32xf32>) -> tensor<?x?x1x32xf32> {eps = 1.0e-6 : f64}
  %s = caa.map(%x, %y) : (tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>) -> tensor<?x?x1x32xf32> {
  ^bb0(%a: f32, %b: f32):
    %r = arith.addf %a, %b : f32
    caa.yield %r : f32
  }
  return %s : tensor<?x?x1x32xf32>
}
