// What backward reads of the forward pass: matrix products, attention's results and the residual stream are kept; norms,
// rotations and the gated product are computed again from them.
// RUN: caa-opt %S/inputs/dense.mlir --caa-decompose --canonicalize --cse --caa-autodiff --caa-resolve-precision \
// RUN:   --caa-fuse-head-loss --canonicalize --cse --caa-recompute --canonicalize --cse | FileCheck %s
// RUN: caa-opt %S/inputs/dense.mlir --caa-decompose --caa-autodiff --caa-resolve-precision --caa-recompute=policy=off \
// RUN:   | FileCheck %s --check-prefix=OFF
// RUN: not caa-opt %S/inputs/dense.mlir --caa-recompute=policy=all 2>&1 | FileCheck %s --check-prefix=ERROR

// ERROR: error: unknown policy `all`: off or cheap

// OFF-NOT: caa.recomputed

// Per layer, in floats: the residual twice 16, sums of squares of the four norms 1 + 4 + 2 + 1, q 16, k 8, v 8, the attention's
// output 16 and log-sum-exp 4, gate and up 24 + 24: 140. Two layers, the last residual 16 with its sum 1, the rotation table
// 4: 301 floats, 1204 bytes.
// CHECK-LABEL: func.func @micro_step
// CHECK-SAME: caa.kept_bytes_per_token = 1204 : i64
// CHECK: %[[K:.*]] = caa.rope
// CHECK: %[[GATE:.*]] = caa.linear %{{.*}} -> tensor<?x?x1x24xf32>
// CHECK: %[[UP:.*]] = caa.linear %{{.*}} -> tensor<?x?x1x24xf32>
// CHECK: caa.head_loss
// CHECK: %[[PRODUCT:.*]] = caa.map(%{{.*}}, %{{.*}}) : (tensor<?x?x1x24xf32>, tensor<?x?x1x24xf32>) -> tensor<?x?x1x24xf32> attributes {caa.recomputed}
// CHECK: caa.linear_weight_grad %{{.*}}, %[[PRODUCT]]
// CHECK: caa.rope {{.*}} {caa.recomputed}
