// The two loops of the optimizer, compiled for AVX-512 and for AVX2.
#pragma once

#include "runtime/engine/library.h"

#include <cstddef>

namespace caa {

/// What an update needs beside the arrays; all per step.
struct AdamWStep {
  float beta1, beta2;
  float gradientScale;                     // clipping
  float firstCorrection, secondCorrection; // 1 / (1 - beta^t)
  float eps, rate, decay;                  // decay is rate * weight_decay
};

struct OptimizerLoops {
  /// In double, in sixteen lanes that are added up at the end.
  double (*sumOfSquares)(const float *values, size_t size);
  /// Updates parameter, moments, and zeroes the gradient.
  void (*update)(float *parameter, float *gradient, float *first, float *second, size_t size, const AdamWStep &step);
};

const OptimizerLoops &optimizerLoops(Isa isa);

} // namespace caa
