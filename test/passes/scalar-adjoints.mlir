// Derivatives of scalar code, with the language's rules at kinks. (That each is a derivative, finite differences check.)
// RUN: caa-opt %s --caa-autodiff --canonicalize --cse | FileCheck %s

// A product.
// CHECK-LABEL: func.func @mul.gradient
// CHECK: arith.mulf %[[D:.*]], %[[Y:.*]] :
// CHECK: arith.mulf %[[D]], %{{.*}} :
func.func @mul(%tx: tensor<?x?x1x1xf32> {caa.name = "x"}, %ty: tensor<?x?x1x1xf32> {caa.name = "y"}) -> tensor<?x?x1x1xf32> attributes {caa.export} {
  %0 = caa.map(%tx, %ty) : (tensor<?x?x1x1xf32>, tensor<?x?x1x1xf32>) -> tensor<?x?x1x1xf32> {
  ^bb0(%x: f32, %y: f32):
    %r = arith.mulf %x, %y : f32
    caa.yield %r : f32
  }
  return %0 : tensor<?x?x1x1xf32>
}

// Division by a constant multiplies by its reciprocal.
// CHECK-LABEL: func.func @half.gradient
// CHECK: %[[C:.*]] = arith.constant 5.000000e-01
// CHECK: arith.mulf %{{.*}}, %[[C]]
func.func @half(%tx: tensor<?x?x1x1xf32> {caa.name = "x"}) -> tensor<?x?x1x1xf32> attributes {caa.export} {
  %0 = caa.map(%tx) : (tensor<?x?x1x1xf32>) -> tensor<?x?x1x1xf32> {
  ^bb0(%x: f32):
    %c = arith.constant 2.0 : f32
    %r = arith.divf %x, %c : f32
    caa.yield %r : f32
  }
  return %0 : tensor<?x?x1x1xf32>
}

// A constant exponent.
// CHECK-LABEL: func.func @cube.gradient
// CHECK: %[[TWO:.*]] = arith.constant 2.0
// CHECK: math.powf %{{.*}}, %[[TWO]]
func.func @cube(%tx: tensor<?x?x1x1xf32> {caa.name = "x"}) -> tensor<?x?x1x1xf32> attributes {caa.export} {
  %0 = caa.map(%tx) : (tensor<?x?x1x1xf32>) -> tensor<?x?x1x1xf32> {
  ^bb0(%x: f32):
    %c = arith.constant 3.0 : f32
    %r = math.powf %x, %c : f32
    caa.yield %r : f32
  }
  return %0 : tensor<?x?x1x1xf32>
}

// Slope 0 at 0.
// CHECK-LABEL: func.func @sqrt.gradient
// CHECK: %[[ROOT:.*]] = math.sqrt %[[X:.*]] :
// CHECK: %[[INSIDE:.*]] = arith.cmpf ogt, %[[X]], %[[ZERO:.*]] :
// CHECK: %[[SLOPE:.*]] = arith.divf
// CHECK: arith.select %[[INSIDE]], %[[SLOPE]], %[[ZERO]]
func.func @sqrt(%tx: tensor<?x?x1x1xf32> {caa.name = "x"}) -> tensor<?x?x1x1xf32> attributes {caa.export} {
  %0 = caa.map(%tx) : (tensor<?x?x1x1xf32>) -> tensor<?x?x1x1xf32> {
  ^bb0(%x: f32):
    %r = math.sqrt %x : f32
    caa.yield %r : f32
  }
  return %0 : tensor<?x?x1x1xf32>
}

// Slope 0 at 0.
// CHECK-LABEL: func.func @abs.gradient
// CHECK: %[[ABOVE:.*]] = arith.cmpf ogt
// CHECK: %[[BELOW:.*]] = arith.cmpf olt
// CHECK: %[[MINUS:.*]] = arith.negf
// CHECK: %[[LEFT:.*]] = arith.select %[[BELOW]], %[[MINUS]], %[[ZERO:.*]] :
// CHECK: arith.select %[[ABOVE]], %{{.*}}, %[[LEFT]]
func.func @abs(%tx: tensor<?x?x1x1xf32> {caa.name = "x"}) -> tensor<?x?x1x1xf32> attributes {caa.export} {
  %0 = caa.map(%tx) : (tensor<?x?x1x1xf32>) -> tensor<?x?x1x1xf32> {
  ^bb0(%x: f32):
    %r = math.absf %x : f32
    caa.yield %r : f32
  }
  return %0 : tensor<?x?x1x1xf32>
}

// Constant: only the other term has a gradient.
// CHECK-LABEL: func.func @floor.gradient
// CHECK-SAME: %[[D:[^:]*]]: tensor<?x?x1x1xf32> {caa.name = "d_out"})
// CHECK: %[[ZEROS:.*]] = caa.broadcast
// CHECK: return %[[ZEROS]], %[[D]]
func.func @floor(%tx: tensor<?x?x1x1xf32> {caa.name = "x"}, %ty: tensor<?x?x1x1xf32> {caa.name = "y"}) -> tensor<?x?x1x1xf32> attributes {caa.export} {
  %0 = caa.map(%tx, %ty) : (tensor<?x?x1x1xf32>, tensor<?x?x1x1xf32>) -> tensor<?x?x1x1xf32> {
  ^bb0(%x: f32, %y: f32):
    %f = math.floor %x : f32
    %r = arith.addf %f, %y : f32
    caa.yield %r : f32
  }
  return %0 : tensor<?x?x1x1xf32>
}

// A tie goes to the first operand.
// CHECK-LABEL: func.func @max.gradient
// CHECK: %[[FIRST:.*]] = arith.cmpf oge, %[[X:.*]], %[[Y:.*]] :
// CHECK: arith.select %[[FIRST]], %[[D:.*]], %[[ZERO:.*]] :
// CHECK: arith.select %[[FIRST]], %[[ZERO]], %[[D]] :
func.func @max(%tx: tensor<?x?x1x1xf32> {caa.name = "x"}, %ty: tensor<?x?x1x1xf32> {caa.name = "y"}) -> tensor<?x?x1x1xf32> attributes {caa.export} {
  %0 = caa.map(%tx, %ty) : (tensor<?x?x1x1xf32>, tensor<?x?x1x1xf32>) -> tensor<?x?x1x1xf32> {
  ^bb0(%x: f32, %y: f32):
    %r = arith.maximumf %x, %y : f32
    caa.yield %r : f32
  }
  return %0 : tensor<?x?x1x1xf32>
}

// A tie goes to the first operand.
// CHECK-LABEL: func.func @min.gradient
// CHECK: %[[FIRST:.*]] = arith.cmpf ole
// CHECK: arith.select %[[FIRST]], %[[D:.*]], %[[ZERO:.*]] :
// CHECK: arith.select %[[FIRST]], %[[ZERO]], %[[D]] :
func.func @min(%tx: tensor<?x?x1x1xf32> {caa.name = "x"}, %ty: tensor<?x?x1x1xf32> {caa.name = "y"}) -> tensor<?x?x1x1xf32> attributes {caa.export} {
  %0 = caa.map(%tx, %ty) : (tensor<?x?x1x1xf32>, tensor<?x?x1x1xf32>) -> tensor<?x?x1x1xf32> {
  ^bb0(%x: f32, %y: f32):
    %r = arith.minimumf %x, %y : f32
    caa.yield %r : f32
  }
  return %0 : tensor<?x?x1x1xf32>
}

// Slope 1 strictly inside (0, 1) only.
// CHECK-LABEL: func.func @clip.gradient
// CHECK: %[[ABOVE:.*]] = arith.cmpf ogt
// CHECK: %[[BELOW:.*]] = arith.cmpf olt
// CHECK: %[[INSIDE:.*]] = arith.andi %[[ABOVE]], %[[BELOW]]
// CHECK: arith.select %[[INSIDE]]
func.func @clip(%tx: tensor<?x?x1x1xf32> {caa.name = "x"}) -> tensor<?x?x1x1xf32> attributes {caa.export} {
  %0 = caa.map(%tx) : (tensor<?x?x1x1xf32>) -> tensor<?x?x1x1xf32> {
  ^bb0(%x: f32):
    %r = caa.clip %x : f32
    caa.yield %r : f32
  }
  return %0 : tensor<?x?x1x1xf32>
}

// Slope 1.
// CHECK-LABEL: func.func @round.gradient
// CHECK-SAME: %[[D:[^:]*]]: tensor<?x?x1x1xf32> {caa.name = "d_out"})
// CHECK-NEXT: return %[[D]]
func.func @round(%tx: tensor<?x?x1x1xf32> {caa.name = "x"}) -> tensor<?x?x1x1xf32> attributes {caa.export} {
  %0 = caa.map(%tx) : (tensor<?x?x1x1xf32>) -> tensor<?x?x1x1xf32> {
  ^bb0(%x: f32):
    %r = caa.round_bf16 %x : f32
    caa.yield %r : f32
  }
  return %0 : tensor<?x?x1x1xf32>
}

// The side that is not taken gives nothing: its slope may be infinite, so the contribution is selected after the product.
// CHECK-LABEL: func.func @where_log.gradient
// CHECK: %[[TAKEN:.*]] = arith.cmpf ogt
// CHECK: %[[D:.*]] = arith.select %[[TAKEN]]
// CHECK: %[[SLOPE:.*]] = arith.divf
// CHECK: %[[PRODUCT:.*]] = arith.mulf %[[D]], %[[SLOPE]]
// CHECK: arith.select %[[TAKEN]], %[[PRODUCT]]
func.func @where_log(%tx: tensor<?x?x1x1xf32> {caa.name = "x"}) -> tensor<?x?x1x1xf32> attributes {caa.export} {
  %0 = caa.map(%tx) : (tensor<?x?x1x1xf32>) -> tensor<?x?x1x1xf32> {
  ^bb0(%x: f32):
    %zero = arith.constant 0.0 : f32
    %c = arith.cmpf ogt, %x, %zero : f32
    %l = math.log %x : f32
    %r = arith.select %c, %l, %zero : f32
    caa.yield %r : f32
  }
  return %0 : tensor<?x?x1x1xf32>
}
