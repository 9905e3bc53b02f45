// What several commands open in the same way: prepared data, and the weights of a model.
#pragma once

#include "runtime/data/prepared_data.h"
#include "runtime/train/checkpoint.h"
#include "runtime/train/model.h"

#include <optional>
#include <string>

namespace caa {

/// The prepared folder `data`: a path, or a name that means data/NAME. Refused where it has ids beyond the vocabulary.
Result<PreparedData> openPrepared(const std::string &data, const Image &image);

/// Fills the parameters from `weights`, else from `checkpoint` (runs/last where neither is given), which is returned.
Result<std::optional<Checkpoint>> loadWeights(Model &model, const std::optional<Path> &weights,
                                              const std::optional<Path> &checkpoint);

} // namespace caa
