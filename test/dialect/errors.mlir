// Every verifier of the caa dialect, refusing what it is there to refuse.
// RUN: caa-opt %s -split-input-file -verify-diagnostics

//===-- cumsum --------------------------------------------------------------------------------------------------------===//

func.func @f(%a: tensor<4x8xf32>) {
  // expected-error @+1 {{must be token-wise value of f32}}
  %r = "caa.cumsum"(%a) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x1x8xf32>) {
  // expected-error @+1 {{requires the same type for all operands and results}}
  %r = "caa.cumsum"(%a) : (tensor<?x?x1x8xf32>) -> tensor<?x?x8x1xf32>
  return
}

// -----

//===-- random --------------------------------------------------------------------------------------------------------===//

func.func @f() {
  // expected-error @+1 {{needs an integer to hash}}
  %r = caa.random
  return
}

// -----

//===-- units of keys -------------------------------------------------------------------------------------------------===//

func.func @f(%q: tensor<?x?x1x8xf32>, %k: tensor<?x?x1x8xf32>) {
  %0 = caa.attend queries(%q) keys(%k) heads() reductions [#caa.reduce<max over keys>]
      : (tensor<?x?x1x8xf32>, tensor<?x?x1x8xf32>) -> tensor<?x?x1x1xf32> {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %kj: vector<8xf32>):
    // expected-error @+1 {{takes a row of a key operand}}
    %row = caa.unit_row %qi of 4 : vector<8xf32>
    %s = caa.dot %qi, %row : vector<8xf32>
    %m = arith.cmpi sle, %j, %i : i64
    caa.yield %s, %m : f32, i1
  }
  return
}

// -----

func.func @f(%q: tensor<?x?x1x8xf32>, %k: tensor<?x?x1x8xf32>) {
  %0 = caa.attend queries(%q) keys(%k) heads() reductions [#caa.reduce<max over keys>]
      : (tensor<?x?x1x8xf32>, tensor<?x?x1x8xf32>) -> tensor<?x?x1x1xf32> {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %kj: vector<8xf32>):
    %s = caa.dot %qi, %kj : vector<8xf32>
    %m = arith.cmpi sle, %j, %i : i64
    %a = caa.unit_any %m of 4
    // expected-error @+1 {{has units of 8 tokens in an attend with units of 4}}
    %r = caa.unit_reduce max %s where %a of 8
    caa.yield %r, %m : f32, i1
  }
  return
}

// -----

func.func @f(%q: tensor<?x?x1x8xf32>, %k: tensor<?x?x1x8xf32>) {
  %0 = caa.attend queries(%q) keys(%k) heads() reductions [#caa.reduce<max over keys>]
      : (tensor<?x?x1x8xf32>, tensor<?x?x1x8xf32>) -> tensor<?x?x1x1xf32> {
  ^bb0(%i: i64, %j: i64, %qi: vector<8xf32>, %kj: vector<8xf32>):
    %s = caa.dot %qi, %kj : vector<8xf32>
    // expected-error @+1 {{needs units of at least one token}}
    %b = caa.unit_start %j of 0
    %m = arith.cmpi sle, %b, %i : i64
    caa.yield %s, %m : f32, i1
  }
  return
}

// -----

//===-- shift and hold ------------------------------------------------------------------------------------------------===//

func.func @f(%x: tensor<?x?x1x8xf32>) {
  // expected-error @+1 {{shifts by a number of tokens that is not negative}}
  %0 = caa.shift %x by -1 : tensor<?x?x1x8xf32>
  return
}

// -----

func.func @f(%x: tensor<?x?x1x8xf32>) {
  // expected-error @+1 {{needs blocks of at least one token}}
  %0 = caa.hold %x over 0 : tensor<?x?x1x8xf32>
  return
}

// -----

//===-- pool ----------------------------------------------------------------------------------------------------------===//

func.func @f(%x: tensor<?x?x1x8xf32>) {
  // expected-error @+1 {{needs blocks of at least one token}}
  %0 = caa.pool mean %x over 0 : tensor<?x?x1x8xf32>
  return
}

// -----

//===-- map -----------------------------------------------------------------------------------------------------------===//

func.func @f(%a: tensor<?x?x1x8xf32>) {
  // expected-error @+1 {{needs a result}}
  "caa.map"(%a) ({
  ^bb0(%x: f32):
    caa.yield
  }) : (tensor<?x?x1x8xf32>) -> ()
  return
}

// -----

func.func @f(%a: tensor<?x?x1x8xf32>) {
  // expected-error @+1 {{results are per-head exactly if every operand is}}
  %r = caa.map(%a) : (tensor<?x?x1x8xf32>) -> (tensor<1x8xf32>) {
  ^bb0(%x0: f32):
    caa.yield %x0 : f32
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x1x8xf32>) {
  // expected-error @+1 {{results differ in heads or width}}
  %r:2 = caa.map(%a) : (tensor<?x?x1x8xf32>) -> (tensor<?x?x1x8xf32>, tensor<?x?x1x4xf32>) {
  ^bb0(%x0: f32):
    caa.yield %x0, %x0 : f32, f32
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x1x8xf32>) {
  // expected-error @+1 {{region needs one argument per operand}}
  %r = caa.map(%a) : (tensor<?x?x1x8xf32>) -> (tensor<?x?x1x8xf32>) {
  ^bb0(%x0: f32, %x1: f32):
    caa.yield %x0 : f32
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x3x8xf32>) {
  // expected-error @+1 {{operand's 3 heads do not divide the result's 4}}
  %r = caa.map(%a) : (tensor<?x?x3x8xf32>) -> (tensor<?x?x4x8xf32>) {
  ^bb0(%x0: f32):
    caa.yield %x0 : f32
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x1x4xf32>) {
  // expected-error @+1 {{operand's width 4 is neither 1 nor the result's 8}}
  %r = caa.map(%a) : (tensor<?x?x1x4xf32>) -> (tensor<?x?x1x8xf32>) {
  ^bb0(%x0: f32):
    caa.yield %x0 : f32
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x1x8xf32>) {
  // expected-error @+1 {{region argument 0 must be 'f32'}}
  %r = caa.map(%a) : (tensor<?x?x1x8xf32>) -> (tensor<?x?x1x8xf32>) {
  ^bb0(%x0: f64):
    caa.yield %x0 : f64
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x1x8xf32>) {
  // expected-error @+1 {{must yield one scalar per result}}
  %r = caa.map(%a) : (tensor<?x?x1x8xf32>) -> (tensor<?x?x1x8xf32>) {
  ^bb0(%x0: f32):
    caa.yield %x0, %x0 : f32, f32
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x1x8xf32>) {
  // expected-error @+1 {{yields 'f32' for a result of 'i64'}}
  %r = caa.map(%a) : (tensor<?x?x1x8xf32>) -> (tensor<?x?x1x8xi64>) {
  ^bb0(%x0: f32):
    caa.yield %x0 : f32
  }
  return
}

//===-- linear, embed, norms, rotation --------------------------------------------------------------------------------===//

func.func @f(%a: tensor<?x?x1x8xf32>, %b: tensor<6x8xf32>) {
  // expected-error @+1 {{weight must be [4, 8]}}
  %r = caa.linear %a, %b : (tensor<?x?x1x8xf32>, tensor<6x8xf32>) -> tensor<?x?x1x4xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x1x8xf32>, %b: tensor<4x8xf32>, %c: tensor<3xf32>) {
  // expected-error @+1 {{bias must have 4 components}}
  %r = caa.linear %a, %b, %c : (tensor<?x?x1x8xf32>, tensor<4x8xf32>, tensor<3xf32>) -> tensor<?x?x1x4xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x1x1xf32>, %b: tensor<4x8xf32>) {
  // expected-error @+1 {{index must be one integer per token}}
  %r = caa.embed %a, %b : (tensor<?x?x1x1xf32>, tensor<4x8xf32>) -> tensor<?x?x1x8xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x1x1xi32>, %b: tensor<4x8xf32>) {
  // expected-error @+1 {{result must be one head as wide as the table}}
  %r = caa.embed %a, %b : (tensor<?x?x1x1xi32>, tensor<4x8xf32>) -> tensor<?x?x1x4xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x1x8xf32>, %b: tensor<8xf32>) {
  // expected-error @+1 {{result must have the input's type}}
  %r = caa.rms_norm %a, %b : (tensor<?x?x1x8xf32>, tensor<8xf32>) -> tensor<?x?x2x4xf32> {eps = 1.0e-06 : f64}
  return
}

// -----

func.func @f(%a: tensor<?x?x1x8xf32>, %b: tensor<4xf32>) {
  // expected-error @+1 {{weight must be as wide as a head}}
  %r = caa.rms_norm %a, %b : (tensor<?x?x1x8xf32>, tensor<4xf32>) -> tensor<?x?x1x8xf32> {eps = 1.0e-06 : f64}
  return
}

// -----

func.func @f(%a: tensor<?x?x1x8xf32>, %b: tensor<8xf32>, %c: tensor<4xf32>) {
  // expected-error @+1 {{weight must be as wide as a head}}
  %r = caa.layer_norm %a, %b, %c : (tensor<?x?x1x8xf32>, tensor<8xf32>, tensor<4xf32>) -> tensor<?x?x1x8xf32> {eps = 1.0e-05 : f64}
  return
}

// -----

func.func @f(%a: tensor<8xf32>) {
  // expected-error @+1 {{result must be [1, width of the row]}}
  %r = caa.as_head %a : tensor<8xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @f(%a: tensor<2x4xf32>) {
  // expected-error @+1 {{takes [1, width of the row]}}
  %r = caa.as_row %a : tensor<2x4xf32> -> tensor<8xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x2x8xf32>, %b: tensor<?x?x1x8xf32>) {
  // expected-error @+1 {{result must have the input's type}}
  %r = caa.rope %a, %b : (tensor<?x?x2x8xf32>, tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x2x7xf32>, %b: tensor<?x?x1x7xf32>) {
  // expected-error @+1 {{width must be even, is 7}}
  %r = caa.rope %a, %b : (tensor<?x?x2x7xf32>, tensor<?x?x1x7xf32>) -> tensor<?x?x2x7xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x2x8xf32>, %b: tensor<?x?x1x4xf32>) {
  // expected-error @+1 {{table must be one head of width 8}}
  %r = caa.rope %a, %b : (tensor<?x?x2x8xf32>, tensor<?x?x1x4xf32>) -> tensor<?x?x2x8xf32>
  return
}

//===-- Shapes --------------------------------------------------------------------------------------------------------===//

// -----

func.func @f(%a: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{must keep the number of components}}
  %r = caa.reshape %a : tensor<?x?x2x8xf32> -> tensor<?x?x4x8xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{keeps token-wise values token-wise and per-head values per-head}}
  %r = caa.reshape %a : tensor<?x?x2x8xf32> -> tensor<4x4xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{keeps the element type}}
  %r = caa.reshape %a : tensor<?x?x2x8xf32> -> tensor<?x?x4x4xf64>
  return
}

// -----

func.func @f(%a: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{reaches outside the value}}
  %r = caa.slice %a : tensor<?x?x2x8xf32> -> tensor<?x?x2x4xf32> {start = 5 : i64}
  return
}

// -----

func.func @f(%a: tensor<?x?x2x8xf32>, %b: tensor<?x?x1x8xf32>) {
  // expected-error @+1 {{head counts differ}}
  %r = caa.concat %a, %b : (tensor<?x?x2x8xf32>, tensor<?x?x1x8xf32>) -> tensor<?x?x2x16xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x2x8xf32>, %b: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{widths must add up to the result's}}
  %r = caa.concat %a, %b : (tensor<?x?x2x8xf32>, tensor<?x?x2x8xf32>) -> tensor<?x?x2x12xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{result must have the same heads and width 1}}
  %r = caa.reduce_width %a : tensor<?x?x2x8xf32> -> tensor<?x?x2x4xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x6x8xf32>) {
  // expected-error @+1 {{result's heads must divide the value's, at the same width}}
  %r = caa.reduce_heads %a : tensor<?x?x6x8xf32> -> tensor<?x?x4x8xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{result must hold the value's heads and width}}
  %r = caa.reduce_tokens %a : tensor<?x?x2x8xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{heads must divide the result's, and the width be 1 or the result's}}
  %r = caa.broadcast %a : tensor<?x?x2x8xf32> -> tensor<?x?x3x8xf32>
  return
}

// -----

func.func @f(%a: tensor<2x8xf32>) {
  // expected-error @+1 {{needs `like` exactly if a per-head value becomes token-wise}}
  %r = caa.broadcast %a : tensor<2x8xf32> -> tensor<?x?x2x8xf32>
  return
}

//===-- Losses and gradients ------------------------------------------------------------------------------------------===//

// -----

func.func @f(%a: tensor<?x?x2x8xf32>, %b: tensor<?x?x1x1xi32>) {
  // expected-error @+1 {{takes one head of logits and one token, and gives one number per token}}
  %r = caa.cross_entropy %a, %b : (tensor<?x?x2x8xf32>, tensor<?x?x1x1xi32>) -> tensor<?x?x1x1xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x1x2xf32>) {
  // expected-error @+1 {{takes one number per token and head}}
  caa.loss %a : tensor<?x?x1x2xf32> {name = "loss", index = 0 : i64}
  return
}

// -----

func.func @f(%a: tensor<?x?x1x1xf32>, %b: tensor<?x?x1x1xi64>) {
  // expected-error @+1 {{takes a truth value as its mask}}
  caa.loss %a over %b : tensor<?x?x1x1xi64> : tensor<?x?x1x1xf32> {name = "loss", index = 0 : i64}
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{needs either a mask or a value that gives the tokens}}
  caa.loss_count {index = 0 : i64, heads = 1 : i64}
  return
}

// -----

func.func @f(%a: tensor<?x?x1x2xi1>) {
  // expected-error @+1 {{takes one truth value per token and head as its mask}}
  caa.loss_count over %a : tensor<?x?x1x2xi1> {index = 0 : i64, heads = 1 : i64}
  return
}

// -----

func.func @f(%a: tensor<?x?x2x1xi1>) {
  // expected-error @+1 {{has heads that the mask's do not divide}}
  caa.loss_count over %a : tensor<?x?x2x1xi1> {index = 0 : i64, heads = 3 : i64}
  return
}

// -----

func.func @f(%a: tensor<?x?x1x4xf32>, %b: tensor<6x8xf32>) {
  // expected-error @+1 {{weight must be [4, 8]}}
  %r = caa.linear_input_grad %a, %b : (tensor<?x?x1x4xf32>, tensor<6x8xf32>) -> tensor<?x?x1x8xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x1x4xf32>, %b: tensor<?x?x1x8xf32>) {
  // expected-error @+1 {{result must be [4, 8]}}
  %r = caa.linear_weight_grad %a, %b : (tensor<?x?x1x4xf32>, tensor<?x?x1x8xf32>) -> tensor<8x4xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x1x1xf32>, %b: tensor<?x?x1x8xf32>) {
  // expected-error @+1 {{index must be one integer per token}}
  %r = caa.embed_grad %a, %b : (tensor<?x?x1x1xf32>, tensor<?x?x1x8xf32>) -> tensor<9x8xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x1x1xi32>, %b: tensor<?x?x1x4xf32>) {
  // expected-error @+1 {{gradient must be one head as wide as the table}}
  %r = caa.embed_grad %a, %b : (tensor<?x?x1x1xi32>, tensor<?x?x1x4xf32>) -> tensor<9x8xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x1x8xf32>, %b: tensor<?x?x1x1xi32>, %c: tensor<?x?x1x2xf32>) {
  // expected-error @+1 {{takes one head of logits, one token and one number per token}}
  %r = caa.cross_entropy_grad %a, %b, %c : (tensor<?x?x1x8xf32>, tensor<?x?x1x1xi32>, tensor<?x?x1x2xf32>) -> tensor<?x?x1x8xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x1x8xf32>, %b: tensor<?x?x1x1xi32>, %c: tensor<?x?x1x1xf32>) {
  // expected-error @+1 {{result must have the logits' type}}
  %r = caa.cross_entropy_grad %a, %b, %c : (tensor<?x?x1x8xf32>, tensor<?x?x1x1xi32>, tensor<?x?x1x1xf32>) -> tensor<?x?x1x4xf32>
  return
}

// -----

func.func @f(%a: tensor<?x?x1x8xf32>, %b: tensor<9x4xf32>, %c: tensor<?x?x1x1xi32>, %d: tensor<?x?x1x1xi1>) {
  // expected-error @+1 {{weight must be 8 wide}}
  caa.head_loss input(%a) weight(%b) tokens(%c) mask(%d) : (tensor<?x?x1x8xf32>, tensor<9x4xf32>, tensor<?x?x1x1xi32>, tensor<?x?x1x1xi1>) -> () {name = "loss", index = 0 : i64}
  return
}

// -----

func.func @f(%a: tensor<?x?x1x8xf32>, %b: tensor<9x8xf32>, %c: tensor<?x?x1x1xi32>, %d: tensor<?x?x1x1xi1>, %e: tensor<8xf32>) {
  // expected-error @+1 {{bias must have 9 components}}
  caa.head_loss input(%a) weight(%b) bias(%e) tokens(%c) mask(%d) : (tensor<?x?x1x8xf32>, tensor<9x8xf32>, tensor<8xf32>, tensor<?x?x1x1xi32>, tensor<?x?x1x1xi1>) -> () {name = "loss", index = 0 : i64}
  return
}

// -----

func.func @f(%a: tensor<?x?x1x8xf32>, %b: tensor<9x8xf32>, %c: tensor<?x?x1x1xi32>, %d: tensor<?x?x1x1xi32>) {
  // expected-error @+1 {{takes one token and one truth value per token}}
  caa.head_loss input(%a) weight(%b) tokens(%c) mask(%d) : (tensor<?x?x1x8xf32>, tensor<9x8xf32>, tensor<?x?x1x1xi32>, tensor<?x?x1x1xi32>) -> () {name = "loss", index = 0 : i64}
  return
}

// -----

func.func @f(%a: tensor<?x?x1x8xf32>, %b: tensor<9x8xf32>, %c: tensor<?x?x1x1xi32>, %d: tensor<?x?x1x1xi1>) {
  // expected-error @+1 {{gives no gradient, or those of input, weight and bias}}
  %r = caa.head_loss input(%a) weight(%b) tokens(%c) mask(%d) : (tensor<?x?x1x8xf32>, tensor<9x8xf32>, tensor<?x?x1x1xi32>, tensor<?x?x1x1xi1>) -> (tensor<?x?x1x8xf32>) {name = "loss", index = 0 : i64}
  return
}

//===-- Parameters ----------------------------------------------------------------------------------------------------===//

// -----

// expected-error @+1 {{must be a static tensor of f32}}
caa.parameter @p : tensor<?xf32> {init = #caa.init<zeros>}

// -----

// expected-error @+1 {{has its lower bound above its upper bound}}
caa.parameter @p : tensor<1x1xf32> {init = #caa.init<zeros>, low = 1.0 : f64, high = 0.0 : f64}

// -----

func.func @f() {
  // expected-error @+1 {{names no parameter: @missing}}
  %r = caa.param @missing : tensor<4xf32>
  return
}

// -----

caa.parameter @p : tensor<8xf32> {init = #caa.init<zeros>}
func.func @f() {
  // expected-error @+1 {{reads @p as 'tensor<4xf32>', which is 'tensor<8xf32>'}}
  %r = caa.param @p : tensor<4xf32>
  return
}

// -----

caa.parameter @p : tensor<8xf32> {init = #caa.init<zeros>}
func.func @f(%a: tensor<4xf32>) {
  // expected-error @+1 {{reads @p as 'tensor<4xf32>', which is 'tensor<8xf32>'}}
  caa.accumulate @p, %a : tensor<4xf32>
  return
}

//===-- attend --------------------------------------------------------------------------------------------------------===//

// -----

func.func @f() {
  // expected-error @+1 {{needs an operand at queries or keys}}
  "caa.attend"() <{operandSegmentSizes = array<i32: 0, 0, 0>, reductions = []}> ({
  ^bb0(%i: i64, %j: i64):
    caa.yield
  }) : () -> ()
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{region needs the arguments i, j and one per operand}}
  %r:2 = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>) {
  ^bb0(%x0: i64, %x1: i64, %x2: vector<8xf32>):
    %s = arith.constant 0.0 : f32
    %m = arith.constant true
    caa.yield %s, %m : f32, i1
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{region arguments i and j must be i64}}
  %r:2 = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>) {
  ^bb0(%x0: i64, %x1: i32, %x2: vector<8xf32>, %x3: vector<8xf32>):
    %s = caa.dot %x2, %x3 : vector<8xf32>
    %m = arith.constant true
    caa.yield %s, %m : f32, i1
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x3x8xf32>) {
  // expected-error @+1 {{operand 1 has 3 heads, which do not divide 4}}
  %r:2 = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x3x8xf32>) -> (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>) {
  ^bb0(%x0: i64, %x1: i64, %x2: vector<8xf32>, %x3: vector<8xf32>):
    %s = caa.dot %x2, %x3 : vector<8xf32>
    %m = arith.cmpi sle, %x1, %x0 : i64
    caa.yield %s, %m : f32, i1
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x4x1xf32>) {
  // expected-error @+1 {{region argument 3 must be 'f32'}}
  %r:2 = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>) -> (tensor<?x?x4x1xf32>, tensor<?x?x4x1xf32>) {
  ^bb0(%x0: i64, %x1: i64, %x2: vector<8xf32>, %x3: vector<8xf32>):
    %s = caa.dot %x2, %x3 : vector<8xf32>
    %m = arith.cmpi sle, %x1, %x0 : i64
    caa.yield %s, %m : f32, i1
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{reduction 0 has no such value operand}}
  %r:2 = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<softmax over keys, value = 1>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>) {
  ^bb0(%x0: i64, %x1: i64, %x2: vector<8xf32>, %x3: vector<8xf32>):
    %s = caa.dot %x2, %x3 : vector<8xf32>
    %m = arith.cmpi sle, %x1, %x0 : i64
    caa.yield %s, %m : f32, i1
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{reduction 0 over queries must be a sum}}
  %r:2 = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<softmax over queries, value = 0>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>) {
  ^bb0(%x0: i64, %x1: i64, %x2: vector<8xf32>, %x3: vector<8xf32>):
    %s = caa.dot %x2, %x3 : vector<8xf32>
    %m = arith.cmpi sle, %x1, %x0 : i64
    caa.yield %s, %m : f32, i1
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{reduction 0 must name a count exactly if it is a kth}}
  %r = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<kth over keys>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x4x1xf32>) {
  ^bb0(%x0: i64, %x1: i64, %x2: vector<8xf32>, %x3: vector<8xf32>):
    %s = caa.dot %x2, %x3 : vector<8xf32>
    %m = arith.cmpi sle, %x1, %x0 : i64
    caa.yield %s, %m : f32, i1
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{reduction 0 has no such count operand}}
  %r = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<kth over keys, count = 1>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x4x1xf32>) {
  ^bb0(%x0: i64, %x1: i64, %x2: vector<8xf32>, %x3: vector<8xf32>):
    %s = caa.dot %x2, %x3 : vector<8xf32>
    %m = arith.cmpi sle, %x1, %x0 : i64
    caa.yield %s, %m : f32, i1
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{reduction 0 needs one i64 per token and head as its count}}
  %r = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<kth over keys, count = 0>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x4x1xf32>) {
  ^bb0(%x0: i64, %x1: i64, %x2: vector<8xf32>, %x3: vector<8xf32>):
    %s = caa.dot %x2, %x3 : vector<8xf32>
    %m = arith.cmpi sle, %x1, %x0 : i64
    caa.yield %s, %m : f32, i1
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{reduction 0 takes no value operand}}
  %r = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<max over keys, value = 0>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x4x8xf32>) {
  ^bb0(%x0: i64, %x1: i64, %x2: vector<8xf32>, %x3: vector<8xf32>):
    %s = caa.dot %x2, %x3 : vector<8xf32>
    %m = arith.cmpi sle, %x1, %x0 : i64
    caa.yield %s, %m : f32, i1
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{reduction 0 must yield an f32}}
  %r = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<sum over keys, value = 0>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x4x8xf32>) {
  ^bb0(%x0: i64, %x1: i64, %x2: vector<8xf32>, %x3: vector<8xf32>):
    %s = caa.dot %x2, %x3 : vector<8xf32>
    %m = arith.cmpi sle, %x1, %x0 : i64
    caa.yield %m : i1
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{reduction 0 must yield its membership as i1 (or a weight as f32)}}
  %r:2 = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>) {
  ^bb0(%x0: i64, %x1: i64, %x2: vector<8xf32>, %x3: vector<8xf32>):
    %s = caa.dot %x2, %x3 : vector<8xf32>
    %m = arith.cmpi sle, %x1, %x0 : i64
    caa.yield %s, %x0 : f32, i64
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{reduction 0 must give width 8}}
  %r:2 = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x4x4xf32>, tensor<?x?x4x1xf32>) {
  ^bb0(%x0: i64, %x1: i64, %x2: vector<8xf32>, %x3: vector<8xf32>):
    %s = caa.dot %x2, %x3 : vector<8xf32>
    %m = arith.cmpi sle, %x1, %x0 : i64
    caa.yield %s, %m : f32, i1
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{reduction 0 must give 4 heads}}
  %r:2 = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x2x8xf32>, tensor<?x?x4x1xf32>) {
  ^bb0(%x0: i64, %x1: i64, %x2: vector<8xf32>, %x3: vector<8xf32>):
    %s = caa.dot %x2, %x3 : vector<8xf32>
    %m = arith.cmpi sle, %x1, %x0 : i64
    caa.yield %s, %m : f32, i1
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{reduction 0 gives the wrong element type}}
  %r:2 = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x4x8xf64>, tensor<?x?x4x1xf32>) {
  ^bb0(%x0: i64, %x1: i64, %x2: vector<8xf32>, %x3: vector<8xf32>):
    %s = caa.dot %x2, %x3 : vector<8xf32>
    %m = arith.cmpi sle, %x1, %x0 : i64
    caa.yield %s, %m : f32, i1
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{must yield 2 scalars for its reductions}}
  %r:2 = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>) {
  ^bb0(%x0: i64, %x1: i64, %x2: vector<8xf32>, %x3: vector<8xf32>):
    %s = caa.dot %x2, %x3 : vector<8xf32>
    %m = arith.cmpi sle, %x1, %x0 : i64
    caa.yield %s : f32
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x2x8xf32>) {
  // expected-error @+1 {{must have 2 results for its reductions}}
  %r = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x4x8xf32>) {
  ^bb0(%x0: i64, %x1: i64, %x2: vector<8xf32>, %x3: vector<8xf32>):
    %s = caa.dot %x2, %x3 : vector<8xf32>
    %m = arith.cmpi sle, %x1, %x0 : i64
    caa.yield %s, %m : f32, i1
  }
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xf32>, %b: tensor<?x?x2x8xf32>) {
  %r:2 = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x4x8xf32>, tensor<?x?x2x8xf32>) -> (tensor<?x?x4x8xf32>, tensor<?x?x4x1xf32>) {
  ^bb0(%x0: i64, %x1: i64, %x2: vector<8xf32>, %x3: vector<8xf32>):
  // expected-error @+1 {{has side effects in the region of an attend}}
    %buffer = memref.alloc() : memref<1xf32>
    %s = caa.dot %x2, %x3 : vector<8xf32>
    %m = arith.cmpi sle, %x1, %x0 : i64
    caa.yield %s, %m : f32, i1
  }
  return
}

// -----

func.func @f(%x: tensor<?x?x1x8xbf16>, %w: tensor<4x8xf32>) {
  // expected-error @+1 {{multiplies 'bf16' by 'f32': both must be f32, or both bf16}}
  %y = caa.linear %x, %w : (tensor<?x?x1x8xbf16>, tensor<4x8xf32>) -> tensor<?x?x1x4xf32>
  return
}

// -----

func.func @f(%g: tensor<?x?x1x4xf32>, %x: tensor<?x?x1x8xbf16>) {
  // expected-error @+1 {{multiplies 'f32' by 'bf16'}}
  %y = caa.linear_weight_grad %g, %x : (tensor<?x?x1x4xf32>, tensor<?x?x1x8xbf16>) -> tensor<4x8xf32>
  return
}

// -----

func.func @f(%g: tensor<?x?x1x4xbf16>, %x: tensor<?x?x1x8xbf16>) {
  // expected-error @+1 {{gives an f32 gradient}}
  %y = caa.linear_weight_grad %g, %x : (tensor<?x?x1x4xbf16>, tensor<?x?x1x8xbf16>) -> tensor<4x8xbf16>
  return
}

// -----

func.func @f(%t: tensor<?x?x1x1xi32>, %w: tensor<4x8xbf16>) {
  // expected-error @+1 {{result must have the table's element type}}
  %y = caa.embed %t, %w : (tensor<?x?x1x1xi32>, tensor<4x8xbf16>) -> tensor<?x?x1x8xf32>
  return
}

// -----

caa.parameter @w : tensor<4x8xf32> {init = #caa.init<ones>}
func.func @f() {
  // expected-error @+1 {{reads @w as 'tensor<8x4xf32>', which is 'tensor<4x8xf32>'}}
  %w = caa.param @w : tensor<8x4xbf16>
  return
}

// -----

func.func @f(%a: tensor<?x?x4x8xbf16>, %b: tensor<?x?x2x8xbf16>) {
  // expected-error @+1 {{gives the wrong element type}}
  %r:2 = caa.attend queries(%a) keys(%b) heads() reductions [#caa.reduce<softmax over keys, value = 0>]
      : (tensor<?x?x4x8xbf16>, tensor<?x?x2x8xbf16>) -> (tensor<?x?x4x8xbf16>, tensor<?x?x4x1xbf16>) {
  ^bb0(%x0: i64, %x1: i64, %x2: vector<8xbf16>, %x3: vector<8xbf16>):
    %s = caa.dot %x2, %x3 : vector<8xbf16>
    %m = arith.cmpi sle, %x1, %x0 : i64
    caa.yield %s, %m : f32, i1
  }
  return
}

//===-- Kernels --------------------------------------------------------------------------------------------------------===//

// -----

func.func @f(%a: tensor<?x?x1x8xf32>) {
  // expected-error @+1 {{names no kernel: @missing}}
  %r = caa.launch @missing(%a) : (tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32>
  return
}
