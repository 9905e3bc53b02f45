// Which block of the arenas falls under which group, norms, and the update.
#include "runtime/train/adamw.h"

#include "runtime/train/adamw_loops.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace caa {
namespace {

constexpr size_t blockSize = 1 << 14; // elements

const OptimizerLoops &loops() {
  auto isa = machineIsa();
  return optimizerLoops(isa ? *isa : Isa::Avx2);
}

} // namespace

bool GradientNorms::usable() const {
  return std::all_of(norms.begin(), norms.end(), [](double norm) { return std::isfinite(norm) && norm < 1e18; });
}

Result<AdamW> AdamW::create(const Image &image, const TrainSettings &settings) {
  AdamW optimizer;
  optimizer.settings_ = settings.optimizer;
  optimizer.normNames_ = {""};
  optimizer.clips_ = {settings.optimizer.clip};
  optimizer.groups_ = {{1, settings.optimizer.weightDecay, settings.optimizer.clip, 0, 0}};
  for (const GroupSettings &group : settings.groups) {
    size_t norm = 0;
    if (group.clip) {
      norm = optimizer.clips_.size();
      optimizer.clips_.push_back(*group.clip);
      optimizer.normNames_.push_back(group.name);
    }
    optimizer.groups_.push_back({group.lr, group.weightDecay.value_or(settings.optimizer.weightDecay),
                                 group.clip.value_or(settings.optimizer.clip), norm, 0});
  }
  for (const caa_parameter &parameter : modelParameters(image)) {
    auto group = std::find_if(settings.groups.begin(), settings.groups.end(), [&](const GroupSettings &candidate) {
      return candidate.name == image.text(parameter.group);
    });
    uint32_t number = group == settings.groups.end() ? 0 : uint32_t(group - settings.groups.begin()) + 1;
    optimizer.groups_[number].number = number ? parameter.group_number : 0;
    optimizer.groupCount_ = std::max(optimizer.groupCount_, parameter.group_number + 1);
    bool bounded = std::isfinite(parameter.low) || std::isfinite(parameter.high);
    for (size_t begin = 0; begin < parameter.elements; begin += blockSize)
      optimizer.blocks_.push_back({size_t(parameter.offset) + begin,
                                   std::min<size_t>(blockSize, parameter.elements - begin), number,
                                   parameter.decay != 0, bounded, float(parameter.low), float(parameter.high)});
  }
  CAA_TRY(optimizer.first_, ParameterArena::allocate(image));
  CAA_TRY(optimizer.second_, ParameterArena::allocate(image));
  return optimizer;
}

GradientNorms AdamW::norms(const ParameterArena &gradients, Threads &threads) const {
  std::vector<double> squares(blocks_.size());
  const float *values = gradients.values().data();
  threads.split(int64_t(blocks_.size()), [&](unsigned, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      squares[i] = loops().sumOfSquares(values + blocks_[i].begin, blocks_[i].size);
  });
  GradientNorms result{std::vector<double>(clips_.size()), normNames_};
  for (size_t i = 0; i < blocks_.size(); ++i)
    result.norms[groups_[blocks_[i].group].norm] += squares[i];
  for (double &norm : result.norms)
    norm = std::sqrt(norm);
  return result;
}

void AdamW::update(const ParameterArena &parameters, const ParameterArena &gradients, const GradientNorms &norms,
                   double lr, int64_t update, Threads &threads) const {
  std::vector<AdamWStep> steps; // by group, without decay and with it
  for (const Group &group : groups_) {
    double clip = std::min(1.0, clips_[group.norm] / (norms.norms[group.norm] + 1e-6));
    double rate = lr * group.lr;
    AdamWStep step{.beta1 = float(settings_.beta1),
                   .beta2 = float(settings_.beta2),
                   .gradientScale = float(clip),
                   .firstCorrection = float(1 / (1 - std::pow(settings_.beta1, double(update)))),
                   .secondCorrection = float(1 / (1 - std::pow(settings_.beta2, double(update)))),
                   .eps = float(settings_.eps),
                   .rate = float(rate),
                   .decay = 0};
    steps.push_back(step);
    step.decay = float(rate * group.weightDecay);
    steps.push_back(step);
  }
  float *values = parameters.values().data(), *slopes = gradients.values().data();
  float *first = first_.values().data(), *second = second_.values().data();
  threads.split(int64_t(blocks_.size()), [&](unsigned, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Block &block = blocks_[i];
      loops().update(values + block.begin, slopes + block.begin, first + block.begin, second + block.begin, block.size,
                     steps[2 * block.group + (block.decay ? 1 : 0)]);
      if (block.bounded)
        for (size_t j = block.begin; j < block.begin + block.size; ++j)
          values[j] = std::clamp(values[j], block.low, block.high);
    }
  });
}

Result<caa_optimizer_state> AdamW::deviceState(double lr, int64_t update) const {
  if (groupCount_ > CAA_OPTIMIZER_GROUPS)
    return inputError(fmt::format("the model has {} groups of parameters; on a GPU there can be {} beside those in none",
                                  groupCount_ - 1, CAA_OPTIMIZER_GROUPS - 1));
  caa_optimizer_state state = {};
  state.step = uint64_t(update);
  state.lr = float(lr);
  state.beta1 = float(settings_.beta1);
  state.beta2 = float(settings_.beta2);
  state.eps = float(settings_.eps);
  state.first_correction = float(1 / (1 - std::pow(settings_.beta1, double(update))));
  state.second_correction = float(1 / (1 - std::pow(settings_.beta2, double(update))));
  auto set = [&](uint32_t number, const Group &group) {
    caa_optimizer_group &out = state.groups[number];
    out.lr_factor = float(group.lr);
    out.weight_decay = float(group.weightDecay);
    out.clip = float(group.clip);
    out.norm = group.norm ? number : 0;
  };
  for (uint32_t number = 0; number < CAA_OPTIMIZER_GROUPS; ++number)
    set(number, groups_[0]); // groups that the settings do not name are like none
  for (const Group &group : groups_)
    if (group.number)
      set(group.number, group);
  return state;
}

GradientNorms AdamW::norms(const caa_optimizer_state &state) const {
  GradientNorms result{std::vector<double>(clips_.size()), normNames_};
  result.norms[0] = std::sqrt(state.groups[0].sum_squares);
  for (const Group &group : groups_)
    if (group.norm && group.number)
      result.norms[group.norm] = std::sqrt(state.groups[group.number].sum_squares);
  return result;
}

} // namespace caa
