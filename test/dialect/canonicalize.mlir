// Canonical forms of maps and attends.
// RUN: caa-opt %s --canonicalize | FileCheck %s

// Results that nobody reads, operands that nobody needs and operands given twice go.
// CHECK-LABEL: func.func @trim_map
// CHECK-NEXT: %[[R:.*]] = caa.map(%arg0) : (tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32>
// CHECK-NEXT: ^bb0(%[[X:.*]]: f32):
// CHECK-NEXT: %[[Y:.*]] = arith.mulf %[[X]], %[[X]]
// CHECK-NEXT: caa.yield %[[Y]] : f32
// CHECK: return %[[R]]
func.func @trim_map(%a: tensor<?x?x1x8xf32>, %b: tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32> {
  %0:2 = caa.map(%a, %b, %a) : (tensor<?x?x1x8xf32>, tensor<?x?x1x8xf32>, tensor<?x?x1x8xf32>) -> (tensor<?x?x1x8xf32>, tensor<?x?x1x8xf32>) {
  ^bb0(%x: f32, %y: f32, %z: f32):
    %p = arith.mulf %x, %z : f32
    %q = arith.mulf %x, %y : f32
    caa.yield %p, %q : f32, f32
  }
  return %0#0 : tensor<?x?x1x8xf32>
}

// One token-wise operand stays: it tells the batch and the length.
// CHECK-LABEL: func.func @keep_tokens
// CHECK: caa.map(%arg0, %arg1) : (tensor<?x?x1x1xi32>, tensor<1x8xf32>)
func.func @keep_tokens(%t: tensor<?x?x1x1xi32>, %h: tensor<1x8xf32>) -> tensor<?x?x1x8xf32> {
  %0 = caa.map(%t, %h) : (tensor<?x?x1x1xi32>, tensor<1x8xf32>) -> tensor<?x?x1x8xf32> {
  ^bb0(%x: i32, %y: f32):
    %p = arith.negf %y : f32
    caa.yield %p : f32
  }
  return %0 : tensor<?x?x1x8xf32>
}

// A map broadcasts by itself, knows constants, and is nothing where it only passes on.
// CHECK-LABEL: func.func @absorb
// CHECK-NEXT: %[[R:.*]] = caa.map(%arg0, %arg1) : (tensor<?x?x2x1xf32>, tensor<?x?x4x8xf32>) -> tensor<?x?x4x8xf32>
// CHECK: arith.constant 3.0
// CHECK: return %[[R]], %arg1
func.func @absorb(%a: tensor<?x?x2x1xf32>, %b: tensor<?x?x4x8xf32>) -> (tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>) {
  %c = caa.constant dense<3.0> : tensor<1x1xf32>
  %wide = caa.broadcast %a : tensor<?x?x2x1xf32> -> tensor<?x?x4x8xf32>
  %0:2 = caa.map(%wide, %b, %c) : (tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>, tensor<1x1xf32>) -> (tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>) {
  ^bb0(%x: f32, %y: f32, %z: f32):
    %p = arith.mulf %x, %y : f32
    %q = arith.addf %p, %z : f32
    caa.yield %q, %y : f32, f32
  }
  return %0#0, %0#1 : tensor<?x?x4x8xf32>, tensor<?x?x4x8xf32>
}

// A softmax of which only the log-sum-exp is read needs no value; a reduction that nobody reads goes, and its rows with it; one
// that stands twice stands once. What refers to rows by position still finds them.
// CHECK-LABEL: func.func @trim_attend
// CHECK-NEXT: %[[R:.*]]:2 = caa.attend queries(%arg0, %arg2) keys(%arg1) heads() reductions [#caa.reduce<softmax over keys>, #caa.reduce<kth over keys, count = 1>]
// CHECK-SAME: -> (tensor<?x?x4x1xf32>, tensor<?x?x4x1xf32>)
// CHECK: ^bb0(%{{.*}}: i64, %{{.*}}: i64, %{{.*}}: vector<8xf32>, %{{.*}}: i64, %{{.*}}: vector<8xf32>):
// CHECK: return %[[R]]#0, %[[R]]#0, %[[R]]#1
func.func @trim_attend(%q: tensor<?x?x4x8xf32>, %k: tensor<?x?x2x8xf32>, %n: tensor<?x?x4x1xi64>, %w: tensor<?x?x4x1xf32>, %v: tensor<?x?x2x8xf32>)
    -> (tensor<?x?x4x1xf32>, tensor<?x?x4x1xf32>, tensor<?x?x4x1xf32>) {
  %0:6 = caa.attend queries(%w, %q, %n) keys(%v, %k, %k) heads() reductions [
      #caa.reduce<softmax over keys, value = 0>, #caa.reduce<sum over keys, value = 0>, #caa.reduce<softmax over keys>,
      #caa.reduce<sum over queries>, #caa.reduce<kth over keys, count = 2>]
    : (tensor<?x?x4x1xf32>, tensor<?x?x4x8xf32>, tensor<?x?x4x1xi64>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>)
    -> (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>, tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>, tensor<?x?x4x1xf32>, tensor<?x?x4x1xf32>) {
  ^bb0(%i: i64, %j: i64, %wi: f32, %qi: vector<8xf32>, %ni: i64, %vj: vector<8xf32>, %kj: vector<8xf32>, %kj2: vector<8xf32>):
    %s = caa.dot %qi, %kj2 : vector<8xf32>
    %m = arith.cmpi sle, %j, %i : i64
    %zero = arith.constant 0.0 : f32
    %x = arith.select %m, %wi, %zero : f32
    caa.yield %s, %m, %x, %s, %m, %x, %s, %m : f32, i1, f32, f32, i1, f32, f32, i1
  }
  return %0#1, %0#3, %0#5 : tensor<?x?x4x1xf32>, tensor<?x?x4x1xf32>, tensor<?x?x4x1xf32>
}

// CHECK-LABEL: func.func @row_of_sum
// CHECK-NEXT: %[[R:.*]] = caa.reduce_tokens %arg0 : tensor<?x?x2x4xf32> -> tensor<8xf32>
// CHECK-NEXT: return %[[R]]
func.func @row_of_sum(%x: tensor<?x?x2x4xf32>) -> tensor<8xf32> {
  %0 = caa.reduce_tokens %x : tensor<?x?x2x4xf32> -> tensor<2x4xf32>
  %1 = caa.reshape %0 : tensor<2x4xf32> -> tensor<1x8xf32>
  %2 = caa.as_row %1 : tensor<1x8xf32> -> tensor<8xf32>
  return %2 : tensor<8xf32>
}

// What holds for the first key of a unit, or for none of them, is asked of that one; the largest of equal scores is each of them. What may
// begin to hold within a unit stays a question to all of its keys.
// CHECK-LABEL: func.func @first_of_unit
// CHECK: ^bb0(%[[I:.*]]: i64, %[[J:.*]]: i64,
// CHECK-DAG: %[[START:.*]] = caa.unit_start %[[J]] of 16
// CHECK-DAG: arith.cmpi sle, %[[START]], %[[I]]
// CHECK-DAG: arith.cmpi sge, %[[START]], %{{.*}}
// CHECK-DAG: caa.random %{{.*}}
// CHECK-NOT: caa.unit_reduce max
// CHECK: caa.unit_any %{{.*}} of 16
// CHECK-NOT: caa.unit_any
// CHECK: return
func.func @first_of_unit(%q: tensor<?x?x1x1xi64>, %k: tensor<?x?x1x8xf32>) -> tensor<?x?x1x1xf32> {
  %0 = caa.attend queries(%q) keys(%k) heads() reductions [#caa.reduce<kth over keys, count = 0>]
    : (tensor<?x?x1x1xi64>, tensor<?x?x1x8xf32>) -> tensor<?x?x1x1xf32> {
  ^bb0(%i: i64, %j: i64, %n: i64, %kj: vector<8xf32>):
    %sixteen = arith.constant 16 : i64
    %four = arith.constant 4 : i64
    %border = arith.constant 32 : i64
    %causal = arith.cmpi sle, %j, %i : i64
    %late = arith.cmpi sge, %j, %border : i64
    %member = arith.andi %causal, %late : i1
    %block = arith.floordivsi %j, %sixteen : i64
    %drawn = caa.random %i, %block
    %s = caa.unit_reduce max %drawn where %member of 16
    %within = arith.cmpi sge, %j, %four : i64
    %some = caa.unit_any %within of 16
    %start = caa.unit_start %j of 16
    %first = arith.cmpi eq, %j, %start : i64
    %m = arith.andi %some, %first : i1
    caa.yield %s, %m : f32, i1
  }
  return %0 : tensor<?x?x1x1xf32>
}
