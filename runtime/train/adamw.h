// AdamW (Loshchilov and Hutter 2019, algorithm 2) with groups, gradient norms and clipping, over whole arenas.
//
// Sums run over fixed blocks in a fixed order, so that the result does not depend on the number of threads.
#pragma once

#include "runtime/train/parameters.h"
#include "runtime/train/settings.h"

#include <span>
#include <string>
#include <vector>

namespace caa {

/// Norms of the gradient, by who clips by them: [0] is all parameters but those of groups that have a clip of their
/// own.
struct GradientNorms {
  std::vector<double> norms;
  std::vector<std::string> names; // "" first, then the groups'
  /// All finite and in a range that float32 can square.
  bool usable() const;
};

class AdamW {
public:
  static Result<AdamW> create(const Image &image, const TrainSettings &settings);

  GradientNorms norms(const ParameterArena &gradients, Threads &threads) const;

  /// One update at rate `lr`, the `update`-th one counted from 1 (bias correction), with every gradient scaled by its
  /// clip; clamps parameters that have bounds, and sets the gradients to zero.
  void update(const ParameterArena &parameters, const ParameterArena &gradients, const GradientNorms &norms, double lr,
              int64_t update, Threads &threads) const;

  /// The same for the entry "update" of a GPU: what it reads for such an update, all groups included; and the norms that
  /// it left there. An error where there are more groups than it can have.
  Result<caa_optimizer_state> deviceState(double lr, int64_t update) const;
  GradientNorms norms(const caa_optimizer_state &state) const;

  /// The moments, in the parameters' layout.
  const ParameterArena &firstMoment() const { return first_; }
  const ParameterArena &secondMoment() const { return second_; }

private:
  struct Group {
    double lr, weightDecay, clip;
    size_t norm;         // the one it is clipped by
    uint32_t number = 0; // the image's (caa_parameter.group_number); 0 too where no parameter is in it
  };
  /// A run of elements of one parameter.
  struct Block {
    size_t begin, size; // in the arena
    uint32_t group;
    bool decay, bounded;
    float low, high;
  };
  OptimizerSettings settings_;
  std::vector<Group> groups_; // [0]: no group
  uint32_t groupCount_ = 1;   // of the image's numbers
  std::vector<std::string> normNames_;
  std::vector<double> clips_; // of each norm
  std::vector<Block> blocks_;
  ParameterArena first_, second_;
};

} // namespace caa
