// Warm-up, then cosine or warm-up, stable, decay.
#include "runtime/train/schedule.h"

#include <cmath>
#include <numbers>

namespace caa {

double Schedule::rate(int64_t step, int64_t steps, double peak) const {
  if (step <= warmup)
    return peak * double(step) / double(warmup);
  if (kind == Kind::Wsd) {
    int64_t into = step - steps + decay; // how far into the decay
    return into <= 0 ? peak : peak + (end - peak) * double(into) / double(decay);
  }
  double done = double(step - warmup) / double(steps - warmup);
  return end + (peak - end) * (1 + std::cos(std::numbers::pi * done)) / 2;
}

} // namespace caa
