// Attentions that cost more than they need say why.
// RUN: caa-opt --caa-lower-attend="queries=64 keys=64" %s --remark-format=emitRemark --remarks-filter=attention -o /dev/null 2>&1 | FileCheck %s

// CHECK: remarks.mlir:[[#@LINE+3]]:{{.*}} remark: [Missed] quadratic-rank | {{.*}}ranking tokens looks at 100 % of all earlier keys at 16k
func.func private @rank(%q: tensor<?x?x2x8xf32>, %n: tensor<?x?x1x1xi64>, %k: tensor<?x?x1x8xf32>) -> tensor<?x?x2x1xf32>
    attributes {caa.kernel} {
  %tau = caa.attend queries(%q, %n) keys(%k) heads() reductions [#caa.reduce<kth over keys, count = 1>]
      : (tensor<?x?x2x8xf32>, tensor<?x?x1x1xi64>, tensor<?x?x1x8xf32>) -> tensor<?x?x2x1xf32> {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %ni: i64, %kj: vector<8xf32>):
    %d = caa.dot %qi, %kj : vector<8xf32>
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %d, %m : f32, i1
  }
  return %tau : tensor<?x?x2x1xf32>
}

// Every eighth token.
// CHECK: remarks.mlir:[[#@LINE+2]]:{{.*}} remark: [Missed] strided-set | {{.*}}only 12 % of the scores
func.func private @strided(%q: tensor<?x?x2x8xf32>, %k: tensor<?x?x1x8xf32>) -> tensor<?x?x2x8xf32> attributes {caa.kernel} {
  %o, %lse = caa.attend queries(%q) keys(%k) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x2x8xf32>, tensor<?x?x1x8xf32>) -> (tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %kj: vector<8xf32>):
    %eight = arith.constant 8 : i64
    %none = arith.constant 0 : i64
    %d = caa.dot %qi, %kj : vector<8xf32>
    %causal = arith.cmpi sle, %j, %i : i64
    %back = arith.subi %i, %j : i64
    %phase = arith.remsi %back, %eight : i64
    %on = arith.cmpi eq, %phase, %none : i64
    %m = arith.andi %causal, %on : i1
    caa.yield %d, %m : f32, i1
  }
  return %o : tensor<?x?x2x8xf32>
}

// A condition that intervals say nothing about.
// CHECK: remarks.mlir:[[#@LINE+9]]:{{.*}} remark: [Missed] unbounded-condition | {{.*}}no tile can be skipped by this condition
func.func private @scattered(%q: tensor<?x?x2x8xf32>, %k: tensor<?x?x1x8xf32>) -> tensor<?x?x2x8xf32> attributes {caa.kernel} {
  %o, %lse = caa.attend queries(%q) keys(%k) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x2x8xf32>, tensor<?x?x1x8xf32>) -> (tensor<?x?x2x8xf32>, tensor<?x?x2x1xf32>) {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %kj: vector<8xf32>):
    %c = arith.constant 1000 : i64
    %d = caa.dot %qi, %kj : vector<8xf32>
    %mixed = arith.xori %i, %j : i64
    %causal = arith.cmpi sle, %j, %i : i64
    %on = arith.cmpi slt, %mixed, %c : i64
    %m = arith.andi %causal, %on : i1
    caa.yield %d, %m : f32, i1
  }
  return %o : tensor<?x?x2x8xf32>
}
