// Norms as maps and sums over the width; biases as additions, but at the head, whose fusion takes them whole.
// RUN: caa-opt %s --caa-decompose | FileCheck %s

// Rounds before it multiplies by the weight.
// CHECK-LABEL: func.func @rms
// CHECK: %[[SQUARES:.*]] = caa.map(%arg0)
// CHECK: %[[SUM:.*]] = caa.reduce_width %[[SQUARES]] : tensor<?x?x2x8xf32> -> tensor<?x?x2x1xf32>
// CHECK: %[[INVERSE:.*]] = caa.map(%[[SUM]])
// CHECK-DAG: arith.constant 1.250000e-01
// CHECK-DAG: arith.constant 9.99999997E-7
// CHECK: math.sqrt
// CHECK: %[[NORMED:.*]] = caa.map(%arg0, %[[INVERSE]])
// CHECK: %[[ROUNDED:.*]] = caa.round %[[NORMED]]
// CHECK: %[[WEIGHT:.*]] = caa.as_head %arg1
// CHECK: caa.map(%[[ROUNDED]], %[[WEIGHT]])
func.func @rms(%x: tensor<?x?x2x8xf32>, %w: tensor<8xf32>) -> tensor<?x?x2x8xf32> {
  %0 = caa.rms_norm %x, %w : (tensor<?x?x2x8xf32>, tensor<8xf32>) -> tensor<?x?x2x8xf32> {eps = 1.0e-06 : f64}
  return %0 : tensor<?x?x2x8xf32>
}

// CHECK-LABEL: func.func @layer
// CHECK: %[[SUM:.*]] = caa.reduce_width %arg0
// CHECK: %[[CENTRED:.*]] = caa.map(%arg0, %[[SUM]])
// CHECK: %[[SQUARES:.*]] = caa.map(%[[CENTRED]])
// CHECK: caa.reduce_width %[[SQUARES]]
// CHECK: caa.map(%[[CENTRED]], %{{.*}}, %{{.*}}, %{{.*}})
// CHECK-NOT: caa.round
func.func @layer(%x: tensor<?x?x1x8xf32>, %w: tensor<8xf32>, %b: tensor<8xf32>) -> tensor<?x?x1x8xf32> {
  %0 = caa.layer_norm %x, %w, %b : (tensor<?x?x1x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x?x1x8xf32> {eps = 1.0e-05 : f64}
  return %0 : tensor<?x?x1x8xf32>
}

// CHECK-LABEL: func.func @biases
// CHECK: %[[PRODUCT:.*]] = caa.linear %arg0, %arg1 : (tensor<?x?x1x8xf32>, tensor<6x8xf32>) -> tensor<?x?x2x3xf32>
// CHECK: %[[ROW:.*]] = caa.as_head %arg2
// CHECK: %[[BIAS:.*]] = caa.reshape %[[ROW]] : tensor<1x6xf32> -> tensor<2x3xf32>
// CHECK: caa.map(%[[PRODUCT]], %[[BIAS]])
// CHECK: caa.linear %arg0, %arg1, %arg2
// CHECK: caa.cross_entropy
func.func @biases(%x: tensor<?x?x1x8xf32>, %w: tensor<6x8xf32>, %b: tensor<6xf32>, %t: tensor<?x?x1x1xi32>)
    -> (tensor<?x?x2x3xf32>, tensor<?x?x1x1xf32>) {
  %0 = caa.linear %x, %w, %b : (tensor<?x?x1x8xf32>, tensor<6x8xf32>, tensor<6xf32>) -> tensor<?x?x2x3xf32>
  %1 = caa.linear %x, %w, %b : (tensor<?x?x1x8xf32>, tensor<6x8xf32>, tensor<6xf32>) -> tensor<?x?x1x6xf32>
  %2 = caa.cross_entropy %1, %t : (tensor<?x?x1x6xf32>, tensor<?x?x1x1xi32>) -> tensor<?x?x1x1xf32>
  return %0, %2 : tensor<?x?x2x3xf32>, tensor<?x?x1x1xf32>
}
