// RUN: caa-opt %s --caa-fuse-residual | FileCheck %s
// Only a rounded sum of what is stored in bf16 and a product that nobody else reads becomes one product.

module {
  caa.parameter @w : tensor<8x8xf32> {init = #caa.init<zeros>}

  // CHECK-LABEL: func @residual
  // CHECK: %[[W:.*]] = caa.param
  // CHECK: %[[Y:.*]] = caa.linear_add %arg0, %[[W]], %arg1 : (tensor<?x?x2x4xbf16>, tensor<8x8xbf16>, tensor<?x?x1x8xbf16>) -> tensor<?x?x1x8xbf16>
  // CHECK-NOT: caa.map
  // CHECK: return %[[Y]]
  func.func @residual(%a: tensor<?x?x2x4xbf16>, %x: tensor<?x?x1x8xbf16>) -> tensor<?x?x1x8xbf16> {
    %w = caa.param @w : tensor<8x8xbf16>
    %product = caa.linear %a, %w : (tensor<?x?x2x4xbf16>, tensor<8x8xbf16>) -> tensor<?x?x1x8xf32>
    %wide = caa.map(%x) : (tensor<?x?x1x8xbf16>) -> tensor<?x?x1x8xf32> {
    ^bb0(%v: bf16):
      %0 = arith.extf %v : bf16 to f32
      caa.yield %0 : f32
    }
    %sum = caa.map(%product, %wide) : (tensor<?x?x1x8xf32>, tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32> {
    ^bb0(%p: f32, %v: f32):
      %0 = arith.addf %v, %p : f32
      caa.yield %0 : f32
    }
    %y = caa.map(%sum) : (tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xbf16> {
    ^bb0(%v: f32):
      %0 = arith.truncf %v : f32 to bf16
      caa.yield %0 : bf16
    }
    return %y : tensor<?x?x1x8xbf16>
  }

  // The unrounded sum is read too: it must exist.
  // CHECK-LABEL: func @sum_is_read
  // CHECK: caa.linear %
  func.func @sum_is_read(%a: tensor<?x?x1x8xbf16>, %x: tensor<?x?x1x8xbf16>) -> (tensor<?x?x1x8xbf16>, tensor<?x?x1x8xf32>) {
    %w = caa.param @w : tensor<8x8xbf16>
    %product = caa.linear %a, %w : (tensor<?x?x1x8xbf16>, tensor<8x8xbf16>) -> tensor<?x?x1x8xf32>
    %wide = caa.map(%x) : (tensor<?x?x1x8xbf16>) -> tensor<?x?x1x8xf32> {
    ^bb0(%v: bf16):
      %0 = arith.extf %v : bf16 to f32
      caa.yield %0 : f32
    }
    %sum = caa.map(%product, %wide) : (tensor<?x?x1x8xf32>, tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32> {
    ^bb0(%p: f32, %v: f32):
      %0 = arith.addf %v, %p : f32
      caa.yield %0 : f32
    }
    %y = caa.map(%sum) : (tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xbf16> {
    ^bb0(%v: f32):
      %0 = arith.truncf %v : f32 to bf16
      caa.yield %0 : bf16
    }
    return %y, %sum : tensor<?x?x1x8xbf16>, tensor<?x?x1x8xf32>
  }

  // A difference is no sum.
  // CHECK-LABEL: func @difference
  // CHECK: caa.linear %
  func.func @difference(%a: tensor<?x?x1x8xbf16>, %x: tensor<?x?x1x8xbf16>) -> tensor<?x?x1x8xbf16> {
    %w = caa.param @w : tensor<8x8xbf16>
    %product = caa.linear %a, %w : (tensor<?x?x1x8xbf16>, tensor<8x8xbf16>) -> tensor<?x?x1x8xf32>
    %wide = caa.map(%x) : (tensor<?x?x1x8xbf16>) -> tensor<?x?x1x8xf32> {
    ^bb0(%v: bf16):
      %0 = arith.extf %v : bf16 to f32
      caa.yield %0 : f32
    }
    %sum = caa.map(%product, %wide) : (tensor<?x?x1x8xf32>, tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32> {
    ^bb0(%p: f32, %v: f32):
      %0 = arith.subf %v, %p : f32
      caa.yield %0 : f32
    }
    %y = caa.map(%sum) : (tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xbf16> {
    ^bb0(%v: f32):
      %0 = arith.truncf %v : f32 to bf16
      caa.yield %0 : bf16
    }
    return %y : tensor<?x?x1x8xbf16>
  }
}
