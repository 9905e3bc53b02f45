// One source, two instruction sets. The compiler vectorises the loops (see the flags in CMakeLists.txt).
#include "runtime/train/adamw_loops.h"

#include <cmath>

namespace caa {
namespace {

[[gnu::always_inline]] inline double sumOfSquaresBody(const float *values, size_t size) {
  constexpr size_t lanes = 16;
  double sums[lanes] = {};
  size_t whole = size / lanes * lanes;
  for (size_t i = 0; i < whole; i += lanes)
    for (size_t lane = 0; lane < lanes; ++lane)
      sums[lane] += double(values[i + lane]) * double(values[i + lane]);
  for (size_t i = whole; i < size; ++i)
    sums[i - whole] += double(values[i]) * double(values[i]);
  for (size_t step = lanes / 2; step > 0; step /= 2)
    for (size_t lane = 0; lane < step; ++lane)
      sums[lane] += sums[lane + step];
  return sums[0];
}

[[gnu::always_inline]] inline void updateBody(float *__restrict parameter, float *__restrict gradient,
                                              float *__restrict first, float *__restrict second, size_t size,
                                              const AdamWStep step) {
  for (size_t i = 0; i < size; ++i) {
    float g = gradient[i] * step.gradientScale;
    float m = step.beta1 * first[i] + (1 - step.beta1) * g;
    float v = step.beta2 * second[i] + (1 - step.beta2) * g * g;
    float direction = m * step.firstCorrection / (std::sqrt(v * step.secondCorrection) + step.eps);
    first[i] = m;
    second[i] = v;
    parameter[i] -= step.rate * direction + step.decay * parameter[i];
    gradient[i] = 0;
  }
}

#define CAA_OPTIMIZER_LOOPS(name, features)                                                                            \
  [[gnu::target(features)]] double sumOfSquares##name(const float *values, size_t size) {                              \
    return sumOfSquaresBody(values, size);                                                                             \
  }                                                                                                                    \
  [[gnu::target(features)]] void update##name(float *parameter, float *gradient, float *first, float *second,          \
                                              size_t size, const AdamWStep &step) {                                    \
    updateBody(parameter, gradient, first, second, size, step);                                                        \
  }
CAA_OPTIMIZER_LOOPS(Avx2, "avx2,fma")
CAA_OPTIMIZER_LOOPS(Avx512, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")
#undef CAA_OPTIMIZER_LOOPS

} // namespace

const OptimizerLoops &optimizerLoops(Isa isa) {
  static const OptimizerLoops avx2{sumOfSquaresAvx2, updateAvx2}, avx512{sumOfSquaresAvx512, updateAvx512};
  return isa == Isa::Avx512 ? avx512 : avx2;
}

} // namespace caa
