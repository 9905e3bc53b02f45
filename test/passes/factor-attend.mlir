// The adjoint of a mixture that is in no model: one dot product with the values, three sums of rows. The mixing weights are
// per head here, so they enter as per-head values.
// RUN: caa-opt %S/inputs/mixture.mlir --caa-merge-attends --canonicalize --cse --caa-autodiff --canonicalize --cse \
// RUN:   --caa-factor-attend --canonicalize --cse | FileCheck %s

// CHECK-LABEL: func.func @mixture.gradient
// CHECK-SAME: %[[DO:[^:]*]]: tensor<?x?x4x8xf32> {caa.name = "d_out"}, %{{.*}}: tensor<1x1xf32> {caa.name = "d_norm"}
// CHECK: caa.attend {{.*}}softmax
// CHECK: %[[GRADS:.*]]:4 = caa.attend queries(%{{.*}}, %[[DO]]) keys(%{{.*}}, %{{.*}}) heads(%{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}) reductions [#caa.reduce<sum over queries, value = 5>, #caa.reduce<sum over keys, value = 0>, #caa.reduce<sum over queries, value = 0>, #caa.reduce<sum over keys>]
// CHECK-COUNT-2: caa.dot
// CHECK-NOT: caa.dot
// The slope's gradient: summed over keys in the attend, over tokens outside.
// CHECK: %[[SLOPE:.*]] = caa.reduce_tokens %[[GRADS]]#3
// CHECK: caa.accumulate @slope, %[[SLOPE]]
