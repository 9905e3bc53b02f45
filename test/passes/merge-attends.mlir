// Branches over the same rows become one attend; what cannot join says why.
// RUN: caa-opt %S/inputs/mixture.mlir --caa-merge-attends | FileCheck %s
// RUN: caa-opt %S/inputs/caa.mlir --caa-merge-attends --remark-format=emitRemark --remarks-filter=attention -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// REMARK: caa.mlir:84:14: remark: [Passed] merged-attention
// REMARK: caa.mlir:67:15: remark: [Missed] separate-attention
// REMARK-SAME: computes scores of the same queries and keys again in a pass of its own: it needs a result of the other one

// A soft cap, a slope per head, a hard window and the first keys: one score for both branches.
// CHECK-LABEL: func.func @mixture
// CHECK: %[[OUT:.*]]:4 = caa.attend queries(%{{.*}}) keys(%{{.*}}, %{{.*}}) heads({{.*}}) reductions [#caa.reduce<softmax over keys, value = 1>, #caa.reduce<softmax over keys, value = 1>]
// CHECK-COUNT-1: caa.dot
// CHECK-NOT: caa.dot
// CHECK-NOT: math.tanh{{.*}}math.tanh
// CHECK: caa.yield %[[S:.*]], %{{.*}}, %[[S]], %{{.*}} : f32, i1, f32, i1
// CHECK: caa.map(%{{.*}}, %[[OUT]]#0, %[[OUT]]#2)
// CHECK: caa.map(%[[OUT]]#1)
