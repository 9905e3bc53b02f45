// A head and its loss run in chunks of tokens; a head that cannot says why.
// RUN: caa-opt %S/inputs/dense.mlir --caa-decompose --caa-autodiff --caa-resolve-precision --caa-fuse-head-loss --canonicalize --cse | FileCheck %s
// RUN: caa-opt %s --caa-autodiff --caa-fuse-head-loss --remark-format=emitRemark --remarks-filter=loss 2>&1 | FileCheck %s --check-prefix=REMARK

// Generation samples from whole logits, of the last token.
// CHECK-LABEL: func.func @logits
// CHECK: caa.logits

// CHECK-LABEL: func.func @eval_step
// CHECK: %[[NEXT:.*]] = caa.has_next %[[TOKENS:.*]] :
// CHECK: caa.head_loss input(%{{.*}}) weight(%{{.*}}) tokens(%[[TOKENS]]) mask(%[[NEXT]]) : ({{.*}}) -> () {index = 0 : i64, name = "loss"}
// CHECK-NOT: caa.cross_entropy

// CHECK-LABEL: func.func @micro_step
// CHECK: %[[HEAD:.*]]:2 = caa.head_loss input(%{{.*}}) weight(%{{.*}}) tokens(%{{.*}}) mask(%{{.*}}) :
// CHECK-SAME: -> (tensor<?x?x1x16xf32>, tensor<64x16xf32>) {index = 0 : i64, name = "loss"}
// CHECK: caa.accumulate @model.embed_tokens.weight, %[[HEAD]]#1
// CHECK-NOT: tensor<?x?x1x64xf32>

// Capped logits are more than a linear.
// REMARK: fuse-head-loss.mlir:[[@LINE+17]]:10: remark: [Missed] whole-logits
// REMARK-SAME: the logits of all tokens are held at once: its logits are more than a linear
// REMARK-LABEL: func.func @micro_step
// REMARK: caa.cross_entropy_grad
module {
  caa.parameter @table : tensor<8x4xf32> {init = #caa.init<ones>}
  func.func @model(%tokens: tensor<?x?x1x1xi32> {caa.name = "tokens"}) {
    %0 = caa.param @table : tensor<8x4xf32>
    %1 = caa.embed %tokens, %0 : (tensor<?x?x1x1xi32>, tensor<8x4xf32>) -> tensor<?x?x1x4xf32>
    %2 = caa.linear %1, %0 : (tensor<?x?x1x4xf32>, tensor<8x4xf32>) -> tensor<?x?x1x8xf32>
    %3 = caa.map(%2) : (tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32> {
    ^bb0(%a: f32):
      %t = math.tanh %a : f32
      caa.yield %t : f32
    }
    %n = caa.has_next %tokens : tensor<?x?x1x1xi32> -> tensor<?x?x1x1xi1>
    // The place that the remark names.
    %4 = caa.cross_entropy %3, %tokens : (tensor<?x?x1x8xf32>, tensor<?x?x1x1xi32>) -> tensor<?x?x1x1xf32>
    caa.loss %4 over %n : tensor<?x?x1x1xi1> : tensor<?x?x1x1xf32> {name = "loss", index = 0 : i64}
    return
  }
}
