// The code of a compiled model: loaded only after the file has been checked whole.
#pragma once

#include "runtime/engine/image.h"

#include <memory>
#include <string_view>

namespace caa {

/// Instruction sets that CPU kernels exist for.
enum class Isa { Avx2, Avx512 };
std::string_view nameOf(Isa isa);
/// The best one of this machine; an error if it has not even AVX2 with FMA.
Result<Isa> machineIsa();

class Library {
public:
  /// Loads the code of `image` and finds every kernel for the best instruction set that both sides have. The
  /// environment variable CAA_ISA=avx2 keeps from AVX-512.
  static Result<Library> load(Image image);

  const Image &image() const { return image_; }
  /// Code of kernel `index` of the image; null for a GPU's.
  caa_cpu_kernel kernel(size_t index) const { return kernels_[index]; }
  Isa isa() const { return isa_; }

private:
  Image image_;
  std::shared_ptr<void> handle_;
  std::vector<caa_cpu_kernel> kernels_;
  Isa isa_ = Isa::Avx2;
};

} // namespace caa
