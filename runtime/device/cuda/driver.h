// NVIDIA's driver and cuBLASLt, found at run time.
//
// Nothing of CUDA is linked: `Driver::load` opens libcuda.so.1 (or the file that the environment variable
// CAA_CUDA_DRIVER names), `CublasLt::load` libcublasLt.so.13 or .12 (CAA_CUBLASLT). Both are opened once per process
// and stay. Errors are sentences for users.
#pragma once

#include "runtime/base/result.h"
#include "runtime/device/cuda/cuda_api.h"

#include <string>
#include <string_view>

namespace caa::cuda {

class Driver {
public:
  /// Opens and initialises the driver; an error if there is none or it sees no device.
  static Result<const Driver *> load();

  /// The functions, as `driver->api.cuMemAlloc(...)`.
  DriverTable api;
  /// The newest CUDA that this driver knows: 12040 for 12.4.
  int version() const { return version_; }
  int deviceCount() const { return deviceCount_; }

  /// "<what>: out of memory (CUDA_ERROR_OUT_OF_MEMORY)", an input error. `code` is not 0. Where a kernel did it, the
  /// error's `fault` is set: `what` need not be that kernel.
  Error error(std::string_view what, int code) const;
  /// Nothing if `code` is 0, else `error`.
  Status check(std::string_view what, int code) const {
    return code == CUDA_SUCCESS ? Status() : Status(error(what, code));
  }

private:
  static Result<Driver> open();
  int version_ = 0, deviceCount_ = 0;
};

struct CublasLt {
  static Result<const CublasLt *> load();
  CublasLtTable api;
};

/// "12.4" for 12040.
std::string formatCudaVersion(int version);

} // namespace caa::cuda
