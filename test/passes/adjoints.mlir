// Adjoints of the ops that move and sum components, of roundings, and of what is shared.
// RUN: caa-opt %s --caa-autodiff --canonicalize --cse | FileCheck %s

// The slices of one value give one concatenation, whole or with zeros where nothing was read.
// CHECK-LABEL: func.func @split.gradient
// CHECK-SAME: %[[D0:[^:]*]]: tensor<?x?x2x3xf32> {caa.name = "d_out"}, %[[D1:[^:]*]]: tensor<?x?x2x1xf32> {caa.name = "d_out1"}
// CHECK: %[[ZEROS:.*]] = caa.broadcast %{{.*}} like
// CHECK: %[[ALL:.*]] = caa.concat %[[D0]], %[[ZEROS]], %[[D1]] : (tensor<?x?x2x3xf32>, tensor<?x?x2x4xf32>, tensor<?x?x2x1xf32>) -> tensor<?x?x2x8xf32>
// CHECK: return %[[ALL]]
func.func @split(%x: tensor<?x?x2x8xf32> {caa.name = "x"}) -> (tensor<?x?x2x3xf32>, tensor<?x?x2x1xf32>) attributes {caa.export} {
  %0 = caa.slice %x : tensor<?x?x2x8xf32> -> tensor<?x?x2x3xf32> {start = 0 : i64}
  %1 = caa.slice %x : tensor<?x?x2x8xf32> -> tensor<?x?x2x1xf32> {start = 7 : i64}
  return %0, %1 : tensor<?x?x2x3xf32>, tensor<?x?x2x1xf32>
}

// CHECK-LABEL: func.func @join.gradient
// CHECK-DAG: caa.slice %[[D:.*]] : tensor<?x?x1x8xf32> -> tensor<?x?x1x6xf32> {start = 0 : i64}
// CHECK-DAG: caa.slice %[[D]] : tensor<?x?x1x8xf32> -> tensor<?x?x1x2xf32> {start = 6 : i64}
func.func @join(%x: tensor<?x?x1x6xf32> {caa.name = "x"}, %y: tensor<?x?x1x2xf32> {caa.name = "y"}) -> tensor<?x?x1x8xf32> attributes {caa.export} {
  %0 = caa.concat %x, %y : (tensor<?x?x1x6xf32>, tensor<?x?x1x2xf32>) -> tensor<?x?x1x8xf32>
  return %0 : tensor<?x?x1x8xf32>
}

// What a map broadcasts, its adjoint sums: over the width, over groups of heads, over tokens.
// CHECK-LABEL: func.func @spread.gradient
// CHECK: %[[MAP:.*]]:2 = caa.map(%{{.*}}, %{{.*}}, %{{.*}}) : {{.*}} -> (tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>)
// CHECK: %[[WIDTH:.*]] = caa.reduce_width %[[MAP]]#0 : tensor<?x?x4x8xf32> -> tensor<?x?x4x1xf32>
// CHECK: %[[DX:.*]] = caa.reduce_heads %[[WIDTH]] : tensor<?x?x4x1xf32> -> tensor<?x?x2x1xf32>
// CHECK: %[[DP:.*]] = caa.reduce_tokens %[[MAP]]#1 : tensor<?x?x4x8xf32> -> tensor<4x8xf32>
// CHECK: caa.accumulate @p, %[[DP]]
// CHECK: return %[[DX]]
caa.parameter @p : tensor<4x8xf32> {init = #caa.init<zeros>}
func.func @spread(%x: tensor<?x?x2x1xf32> {caa.name = "x"}) -> tensor<?x?x4x8xf32> attributes {caa.export} {
  %p = caa.param @p : tensor<4x8xf32>
  %0 = caa.map(%x, %p) : (tensor<?x?x2x1xf32>, tensor<4x8xf32>) -> tensor<?x?x4x8xf32> {
  ^bb0(%a: f32, %b: f32):
    %r = arith.mulf %a, %b : f32
    caa.yield %r : f32
  }
  return %0 : tensor<?x?x4x8xf32>
}

// What was moved here goes back where it came from.
// CHECK-LABEL: func.func @moved.gradient
// CHECK: %[[HELD:.*]] = caa.hold %{{.*}} over 4 : tensor<?x?x2x3xf32> {reverse}
// CHECK: %[[DX:.*]] = caa.shift %[[HELD]] by 2 : tensor<?x?x2x3xf32> {reverse}
// CHECK: return %[[DX]]
func.func @moved(%x: tensor<?x?x2x3xf32> {caa.name = "x"}) -> tensor<?x?x2x3xf32> attributes {caa.export} {
  %0 = caa.shift %x by 2 : tensor<?x?x2x3xf32>
  %1 = caa.hold %0 over 4 : tensor<?x?x2x3xf32>
  return %1 : tensor<?x?x2x3xf32>
}

// What a running sum got at a token comes from all later tokens.
// CHECK-LABEL: func.func @running.gradient
// CHECK-SAME: %[[D:[^:]*]]: tensor<?x?x2x3xf32> {caa.name = "d_out"}
// CHECK: %[[DX:.*]] = caa.cumsum %[[D]] : tensor<?x?x2x3xf32> {reverse}
// CHECK: return %[[DX]]
func.func @running(%x: tensor<?x?x2x3xf32> {caa.name = "x"}) -> tensor<?x?x2x3xf32> attributes {caa.export} {
  %0 = caa.cumsum %x : tensor<?x?x2x3xf32>
  return %0 : tensor<?x?x2x3xf32>
}

// A sum's adjoint is a broadcast, which the next map reads as it is.
// CHECK-LABEL: func.func @energy.gradient
// CHECK: %[[DX:.*]] = caa.map(%{{.*}}, %{{.*}}) : (tensor<?x?x4x8xf32>, tensor<?x?x2x1xf32>) -> tensor<?x?x4x8xf32>
// CHECK: return %[[DX]]
func.func @energy(%x: tensor<?x?x4x8xf32> {caa.name = "x"}) -> tensor<?x?x2x1xf32> attributes {caa.export} {
  %0 = caa.map(%x) : (tensor<?x?x4x8xf32>) -> tensor<?x?x4x8xf32> {
  ^bb0(%a: f32):
    %r = arith.mulf %a, %a : f32
    caa.yield %r : f32
  }
  %1 = caa.reduce_width %0 : tensor<?x?x4x8xf32> -> tensor<?x?x4x1xf32>
  %2 = caa.reduce_heads %1 : tensor<?x?x4x1xf32> -> tensor<?x?x2x1xf32>
  return %2 : tensor<?x?x2x1xf32>
}

// The gradient of a rounded value is rounded once, complete; a parameter's is not. What is stopped gets zeros.
// CHECK-LABEL: func.func @rounded.gradient
// CHECK-SAME: %[[D:[^:]*]]: tensor<?x?x1x4xf32> {caa.name = "d_out"}
// CHECK: %[[DX:.*]] = caa.linear_input_grad %[[D]]
// CHECK: %[[DW:.*]] = caa.linear_weight_grad %[[D]]
// CHECK: %[[TWICE:.*]] = caa.map(%[[D]], %[[DX]])
// CHECK: %[[ROUND:.*]] = caa.round %[[TWICE]]
// CHECK: caa.accumulate @w, %[[DW]]
// CHECK: %[[ZEROS:.*]] = caa.broadcast
// CHECK: return %[[ROUND]], %[[ZEROS]]
caa.parameter @w : tensor<4x4xf32> {init = #caa.init<zeros>}
func.func @rounded(%x: tensor<?x?x1x4xf32> {caa.name = "x"}, %y: tensor<?x?x1x4xf32> {caa.name = "y"}) -> tensor<?x?x1x4xf32> attributes {caa.export} {
  %w = caa.param @w : tensor<4x4xf32>
  %wr = caa.round %w : tensor<4x4xf32>
  %xr = caa.round %x : tensor<?x?x1x4xf32>
  %l = caa.linear %xr, %wr : (tensor<?x?x1x4xf32>, tensor<4x4xf32>) -> tensor<?x?x1x4xf32>
  %s = caa.stop %y : tensor<?x?x1x4xf32>
  %0 = caa.map(%l, %xr, %s) : (tensor<?x?x1x4xf32>, tensor<?x?x1x4xf32>, tensor<?x?x1x4xf32>) -> tensor<?x?x1x4xf32> {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %t = arith.addf %a, %b : f32
    %r = arith.addf %t, %c : f32
    caa.yield %r : f32
  }
  return %0 : tensor<?x?x1x4xf32>
}

// CHECK-NOT: caa.stop

// A loss inside an export has a gradient of its own, and a count.
// CHECK-LABEL: func.func @aux.forward
// CHECK: caa.loss
// CHECK-LABEL: func.func @aux.loss_counts
// CHECK: caa.loss_count like %{{.*}} : tensor<?x?x2x1xf32> {heads = 2 : i64, index = 0 : i64}
// CHECK-LABEL: func.func @aux.gradient
// CHECK-SAME: {caa.name = "d_out"}, %[[DL:[^:]*]]: tensor<1x1xf32> {caa.name = "d_size"})
// CHECK: %[[SCALE:.*]] = caa.loss_scale 0 : tensor<1x1xf32>
// CHECK: caa.map(%{{.*}}, %{{.*}})
// CHECK-NOT: caa.loss %
// CHECK: return
func.func @aux(%x: tensor<?x?x2x1xf32> {caa.name = "x"}) -> tensor<?x?x2x1xf32> attributes {caa.export} {
  %0 = caa.map(%x) : (tensor<?x?x2x1xf32>) -> tensor<?x?x2x1xf32> {
  ^bb0(%a: f32):
    %r = arith.mulf %a, %a : f32
    caa.yield %r : f32
  }
  caa.loss %0 : tensor<?x?x2x1xf32> {name = "size", index = 0 : i64}
  return %0 : tensor<?x?x2x1xf32>
}

// A maximum over keys: the gradient goes to the first key that attains it, which a small attend finds.
// CHECK-LABEL: func.func @most.gradient
// CHECK: %[[PEAK:.*]] = caa.attend queries(%[[X:.*]]) keys(%[[Y:.*]]) heads() reductions [#caa.reduce<max over keys>]
// CHECK: %[[FIRST:.*]] = caa.attend queries(%[[X]], %[[PEAK]]) keys(%[[Y]]) heads() reductions [#caa.reduce<max over keys>]
// CHECK: %[[ATTAINS:.*]] = arith.cmpf oeq
// CHECK: %[[MEMBER:.*]] = arith.andi %{{.*}}, %[[ATTAINS]]
// CHECK: %[[LATE:.*]] = arith.negf
// CHECK: caa.yield %[[LATE]], %[[MEMBER]]
// CHECK: caa.attend queries(%[[X]], %{{.*}}, %[[PEAK]], %[[FIRST]]) keys(%[[Y]]) heads() reductions [#caa.reduce<sum over keys>, #caa.reduce<sum over queries>]
func.func @most(%x: tensor<?x?x2x1xf32> {caa.name = "x"}, %y: tensor<?x?x2x1xf32> {caa.name = "y"}) -> tensor<?x?x2x1xf32> attributes {caa.export} {
  %0 = caa.attend queries(%x) keys(%y) heads() reductions [#caa.reduce<max over keys>]
      : (tensor<?x?x2x1xf32>, tensor<?x?x2x1xf32>) -> tensor<?x?x2x1xf32> {
  ^bb0(%i: i64, %j: i64, %a: f32, %b: f32):
    %s = arith.mulf %a, %b : f32
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %s, %m : f32, i1
  }
  return %0 : tensor<?x?x2x1xf32>
}
