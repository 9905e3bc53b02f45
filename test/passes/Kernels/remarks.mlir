// RUN: caa-opt %s --caa-form-kernels --split-input-file --remarks-filter=fuse --remark-policy=all -o /dev/null 2>&1 | FileCheck %s
// RUN: caa-opt %s --caa-form-kernels=row-bytes=64 --split-input-file --remarks-filter=fuse --remark-policy=all -o /dev/null 2>&1 | FileCheck %s --check-prefix=SMALL

// A residual that is read again after a product.
// CHECK: remark: [Missed] separate-kernel | Category:fuse | Function=behind_product | {{.*}}reads from memory what an earlier kernel computed: a product, an attention or a sum over tokens lies between
// A value made of a sum over all tokens.
// CHECK: remark: [Missed] separate-kernel | Category:fuse | Function=behind_sum | {{.*}}reads from memory what an earlier kernel computed: a value of all tokens must be complete first
// SMALL: remark: [Missed] separate-kernel | Category:fuse | Function=wide | {{.*}}reads from memory what an earlier kernel computed: one token's values would not fit the cache
// CHECK-NOT: Function=wide
caa.parameter @w : tensor<8x8xf32> {init = #caa.init<zeros>}
func.func @behind_product(%x: tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32> {
  %w = caa.param @w : tensor<8x8xf32>
  %a = caa.map(%x) : (tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32> {
  ^bb0(%p: f32):
    %r = math.exp %p : f32
    caa.yield %r : f32
  }
  %b = caa.linear %a, %w : (tensor<?x?x1x8xf32>, tensor<8x8xf32>) -> tensor<?x?x1x8xf32>
  %c = caa.map(%a, %b) : (tensor<?x?x1x8xf32>, tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32> {
  ^bb0(%p: f32, %q: f32):
    %r = arith.addf %p, %q : f32
    caa.yield %r : f32
  }
  return %c : tensor<?x?x1x8xf32>
}

func.func @behind_sum(%x: tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32> {
  %s = caa.reduce_tokens %x : tensor<?x?x1x8xf32> -> tensor<1x8xf32>
  %c = caa.map(%x, %s) : (tensor<?x?x1x8xf32>, tensor<1x8xf32>) -> tensor<?x?x1x8xf32> {
  ^bb0(%p: f32, %q: f32):
    %r = arith.subf %p, %q : f32
    caa.yield %r : f32
  }
  return %c : tensor<?x?x1x8xf32>
}

func.func @wide(%x: tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32> {
  %a = caa.map(%x) : (tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32> {
  ^bb0(%p: f32):
    %r = math.exp %p : f32
    caa.yield %r : f32
  }
  %b = caa.map(%a) : (tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32> {
  ^bb0(%p: f32):
    %r = math.exp %p : f32
    caa.yield %r : f32
  }
  return %b : tensor<?x?x1x8xf32>
}
