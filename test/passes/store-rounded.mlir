// What is rounded is stored as bf16: products read it so, other readers widen it for themselves.
// RUN: caa-opt --caa-resolve-precision=precision=bf16 --caa-store-rounded %s | FileCheck %s

caa.parameter @w : tensor<16x8xf32> {init = #caa.init<ones>}
caa.parameter @norm : tensor<8xf32> {init = #caa.init<ones>}
caa.parameter @table : tensor<100x8xf32> {init = #caa.init<ones>}

// The weight's copy is read; the product's result is wanted rounded alone, so the product rounds it.
// CHECK-LABEL: func.func @product
// CHECK-NEXT: %[[N:.*]] = caa.map(%arg0) : (tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xbf16>
// CHECK:        arith.truncf
// CHECK:      %[[W:.*]] = caa.param @w : tensor<16x8xbf16>
// CHECK-NEXT: %[[Y:.*]] = caa.linear %[[N]], %[[W]] : (tensor<?x?x1x8xbf16>, tensor<16x8xbf16>) -> tensor<?x?x1x16xbf16>
// CHECK-NEXT: %[[F:.*]] = caa.map(%[[Y]]) : (tensor<?x?x1x16xbf16>) -> tensor<?x?x1x16xf32>
// CHECK:        arith.extf
// CHECK:      return %[[F]]
func.func @product(%x: tensor<?x?x1x8xf32>) -> tensor<?x?x1x16xf32> {
  %xr = caa.round %x : tensor<?x?x1x8xf32>
  %w = caa.param @w : tensor<16x8xf32>
  %wr = caa.round %w : tensor<16x8xf32>
  %y = caa.linear %xr, %wr : (tensor<?x?x1x8xf32>, tensor<16x8xf32>) -> tensor<?x?x1x16xf32>
  %yr = caa.round %y : tensor<?x?x1x16xf32>
  return %yr : tensor<?x?x1x16xf32>
}

// A product of a factor that is not rounded, an fp32(x), stays in f32: its weight is widened.
// CHECK-LABEL: func.func @unrounded
// CHECK: %[[W:.*]] = caa.map(%{{.*}}) : (tensor<16x8xbf16>) -> tensor<16x8xf32>
// CHECK: caa.linear %arg0, %[[W]] : (tensor<?x?x1x8xf32>, tensor<16x8xf32>) -> tensor<?x?x1x16xf32>
func.func @unrounded(%x: tensor<?x?x1x8xf32>) -> tensor<?x?x1x16xf32> {
  %w = caa.param @w : tensor<16x8xf32>
  %wr = caa.round %w : tensor<16x8xf32>
  %y = caa.linear %x, %wr : (tensor<?x?x1x8xf32>, tensor<16x8xf32>) -> tensor<?x?x1x16xf32>
  return %y : tensor<?x?x1x16xf32>
}

// A gradient that is no named value's is rounded once for both products; a parameter's gradient stays f32.
// CHECK-LABEL: func.func @gradients
// CHECK:     %[[G:.*]] = caa.map(%arg1) : (tensor<?x?x1x16xf32>) -> tensor<?x?x1x16xbf16>
// CHECK-NOT: caa.map(%arg1)
// CHECK:     caa.linear_input_grad %[[G]], %{{.*}} : (tensor<?x?x1x16xbf16>, tensor<16x8xbf16>) -> tensor<?x?x1x8xf32>
// CHECK:     caa.linear_weight_grad %[[G]], %{{.*}} : (tensor<?x?x1x16xbf16>, tensor<?x?x1x8xbf16>) -> tensor<16x8xf32>
func.func @gradients(%x: tensor<?x?x1x8xf32>, %dy: tensor<?x?x1x16xf32>) -> tensor<?x?x1x8xf32> {
  %xr = caa.round %x : tensor<?x?x1x8xf32>
  %w = caa.param @w : tensor<16x8xf32>
  %wr = caa.round %w : tensor<16x8xf32>
  %dx = caa.linear_input_grad %dy, %wr : (tensor<?x?x1x16xf32>, tensor<16x8xf32>) -> tensor<?x?x1x8xf32>
  %dw = caa.linear_weight_grad %dy, %xr : (tensor<?x?x1x16xf32>, tensor<?x?x1x8xf32>) -> tensor<16x8xf32>
  caa.accumulate @w, %dw : tensor<16x8xf32>
  return %dx : tensor<?x?x1x8xf32>
}

// Rows of a rounded table are rounded, a row of parameters is seen as a head, and components move as they lie.
// CHECK-LABEL: func.func @moves
// CHECK:     %[[E:.*]] = caa.embed %arg0, %{{.*}} : (tensor<?x?x1x1xi32>, tensor<100x8xbf16>) -> tensor<?x?x1x8xbf16>
// CHECK:     %[[N:.*]] = caa.as_head %{{.*}} : tensor<8xbf16> -> tensor<1x8xbf16>
// CHECK-NOT: caa.as_row
// CHECK:     %[[X:.*]] = caa.map(%[[E]]) : (tensor<?x?x1x8xbf16>) -> tensor<?x?x1x8xf32>
// CHECK:     %[[H:.*]] = caa.map(%[[N]]) : (tensor<1x8xbf16>) -> tensor<1x8xf32>
// CHECK:     caa.map(%[[X]], %[[H]])
// CHECK:     caa.slice %{{.*}} : tensor<?x?x1x8xbf16> -> tensor<?x?x1x4xbf16>
func.func @moves(%tokens: tensor<?x?x1x1xi32>) -> tensor<?x?x1x4xf32> {
  %table = caa.param @table : tensor<100x8xf32>
  %tr = caa.round %table : tensor<100x8xf32>
  %e = caa.embed %tokens, %tr : (tensor<?x?x1x1xi32>, tensor<100x8xf32>) -> tensor<?x?x1x8xf32>
  %er = caa.round %e : tensor<?x?x1x8xf32>
  %norm = caa.param @norm : tensor<8xf32>
  %nr = caa.round %norm : tensor<8xf32>
  %head = caa.as_head %nr : tensor<8xf32> -> tensor<1x8xf32>
  %y = caa.map(%er, %head) : (tensor<?x?x1x8xf32>, tensor<1x8xf32>) -> tensor<?x?x1x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %p = arith.mulf %a, %b : f32
    caa.yield %p : f32
  }
  %yr = caa.round %y : tensor<?x?x1x8xf32>
  %half = caa.slice %yr : tensor<?x?x1x8xf32> -> tensor<?x?x1x4xf32> {start = 4 : i64}
  return %half : tensor<?x?x1x4xf32>
}

// Attends read rows of bf16; numbers of a width of 1 stay f32. The output is kept in one form, which its adjoint reads too.
// CHECK-LABEL: func.func @attention
// CHECK: %[[O:.*]]:2 = caa.attend queries(%{{.*}}, %arg2) keys(%{{.*}}) heads()
// CHECK-SAME: (tensor<?x?x2x8xbf16>, tensor<?x?x2x1xf32>, tensor<?x?x2x8xbf16>) -> (tensor<?x?x2x8xbf16>, tensor<?x?x2x1xf32>)
// CHECK-NEXT: ^bb0(%{{.*}}: i64, %{{.*}}: i64, %{{.*}}: vector<8xbf16>, %{{.*}}: f32, %{{.*}}: vector<8xbf16>)
// CHECK:   caa.dot %{{.*}}, %{{.*}} : vector<8xbf16>
// CHECK: %[[A:.*]] = caa.map(%[[O]]#0) : (tensor<?x?x2x8xbf16>) -> tensor<?x?x2x8xf32>
// CHECK: caa.map(%[[A]])
// CHECK: %[[B:.*]] = caa.map(%[[O]]#0) : (tensor<?x?x2x8xbf16>) -> tensor<?x?x2x8xf32>
// CHECK: caa.map(%[[B]])
func.func @attention(%q: tensor<?x?x2x8xf32>, %k: tensor<?x?x2x8xf32>, %w: tensor<?x?x2x1xf32>) -> (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>) {
  %qr = caa.round %q : tensor<?x?x2x8xf32>
  %kr = caa.round %k : tensor<?x?x2x8xf32>
  %o, %lse = caa.attend queries(%qr, %w) keys(%kr) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %wi: f32, %kj: vector<8xf32>):
    %d = caa.dot %qi, %kj : vector<8xf32>
    %s = arith.mulf %d, %wi : f32
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %s, %m : f32, i1
  }
  %or = caa.round %o : tensor<?x?x2x8xf32>
  %copy = caa.map(%or) : (tensor<?x?x2x8xf32>) -> tensor<?x?x2x8xf32> {
  ^bb0(%a: f32):
    %b = arith.addf %a, %a : f32
    caa.yield %b : f32
  }
  %both = caa.map(%o) : (tensor<?x?x2x8xf32>) -> tensor<?x?x2x8xf32> {
  ^bb0(%a: f32):
    %b = arith.mulf %a, %a : f32
    caa.yield %b : f32
  }
  return %copy, %both : tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>
}
