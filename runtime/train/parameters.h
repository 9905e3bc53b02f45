// The trained parameters: arenas of float32 in the image's layout, by name.
#pragma once

#include "runtime/engine/executor.h"
#include "runtime/store/safetensors.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace caa {

/// An arena in the layout of an image's parameters: values, gradients, an optimizer's moments.
class ParameterArena {
public:
  /// Zeros.
  static Result<ParameterArena> allocate(const Image &image);

  std::span<float> values() const { return {reinterpret_cast<float *>(memory_.data()), size_t(memory_.size() / 4)}; }
  std::span<float> of(const caa_parameter &parameter) const {
    return values().subspan(parameter.offset, parameter.elements);
  }
  /// The model's, as tensors named `prefix` + the parameter's name.
  std::vector<TensorView> views(const Image &image, std::string_view prefix = {}) const;

private:
  Memory memory_;
};

Shape shapeOf(const caa_parameter &parameter);

/// The model's own parameters, which lie before those of exports (called `NAME:path`).
std::span<const caa_parameter> modelParameters(const Image &image);
/// A parameter's name as the user of export `name` knows it: without `name:`.
std::string_view nameWithin(const Image &image, const caa_parameter &parameter, std::string_view name);

/// Fills every parameter as its `init` says. Depends on seed and name only.
void initialise(const Image &image, const ParameterArena &arena, uint64_t seed, Threads &threads);

/// Fills the model's parameters from tensors named `prefix` + name. All that is missing, of the wrong shape or (but for
/// what a tied copy or a table of sines would be) in the file and not in the model is listed in one error.
Status loadParameters(const Image &image, const ParameterArena &arena, const TensorFile &file,
                      std::string_view prefix = {});

/// As published counts have it: elements of matrices that are no table of embeddings, and of all parameters.
struct ParameterCounts {
  int64_t matricesOutsideEmbedding = 0, all = 0;
};
ParameterCounts countParameters(const Image &image);

} // namespace caa
