// The learning rate as a function of the step (docs: language, "Training").
#pragma once

#include <cstdint>

namespace caa {

struct Schedule {
  enum class Kind { Cosine, Wsd };
  Kind kind = Kind::Cosine;
  int64_t warmup = 0;
  int64_t decay = 0; // wsd: the last steps, in which the rate falls linearly
  double end = 0;    // the last step's rate

  /// The rate at step t = 1, 2, ..., steps.
  double rate(int64_t step, int64_t steps, double peak) const;
};

} // namespace caa
