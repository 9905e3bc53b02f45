// The dense decoder: what each function made by autodiff holds, and the last layer's backward pass.
// RUN: caa-opt %S/inputs/dense.mlir --caa-decompose --canonicalize --cse --caa-autodiff --caa-resolve-precision --canonicalize --cse | FileCheck %s

// CHECK: caa.precision = "fp32"

// Logits only, and only from what they need.
// CHECK-LABEL: func.func @logits
// CHECK-NOT: caa.loss
// CHECK: caa.logits
// CHECK-NOT: caa.cross_entropy

// Losses only.
// CHECK-LABEL: func.func @eval_step
// CHECK-NOT: caa.logits
// CHECK: caa.loss %{{.*}} over
// CHECK-NOT: caa.accumulate

// Counts come from masks alone.
// CHECK-LABEL: func.func @loss_counts(
// CHECK-NEXT: %[[NEXT:.*]] = caa.has_next %{{.*}}
// CHECK-NEXT: caa.loss_count over %[[NEXT]] : tensor<?x?x1x1xi1> {heads = 1 : i64, index = 0 : i64}
// CHECK-NEXT: return

// CHECK-LABEL: func.func @micro_step
// The last layer's attention ...
// CHECK: caa.attend
// CHECK: %[[OUT:.*]]:2 = caa.attend queries(%[[Q:.*]]) keys(%[[K:.*]], %[[V:.*]]) heads()
// ... the loss, its seed ...
// CHECK: caa.loss
// CHECK: %[[SCALE:.*]] = caa.loss_scale 0
// CHECK: caa.cross_entropy_grad
// CHECK: caa.linear_input_grad
// CHECK: caa.linear_weight_grad
// ... and its adjoint: one attend of three sums, with grouped queries summed into fewer heads.
// CHECK: %[[DOO:.*]] = caa.map(%[[DO:.*]], %[[OUT]]#0)
// CHECK: %[[D:.*]] = caa.reduce_width %[[DOO]]
// CHECK: %[[GRADS:.*]]:3 = caa.attend queries(%[[Q]], %[[OUT]]#1, %[[DO]], %[[D]]) keys(%[[K]], %[[V]]) heads()
// CHECK-SAME: reductions [#caa.reduce<sum over queries, value = 2>, #caa.reduce<sum over keys, value = 0>, #caa.reduce<sum over queries, value = 0>]
// CHECK-SAME: -> (tensor<?x?x2x4xf32>, tensor<?x?x4x4xf32>, tensor<?x?x2x4xf32>)
// CHECK: %[[S:.*]] = caa.dot %[[QI:.*]], %[[KJ:.*]] :
// CHECK: %[[MEMBER:.*]] = arith.cmpi sle
// CHECK: %[[SHIFTED:.*]] = arith.subf
// CHECK: %[[E:.*]] = math.exp %[[SHIFTED]]
// CHECK: %[[P:.*]] = arith.select %[[MEMBER]], %[[E]], %{{.*}} : f32
// CHECK: %[[DP:.*]] = caa.dot
// CHECK: %[[T:.*]] = arith.subf %[[DP]]
// CHECK: %[[DS:.*]] = arith.mulf %[[P]], %[[T]] : f32
// CHECK: %[[SCALED:.*]] = arith.mulf %[[DS]]
// CHECK: caa.yield %[[P]], %[[SCALED]], %[[SCALED]] : f32, f32, f32
// Rotations are undone.
// CHECK: caa.rope %[[GRADS]]#1, %{{.*}} {inverse}
// CHECK-NOT: func.func @model

// The table is read by the head and by the embedding: both add to its gradient, neither is kept for the other.
// RUN: caa-opt %S/inputs/dense.mlir --caa-decompose --caa-autodiff | FileCheck %s --check-prefix=TABLE
// TABLE-LABEL: func.func @micro_step
// TABLE: %[[PRODUCT:.*]] = caa.linear_weight_grad %{{.*}} -> tensor<64x16xf32>
// TABLE: caa.accumulate @model.embed_tokens.weight, %[[PRODUCT]]
// TABLE: %[[SCATTER:.*]] = caa.embed_grad
// TABLE: caa.accumulate @model.embed_tokens.weight, %[[SCATTER]]
