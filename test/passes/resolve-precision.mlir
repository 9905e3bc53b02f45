// RUN: caa-opt %s --caa-resolve-precision=precision=fp32 | FileCheck %s --check-prefix=FP32
// RUN: caa-opt %s --caa-resolve-precision=precision=bf16 | FileCheck %s --check-prefix=BF16
// RUN: not caa-opt %s --caa-resolve-precision=precision=fp8 2>&1 | FileCheck %s --check-prefix=ERROR

// ERROR: error: unknown precision `fp8`: fp32 or bf16

// FP32: module attributes {caa.precision = "fp32"}
// FP32: return %arg0, %arg1

// A rounding is a map; a parameter row becomes one head for it.
// BF16: module attributes {caa.precision = "bf16"}
// BF16: %[[X:.*]] = caa.map(%arg0)
// BF16: caa.round_bf16
// BF16: %[[HEAD:.*]] = caa.as_head %arg1
// BF16: %[[ROUNDED:.*]] = caa.map(%[[HEAD]])
// BF16: %[[ROW:.*]] = caa.as_row %[[ROUNDED]]
// BF16: return %[[X]], %[[ROW]]
func.func @f(%x: tensor<?x?x1x8xf32>, %w: tensor<8xf32>) -> (tensor<?x?x1x8xf32>, tensor<8xf32>) {
  %0 = caa.round %x : tensor<?x?x1x8xf32>
  %1 = caa.round %w : tensor<8xf32>
  return %0, %1 : tensor<?x?x1x8xf32>, tensor<8xf32>
}
