// What autodiff refuses, at the place in the source that it is about.
// RUN: caa-opt %s --caa-autodiff -split-input-file -verify-diagnostics

// Parameters of equal layers are reported once.
module {
  // expected-error @+1 {{no gradient reaches `layers.*.w`: `stop` holds it back; train it by a `loss`}}
  caa.parameter @layers.0.w : tensor<1x1xf32> {init = #caa.init<zeros>}
  caa.parameter @layers.1.w : tensor<1x1xf32> {init = #caa.init<zeros>}
  caa.parameter @used : tensor<1x1xf32> {init = #caa.init<zeros>}
  func.func @model(%tokens: tensor<?x?x1x1xi32> {caa.name = "tokens"}) {
    %0 = caa.param @layers.0.w : tensor<1x1xf32>
    %1 = caa.param @layers.1.w : tensor<1x1xf32>
    %2 = caa.param @used : tensor<1x1xf32>
    %3 = caa.stop %0 : tensor<1x1xf32>
    %4 = caa.stop %1 : tensor<1x1xf32>
    %5 = caa.map(%3, %4, %2, %tokens) : (tensor<1x1xf32>, tensor<1x1xf32>, tensor<1x1xf32>, tensor<?x?x1x1xi32>) -> tensor<?x?x1x1xf32> {
    ^bb0(%a: f32, %b: f32, %c: f32, %t: i32):
      %x = arith.addf %a, %b : f32
      %y = arith.addf %x, %c : f32
      caa.yield %y : f32
    }
    caa.loss %5 : tensor<?x?x1x1xf32> {name = "loss", index = 0 : i64}
    return
  }
}

// -----

// A parameter that only moves a threshold selects.
module {
  // expected-error @+1 {{no gradient reaches `w`: it only selects; train it by a `loss`}}
  caa.parameter @w : tensor<1x1xf32> {init = #caa.init<zeros>}
  // expected-error @+1 {{no gradient reaches `idle`: no loss depends on it}}
  caa.parameter @idle : tensor<1x1xf32> {init = #caa.init<zeros>}
  caa.parameter @used : tensor<1x1xf32> {init = #caa.init<zeros>}
  func.func @model(%tokens: tensor<?x?x1x1xi32> {caa.name = "tokens"}) {
    %0 = caa.param @w : tensor<1x1xf32>
    %2 = caa.param @used : tensor<1x1xf32>
    %5 = caa.map(%0, %2, %tokens) : (tensor<1x1xf32>, tensor<1x1xf32>, tensor<?x?x1x1xi32>) -> tensor<?x?x1x1xf32> {
    ^bb0(%a: f32, %c: f32, %t: i32):
      %zero = arith.constant 0.0 : f32
      %above = arith.cmpf ogt, %a, %zero : f32
      %x = arith.select %above, %c, %zero : f32
      caa.yield %x : f32
    }
    caa.loss %5 : tensor<?x?x1x1xf32> {name = "loss", index = 0 : i64}
    return
  }
}

// -----

// A scalar without a rule.
module {
  caa.parameter @w : tensor<1x1xf32> {init = #caa.init<zeros>}
  func.func @model(%tokens: tensor<?x?x1x1xi32> {caa.name = "tokens"}) {
    %0 = caa.param @w : tensor<1x1xf32>
    %1 = caa.map(%0, %tokens) : (tensor<1x1xf32>, tensor<?x?x1x1xi32>) -> tensor<?x?x1x1xf32> {
    ^bb0(%a: f32, %t: i32):
      // expected-error @+1 {{this operation has no derivative rule}}
      %x = math.erf %a : f32
      caa.yield %x : f32
    }
    caa.loss %1 : tensor<?x?x1x1xf32> {name = "loss", index = 0 : i64}
    return
  }
}

// -----

// A norm that was not decomposed.
module {
  caa.parameter @w : tensor<4xf32> {init = #caa.init<ones>}
  caa.parameter @table : tensor<8x4xf32> {init = #caa.init<ones>}
  func.func @model(%tokens: tensor<?x?x1x1xi32> {caa.name = "tokens"}) {
    %0 = caa.param @w : tensor<4xf32>
    %1 = caa.param @table : tensor<8x4xf32>
    %2 = caa.embed %tokens, %1 : (tensor<?x?x1x1xi32>, tensor<8x4xf32>) -> tensor<?x?x1x4xf32>
    // expected-error @+1 {{must be decomposed before it is differentiated}}
    %3 = caa.rms_norm %2, %0 : (tensor<?x?x1x4xf32>, tensor<4xf32>) -> tensor<?x?x1x4xf32> {eps = 1.0e-06 : f64}
    %4 = caa.reduce_width %3 : tensor<?x?x1x4xf32> -> tensor<?x?x1x1xf32>
    caa.loss %4 : tensor<?x?x1x1xf32> {name = "loss", index = 0 : i64}
    return
  }
}
