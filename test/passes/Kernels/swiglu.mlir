// RUN: caa-opt %s --caa-form-kernels --split-input-file | FileCheck %s

// A chain of maps is one kernel with one map; a broadcast, a slice of what is in memory and a constant cost nothing.
// CHECK-LABEL: func.func @chain
// CHECK-NEXT: %[[OUT:.*]] = caa.launch @tokenwise_0(%arg0, %arg1) :
// CHECK-NEXT: return %[[OUT]]
// CHECK-LABEL: func.func private @tokenwise_0
// CHECK: caa.slice
// CHECK: caa.map
// CHECK: arith.mulf
// CHECK: caa.sigmoid
// CHECK: arith.addf
// CHECK-NOT: caa.map
// CHECK: return
func.func @chain(%x: tensor<?x?x2x16xf32>, %g: tensor<?x?x2x1xf32>) -> tensor<?x?x2x8xf32> {
  %half = caa.slice %x : tensor<?x?x2x16xf32> -> tensor<?x?x2x8xf32> {start = 8 : i64}
  %wide = caa.broadcast %g : tensor<?x?x2x1xf32> -> tensor<?x?x2x8xf32>
  %two = caa.constant dense<2.0> : tensor<1x1xf32>
  %a = caa.map(%half, %two) : (tensor<?x?x2x8xf32>, tensor<1x1xf32>) -> tensor<?x?x2x8xf32> {
  ^bb0(%p: f32, %q: f32):
    %r = arith.mulf %p, %q : f32
    caa.yield %r : f32
  }
  %b = caa.map(%a) : (tensor<?x?x2x8xf32>) -> tensor<?x?x2x8xf32> {
  ^bb0(%p: f32):
    %r = caa.sigmoid %p : f32
    caa.yield %r : f32
  }
  %c = caa.map(%b, %wide) : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>) -> tensor<?x?x2x8xf32> {
  ^bb0(%p: f32, %q: f32):
    %r = arith.addf %p, %q : f32
    caa.yield %r : f32
  }
  return %c : tensor<?x?x2x8xf32>
}

// -----

// SwiGLU between its products.
// CHECK-LABEL: func.func @swiglu
// CHECK: caa.linear
// CHECK: caa.linear
// CHECK: caa.launch @tokenwise_0
// CHECK-NEXT: caa.linear
// CHECK-NEXT: return
// CHECK-LABEL: func.func private @tokenwise_0
// CHECK-COUNT-1: caa.map
// CHECK-NOT: caa.map
caa.parameter @up : tensor<24x16xf32> {init = #caa.init<zeros>}
caa.parameter @gate : tensor<24x16xf32> {init = #caa.init<zeros>}
caa.parameter @down : tensor<16x24xf32> {init = #caa.init<zeros>}
func.func @swiglu(%x: tensor<?x?x1x16xf32>) -> tensor<?x?x1x16xf32> {
  %wu = caa.param @up : tensor<24x16xf32>
  %wg = caa.param @gate : tensor<24x16xf32>
  %wd = caa.param @down : tensor<16x24xf32>
  %u = caa.linear %x, %wu : (tensor<?x?x1x16xf32>, tensor<24x16xf32>) -> tensor<?x?x1x24xf32>
  %g = caa.linear %x, %wg : (tensor<?x?x1x16xf32>, tensor<24x16xf32>) -> tensor<?x?x1x24xf32>
  %s = caa.map(%g) : (tensor<?x?x1x24xf32>) -> tensor<?x?x1x24xf32> {
  ^bb0(%p: f32):
    %q = caa.sigmoid %p : f32
    %r = arith.mulf %p, %q : f32
    caa.yield %r : f32
  }
  %m = caa.map(%s, %u) : (tensor<?x?x1x24xf32>, tensor<?x?x1x24xf32>) -> tensor<?x?x1x24xf32> {
  ^bb0(%p: f32, %q: f32):
    %r = arith.mulf %p, %q : f32
    caa.yield %r : f32
  }
  %y = caa.linear %m, %wd : (tensor<?x?x1x24xf32>, tensor<16x24xf32>) -> tensor<?x?x1x16xf32>
  return %y : tensor<?x?x1x16xf32>
}

// -----

// Its backward: two maps that only share what they read are one kernel and one map; the exponential is computed once.
// CHECK-LABEL: func.func @swiglu_backward
// CHECK: caa.linear_input_grad
// CHECK: caa.launch @tokenwise_0
// CHECK-NOT: caa.launch
// CHECK: return
// CHECK-LABEL: func.func private @tokenwise_0
// CHECK: caa.map
// CHECK-COUNT-1: caa.sigmoid
// CHECK-NOT: caa.sigmoid
caa.parameter @down : tensor<16x24xf32> {init = #caa.init<zeros>}
func.func @swiglu_backward(%g: tensor<?x?x1x24xf32>, %u: tensor<?x?x1x24xf32>, %dy: tensor<?x?x1x16xf32>)
    -> (tensor<?x?x1x24xf32>, tensor<?x?x1x24xf32>) {
  %wd = caa.param @down : tensor<16x24xf32>
  %d = caa.linear_input_grad %dy, %wd : (tensor<?x?x1x16xf32>, tensor<16x24xf32>) -> tensor<?x?x1x24xf32>
  %du = caa.map(%g, %d) : (tensor<?x?x1x24xf32>, tensor<?x?x1x24xf32>) -> tensor<?x?x1x24xf32> {
  ^bb0(%p: f32, %q: f32):
    %s = caa.sigmoid %p : f32
    %a = arith.mulf %p, %s : f32
    %r = arith.mulf %a, %q : f32
    caa.yield %r : f32
  }
  %dg = caa.map(%g, %u, %d) : (tensor<?x?x1x24xf32>, tensor<?x?x1x24xf32>, tensor<?x?x1x24xf32>) -> tensor<?x?x1x24xf32> {
  ^bb0(%p: f32, %v: f32, %q: f32):
    %s = caa.sigmoid %p : f32
    %one = arith.constant 1.0 : f32
    %c = arith.subf %one, %s : f32
    %a = arith.mulf %p, %c : f32
    %b = arith.addf %a, %one : f32
    %e = arith.mulf %s, %b : f32
    %f = arith.mulf %e, %v : f32
    %r = arith.mulf %f, %q : f32
    caa.yield %r : f32
  }
  return %dg, %du : tensor<?x?x1x24xf32>, tensor<?x?x1x24xf32>
}
