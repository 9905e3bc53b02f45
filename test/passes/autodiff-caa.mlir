// Context-adaptive attention: its two branches share one forward pass over the keys, and its backward pass is five matrix
// products: one of scores, one of dO with the values, three sums. Nothing of it is special to this attention (mixture.mlir).
// RUN: caa-opt %S/inputs/caa.mlir --caa-decompose --caa-merge-attends --canonicalize --cse --caa-autodiff \
// RUN:   --caa-resolve-precision --canonicalize --cse --caa-factor-attend --canonicalize --cse | FileCheck %s

// CHECK-LABEL: func.func @caa.forward
// The ranking stays alone: what follows needs its threshold.
// CHECK: %[[TAU:.*]] = caa.attend {{.*}} reductions [#caa.reduce<kth over keys, count = 1>]
// CHECK: caa.attend queries(%{{.*}}, %{{.*}}, %[[TAU]]) keys(%{{.*}}, %{{.*}}) heads()
// CHECK-SAME: reductions [#caa.reduce<softmax over keys, value = 1>, #caa.reduce<softmax over keys, value = 1>]
// CHECK-COUNT-1: caa.dot
// CHECK-NOT: caa.dot
// CHECK-NOT: caa.attend

// CHECK-LABEL: func.func @caa.gradient(
// CHECK-SAME: %[[Q:[^:]*]]: tensor<?x?x4x8xf32> {caa.name = "q"}, %[[K:[^:]*]]: tensor<?x?x2x8xf32> {caa.name = "k"},
// CHECK-SAME: %[[V:[^:]*]]: tensor<?x?x2x8xf32> {caa.name = "v"}, %{{.*}} {caa.name = "x"}, %[[DO:[^:]*]]: tensor<?x?x4x8xf32> {caa.name = "d_out"})
// CHECK-SAME: -> (tensor<?x?x4x8xf32> {caa.name = "d_q"}, tensor<?x?x2x8xf32> {caa.name = "d_k"}, tensor<?x?x2x8xf32> {caa.name = "d_v"}, tensor<?x?x1x16xf32> {caa.name = "d_x"})
// CHECK: %[[GATE:.*]] = caa.map{{.*}} -> tensor<?x?x4x1xf32>
// CHECK: %[[TAU2:.*]] = caa.attend {{.*}}kth over keys
// CHECK: %[[OUT:.*]]:4 = caa.attend
// D of each branch: the row dO meets the branch's output, and the gate's number comes afterwards.
// CHECK: %[[NEAR:.*]] = caa.map(%[[DO]], %[[OUT]]#0)
// CHECK: %[[NEARSUM:.*]] = caa.reduce_width %[[NEAR]]
// CHECK: %[[DL:.*]] = caa.map(%[[GATE]], %[[NEARSUM]])
// CHECK: %[[GRADS:.*]]:4 = caa.attend queries(%[[Q]], {{.*}}, %[[TAU2]], {{.*}}, %[[DO]], %{{.*}}) keys(%[[K]], %[[V]]) heads()
// CHECK-SAME: reductions [#caa.reduce<sum over queries, value = 8>, #caa.reduce<sum over keys, value = 0>, #caa.reduce<sum over keys>, #caa.reduce<sum over queries, value = 0>]
// CHECK-COUNT-2: caa.dot
// CHECK-NOT: caa.dot
// CHECK: return %[[GRADS]]#1, %[[GRADS]]#3, %[[GRADS]]#0,
