// RUN: caa-opt %s --caa-form-kernels --split-input-file --verify-diagnostics

func.func @undecomposed(%x: tensor<?x?x1x8xf32>, %w: tensor<8xf32>) -> tensor<?x?x1x8xf32> {
  // expected-error @below {{must be decomposed before kernels are formed}}
  %y = caa.rms_norm %x, %w : (tensor<?x?x1x8xf32>, tensor<8xf32>) -> tensor<?x?x1x8xf32> {eps = 1.0e-6 : f64}
  return %y : tensor<?x?x1x8xf32>
}

// -----

func.func @foreign(%x: tensor<?x?x1x8xf32>) -> tensor<?x?x1x8xf32> {
  // expected-error @below {{has no kernel form}}
  %y = arith.addf %x, %x : tensor<?x?x1x8xf32>
  return %y : tensor<?x?x1x8xf32>
}
