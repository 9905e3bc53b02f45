// The GPU code of a compiled model, loaded on one device: a cubin that fits, else PTX that the driver compiles.
#pragma once

#include "runtime/device/cuda/device.h"
#include "runtime/engine/image.h"

#include <memory>
#include <vector>

namespace caa::cuda {

/// The target of the image whose code this device runs best; an error that names what the image has and what the device
/// is if there is none.
Result<caa_target> targetFor(const Device &device, const Image &image);

struct Kernel {
  CUfunction function = nullptr;
  CUdeviceptr counters = 0; // kernel.counters numbers of 32 bits, zero between launches
  int registers = 0;        // per thread
  int localBytes = 0;       // per thread: what did not fit into registers
};

class Kernels {
public:
  /// Loads the code of `target` and finds every kernel of it. Errors name the kernel, or hold what the driver's
  /// compiler said about the PTX.
  static Result<Kernels> load(const Device &device, const Image &image, caa_target target);
  Kernels() = default;
  Kernels(Kernels &&other) noexcept { *this = std::move(other); }
  Kernels &operator=(Kernels &&other) noexcept {
    std::swap(device_, other.device_);
    std::swap(module_, other.module_);
    std::swap(isCubin_, other.isCubin_);
    kernels_.swap(other.kernels_);
    std::swap(counters_, other.counters_);
    return *this;
  }
  ~Kernels();

  /// By the image's index; empty for kernels of other targets.
  const Kernel &operator[](size_t index) const { return kernels_[index]; }
  /// Whether the file's own machine code is used, not the driver's compilation of its PTX.
  bool isCubin() const { return isCubin_; }

private:
  const Device *device_ = nullptr;
  CUmodule module_ = nullptr;
  bool isCubin_ = false;
  std::vector<Kernel> kernels_;
  DeviceMemory counters_;
};

} // namespace caa::cuda
