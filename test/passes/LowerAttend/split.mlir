// An adjoint in two kernels: each axis has its own attend, with what only that one needs.
// RUN: caa-opt --caa-split-attends --canonicalize --cse %s | FileCheck %s

// CHECK-LABEL: func.func @adjoint
// CHECK: %[[KEYS:.*]]:2 = caa.attend {{.*}} reductions [#caa.reduce<sum over queries, value = 0>, #caa.reduce<sum over queries>]
// CHECK:   caa.yield %[[W:.*]], %[[W]] : f32, f32
// CHECK: %[[QUERIES:.*]] = caa.attend {{.*}} reductions [#caa.reduce<sum over keys, value = 0>]
// CHECK:   caa.yield %{{[^,]*}} : f32
// CHECK: return %[[KEYS]]#0, %[[QUERIES]], %[[KEYS]]#1
func.func @adjoint(%q: tensor<?x?x2x8xf32>, %k: tensor<?x?x1x8xf32>)
    -> (tensor<?x?x1x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>) {
  %dk, %dq, %s = caa.attend queries(%q) keys(%k) heads()
      reductions [#caa.reduce<sum over queries, value = 0>, #caa.reduce<sum over keys, value = 0>, #caa.reduce<sum over queries>]
      : (tensor<?x?x2x8xf32>, tensor<?x?x1x8xf32>) -> (tensor<?x?x1x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %kj: vector<8xf32>):
    %d = caa.dot %qi, %kj : vector<8xf32>
    caa.yield %d, %d, %d : f32, f32, f32
  }
  return %dk, %dq, %s : tensor<?x?x1x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>
}
