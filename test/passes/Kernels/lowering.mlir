// Every way in which a value reaches a tile: heads that share, parts of the width, reshapes of what is computed, ragged widths, every
// element type. Each kernel against a naive interpreter.
// RUN: caa-opt %s --caa-form-kernels | caa-kernel-check | FileCheck %s
// RUN: caa-opt %s --caa-form-kernels --caa-lower-tokenwise | FileCheck %s --check-prefix=TILE
// CHECK: {{[0-9]+}} kernels agree, 0 differ

!x = tensor<?x?x1x32xf32>
!q = tensor<?x?x4x8xf32>
!k = tensor<?x?x2x8xf32>
!row = tensor<?x?x1x1xf32>
!i = tensor<?x?x1x1xi32>

caa.parameter @w : tensor<8xf32> {init = #caa.init<ones>}
caa.parameter @heads : tensor<4x8xf32> {init = #caa.init<ones>}
caa.parameter @table : tensor<40x600xf32> {init = #caa.init<ones>}

// Two head counts, a table that all heads share, a parameter per head, halves of what a map computes.
func.func @rotate(%q: !q, %k: !k, %p: !i) -> (!q, !k, !q) {
  %t = caa.rope_table %p : !i -> tensor<?x?x1x8xf32> {theta = 1.0e4 : f64}
  %w = caa.param @w : tensor<8xf32>
  %h = caa.as_head %w : tensor<8xf32> -> tensor<1x8xf32>
  %v = caa.param @heads : tensor<4x8xf32>
  %a = caa.map(%q, %h, %v, %k) : (!q, tensor<1x8xf32>, tensor<4x8xf32>, !k) -> !q {
  ^bb0(%0: f32, %1: f32, %2: f32, %3: f32):
    %4 = arith.mulf %0, %1 : f32
    %5 = arith.addf %4, %2 : f32
    %6 = arith.addf %5, %3 : f32
    caa.yield %6 : f32
  }
  %ra = caa.rope %a, %t : (!q, tensor<?x?x1x8xf32>) -> !q
  %rk = caa.rope %k, %t : (!k, tensor<?x?x1x8xf32>) -> !k
  %back = caa.rope %ra, %t : (!q, tensor<?x?x1x8xf32>) -> !q {inverse}
  return %ra, %rk, %back : !q, !k, !q
}

// TILE: func.func private @tokenwise_1
// The table is read once per block, before the loop over heads.
// TILE: tile.load {{.*}} : memref<?x1x8xf32>
// TILE: scf.for

// Sums over the width, over heads, over groups of heads; a kernel that needs the sum over heads in a second loop.
func.func @sums(%q: !q) -> (tensor<?x?x4x1xf32>, !k, tensor<?x?x1x8xf32>, !q) {
  %s = caa.reduce_width %q : !q -> tensor<?x?x4x1xf32>
  %g = caa.reduce_heads %q : !q -> !k
  %all = caa.reduce_heads %q : !q -> tensor<?x?x1x8xf32>
  %c = caa.map(%q, %all, %s) : (!q, tensor<?x?x1x8xf32>, tensor<?x?x4x1xf32>) -> !q {
  ^bb0(%0: f32, %1: f32, %2: f32):
    %3 = arith.subf %0, %1 : f32
    %4 = arith.mulf %3, %2 : f32
    %5 = caa.softplus %4 : f32
    caa.yield %5 : f32
  }
  return %s, %g, %all, %c : tensor<?x?x4x1xf32>, !k, tensor<?x?x1x8xf32>, !q
}

// Running sums from both ends of each row, of numbers and of vectors.
func.func @running(%q: !q, %n: tensor<?x?x4x1xf32>) -> (!q, !q, tensor<?x?x4x1xf32>, tensor<?x?x4x1xf32>) {
  %0 = caa.cumsum %q : !q
  %1 = caa.cumsum %q : !q {reverse}
  %2 = caa.cumsum %n : tensor<?x?x4x1xf32>
  %3 = caa.cumsum %n : tensor<?x?x4x1xf32> {reverse}
  return %0, %1, %2, %3 : !q, !q, tensor<?x?x4x1xf32>, tensor<?x?x4x1xf32>
}

// Values from earlier tokens, and back.
func.func @moves(%q: !q) -> (!q, !q, !q, !q, !q) {
  %0 = caa.shift %q by 3 : !q
  %1 = caa.shift %q by 70 : !q {reverse}
  %2 = caa.hold %q over 5 : !q
  %3 = caa.hold %q over 5 : !q {reverse}
  %4 = caa.hold %q over 64 : !q {reverse}
  return %0, %1, %2, %3, %4 : !q, !q, !q, !q, !q
}

// Values of blocks, at each of their tokens; the last block of a row is short.
func.func @blocks(%q: !q, %n: tensor<?x?x4x1xf32>) -> (!q, !q, !q, tensor<?x?x4x1xf32>) {
  %0 = caa.pool mean %q over 5 : !q
  %1 = caa.pool max %q over 16 : !q
  %2 = caa.pool sum %q over 96 : !q
  %3 = caa.pool mean %n over 1 : tensor<?x?x4x1xf32>
  return %0, %1, %2, %3 : !q, !q, !q, tensor<?x?x4x1xf32>
}

// Heads from a computed width and back; slices and concatenations.
func.func @shapes(%x: !x, %q: !q) -> (!q, !x, tensor<?x?x2x16xf32>, !k, tensor<?x?x4x12xf32>) {
  %e = caa.map(%x) : (!x) -> !x {
  ^bb0(%0: f32):
    %1 = math.exp %0 : f32
    caa.yield %1 : f32
  }
  %s = caa.reduce_width %e : !x -> !row
  %n = caa.map(%e, %s) : (!x, !row) -> !x {
  ^bb0(%0: f32, %1: f32):
    %2 = arith.divf %0, %1 : f32
    caa.yield %2 : f32
  }
  %heads = caa.reshape %n : !x -> !q
  %sum = caa.map(%heads, %q) : (!q, !q) -> !q {
  ^bb0(%0: f32, %1: f32):
    %2 = arith.addf %0, %1 : f32
    caa.yield %2 : f32
  }
  %whole = caa.reshape %sum : !q -> !x
  %t = caa.reduce_width %whole : !x -> !row
  %o = caa.map(%whole, %t) : (!x, !row) -> !x {
  ^bb0(%0: f32, %1: f32):
    %2 = arith.mulf %0, %1 : f32
    caa.yield %2 : f32
  }
  %pairs = caa.reshape %sum : !q -> tensor<?x?x2x16xf32>
  %part = caa.slice %pairs : tensor<?x?x2x16xf32> -> !k {start = 5 : i64}
  %half = caa.slice %sum : !q -> tensor<?x?x4x4xf32> {start = 2 : i64}
  %joined = caa.concat %half, %q : (tensor<?x?x4x4xf32>, !q) -> tensor<?x?x4x12xf32>
  return %sum, %o, %pairs, %part, %joined : !q, !x, tensor<?x?x2x16xf32>, !k, tensor<?x?x4x12xf32>
}

// Truth values, integers, f64; the index of a token and whether it has a next one; a constant per head.
func.func @elements(%doc: !i, %q: !q, %m: tensor<?x?x2x1xi1>) -> (tensor<?x?x4x1xi1>, tensor<?x?x1x1xi64>, tensor<?x?x1x1xf64>, !q, tensor<?x?x1x1xi1>) {
  %i = caa.index %doc : !i -> tensor<?x?x1x1xi64>
  %next = caa.has_next %doc : !i -> tensor<?x?x1x1xi1>
  %slopes = caa.constant dense<[[0.5], [0.25], [-1.0], [2.0]]> : tensor<4x1xf32>
  %flags = caa.map(%i, %doc, %m, %slopes) : (tensor<?x?x1x1xi64>, !i, tensor<?x?x2x1xi1>, tensor<4x1xf32>) -> tensor<?x?x4x1xi1> {
  ^bb0(%0: i64, %1: i32, %2: i1, %3: f32):
    %zero = arith.constant 0.0 : f32
    %4 = arith.extsi %1 : i32 to i64
    %5 = arith.cmpi sle, %4, %0 : i64
    %6 = arith.andi %5, %2 : i1
    %7 = arith.cmpf ogt, %3, %zero : f32
    %8 = arith.ori %6, %7 : i1
    caa.yield %8 : i1
  }
  %double = caa.map(%i) : (tensor<?x?x1x1xi64>) -> tensor<?x?x1x1xf64> {
  ^bb0(%0: i64):
    %1 = arith.sitofp %0 : i64 to f64
    %2 = math.sqrt %1 : f64
    caa.yield %2 : f64
  }
  %chosen = caa.map(%q, %flags, %slopes) : (!q, tensor<?x?x4x1xi1>, tensor<4x1xf32>) -> !q {
  ^bb0(%0: f32, %1: i1, %2: f32):
    %3 = arith.select %1, %0, %2 : f32
    %4 = caa.clip %3 : f32
    %5 = caa.round_bf16 %4 : f32
    caa.yield %5 : f32
  }
  return %flags, %i, %double, %chosen, %next : tensor<?x?x4x1xi1>, tensor<?x?x1x1xi64>, tensor<?x?x1x1xf64>, !q, tensor<?x?x1x1xi1>
}

// A width that column tiles do not divide; a table's rows, and their gradient; a sum over tokens beside them.
func.func @wide(%tokens: !i, %y: tensor<?x?x1x600xf32>) -> (tensor<?x?x1x600xf32>, tensor<1x600xf32>) {
  %table = caa.param @table : tensor<40x600xf32>
  %e = caa.embed %tokens, %table : (!i, tensor<40x600xf32>) -> tensor<?x?x1x600xf32>
  %s = caa.map(%e, %y) : (tensor<?x?x1x600xf32>, tensor<?x?x1x600xf32>) -> tensor<?x?x1x600xf32> {
  ^bb0(%0: f32, %1: f32):
    %2 = arith.mulf %0, %1 : f32
    %3 = caa.sigmoid %2 : f32
    caa.yield %3 : f32
  }
  %sum = caa.reduce_tokens %s : tensor<?x?x1x600xf32> -> tensor<1x600xf32>
  %g = caa.embed_grad %tokens, %s : (!i, tensor<?x?x1x600xf32>) -> tensor<40x600xf32>
  caa.accumulate @table, %g : tensor<40x600xf32>
  return %s, %sum : tensor<?x?x1x600xf32>, tensor<1x600xf32>
}

// Gradients of per-head values: summed over tokens with and without their heads, then more per-head work.
func.func @perHead(%q: !q) -> (tensor<4x8xf32>, tensor<4x1xf32>) {
  %w = caa.param @w : tensor<8xf32>
  %h = caa.as_head %w : tensor<8xf32> -> tensor<1x8xf32>
  %each = caa.reduce_tokens %q : !q -> tensor<4x8xf32>
  %d = caa.map(%each, %h) : (tensor<4x8xf32>, tensor<1x8xf32>) -> tensor<4x8xf32> {
  ^bb0(%0: f32, %1: f32):
    %2 = arith.mulf %0, %1 : f32
    %3 = math.tanh %2 : f32
    caa.yield %3 : f32
  }
  %r = caa.reduce_width %d : tensor<4x8xf32> -> tensor<4x1xf32>
  %joined = caa.reduce_heads %q : !q -> tensor<?x?x1x8xf32>
  %sum = caa.reduce_tokens %joined : tensor<?x?x1x8xf32> -> tensor<1x8xf32>
  %row = caa.as_row %sum : tensor<1x8xf32> -> tensor<8xf32>
  caa.accumulate @w, %row : tensor<8xf32>
  return %d, %r : tensor<4x8xf32>, tensor<4x1xf32>
}

// Reports, losses, counts, the loss of logits with and without gradients, with a bias, in chunks.
caa.parameter @head : tensor<1500x32xf32> {init = #caa.init<ones>}
caa.parameter @bias : tensor<1500xf32> {init = #caa.init<ones>}
func.func @losses(%x: !x, %q: !q, %tokens: !i, %mask: tensor<?x?x1x1xi1>, %d: !row) -> (!x, !x, tensor<?x?x1x1500xf32>) {
  caa.report %q : !q {name = "q", path = "here"}
  %v = caa.param @heads : tensor<4x8xf32>
  caa.report %v : tensor<4x8xf32> {name = "v", path = "here"}
  %m = caa.reduce_width %q : !q -> tensor<?x?x4x1xf32>
  caa.loss %m over %mask : tensor<?x?x1x1xi1> : tensor<?x?x4x1xf32> {name = "aux", index = 0 : i64}
  caa.loss %d : !row {name = "aux", index = 1 : i64}
  caa.loss_count over %mask : tensor<?x?x1x1xi1> {index = 0 : i64, heads = 4 : i64}
  caa.loss_count like %tokens : !i {index = 1 : i64, heads = 2 : i64}
  %w = caa.param @head : tensor<1500x32xf32>
  %b = caa.param @bias : tensor<1500xf32>
  caa.head_loss input(%x) weight(%w) tokens(%tokens) mask(%mask)
    : (!x, tensor<1500x32xf32>, !i, tensor<?x?x1x1xi1>) -> () {name = "loss", index = 2 : i64}
  %dx, %dw = caa.head_loss input(%x) weight(%w) tokens(%tokens) mask(%mask)
    : (!x, tensor<1500x32xf32>, !i, tensor<?x?x1x1xi1>) -> (!x, tensor<1500x32xf32>) {name = "loss", index = 2 : i64}
  %ex, %ew, %eb = caa.head_loss input(%x) weight(%w) bias(%b) tokens(%tokens) mask(%mask)
    : (!x, tensor<1500x32xf32>, tensor<1500xf32>, !i, tensor<?x?x1x1xi1>) -> (!x, tensor<1500x32xf32>, tensor<1500xf32>) {name = "loss", index = 3 : i64}
  caa.accumulate @head, %dw : tensor<1500x32xf32>
  caa.accumulate @head, %ew : tensor<1500x32xf32>
  caa.accumulate @bias, %eb : tensor<1500xf32>
  %logits = caa.linear %x, %w : (!x, tensor<1500x32xf32>) -> tensor<?x?x1x1500xf32>
  %loss = caa.cross_entropy %logits, %tokens : (tensor<?x?x1x1500xf32>, !i) -> !row
  caa.loss %loss : !row {name = "loss", index = 4 : i64}
  %dl = caa.cross_entropy_grad %logits, %tokens, %d : (tensor<?x?x1x1500xf32>, !i, !row) -> tensor<?x?x1x1500xf32>
  return %dx, %ex, %dl : !x, !x, tensor<?x?x1x1500xf32>
}
