// RUN: caa-opt %s --split-input-file --caa-decompose --caa-resolve-precision --canonicalize --caa-form-kernels | FileCheck %s

// The residual and the norm after it: one kernel writes the sum and the normalised value.
// CHECK-LABEL: func.func @norm_residual
// CHECK: %[[PRODUCT:.*]] = caa.linear
// CHECK: %[[BOTH:.*]]:2 = caa.launch @tokenwise_0(%arg0, %[[PRODUCT]], %{{.*}}) :
// CHECK-NEXT: return %[[BOTH]]#0, %[[BOTH]]#1
caa.parameter @w : tensor<32x32xf32> {init = #caa.init<zeros>}
caa.parameter @norm : tensor<32xf32> {init = #caa.init<ones>}
func.func @norm_residual(%x: tensor<?x?x1x32xf32>) -> (tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>) {
  %w = caa.param @w : tensor<32x32xf32>
  %n = caa.param @norm : tensor<32xf32>
  %p = caa.linear %x, %w : (tensor<?x?x1x32xf32>, tensor<32x32xf32>) -> tensor<?x?x1x32xf32>
  %s = caa.map(%x, %p) : (tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>) -> tensor<?x?x1x32xf32> {
  ^bb0(%a: f32, %b: f32):
    %r = arith.addf %a, %b : f32
    caa.yield %r : f32
  }
  %y = caa.rms_norm %s, %n : (tensor<?x?x1x32xf32>, tensor<32xf32>) -> tensor<?x?x1x32xf32> {eps = 1.0e-6 : f64}
  return %s, %y : tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>
}

// -----

// Norm and rotation of queries in one kernel; a linear's bias comes along.
// CHECK-LABEL: func.func @norm_rope
// CHECK: %[[PRODUCT:.*]] = caa.linear %arg0, %{{[a-z0-9_]*}} :
// CHECK: %[[TABLE:.*]] = caa.launch @tokenwise_0(%arg1)
// CHECK: %[[OUT:.*]] = caa.launch @tokenwise_1(%[[PRODUCT]], %{{.*}}, %{{.*}}, %[[TABLE]]) :
// CHECK-NEXT: return %[[OUT]]
// CHECK-LABEL: func.func private @tokenwise_1
// CHECK: caa.reduce_width
// CHECK: caa.rope
caa.parameter @w : tensor<32x32xf32> {init = #caa.init<zeros>}
caa.parameter @b : tensor<32xf32> {init = #caa.init<zeros>}
caa.parameter @norm : tensor<8xf32> {init = #caa.init<ones>}
func.func @norm_rope(%x: tensor<?x?x1x32xf32>, %position: tensor<?x?x1x1xi32>) -> tensor<?x?x4x8xf32> {
  %w = caa.param @w : tensor<32x32xf32>
  %b = caa.param @b : tensor<32xf32>
  %n = caa.param @norm : tensor<8xf32>
  %t = caa.rope_table %position : tensor<?x?x1x1xi32> -> tensor<?x?x1x8xf32> {theta = 1.0e4 : f64}
  %p = caa.linear %x, %w, %b : (tensor<?x?x1x32xf32>, tensor<32x32xf32>, tensor<32xf32>) -> tensor<?x?x4x8xf32>
  %y = caa.rms_norm %p, %n : (tensor<?x?x4x8xf32>, tensor<8xf32>) -> tensor<?x?x4x8xf32> {eps = 1.0e-6 : f64}
  %r = caa.rope %y, %t : (tensor<?x?x4x8xf32>, tensor<?x?x1x8xf32>) -> tensor<?x?x4x8xf32>
  return %r : tensor<?x?x4x8xf32>
}
