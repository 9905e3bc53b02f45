// Runs NVIDIA's assembler, where it is installed.
#pragma once

#include "runtime/abi/caa_abi.h"

#include "llvm/Support/Error.h"

#include <optional>
#include <string>
#include <vector>

namespace caa::nvptx {

/// The path of ptxas: CAA_PTXAS, the PATH, /usr/local/cuda/bin. Nothing if there is none.
std::optional<std::string> findPtxas();

struct AssembledKernel {
  std::string name;
  unsigned registers = 0, spillBytes = 0, stackBytes = 0, sharedBytes = 0;
};

struct Assembly {
  std::string cubin;
  std::vector<AssembledKernel> kernels;
  std::vector<std::string> warnings; ///< lines with "C75": wgmma that is serialised, and other warnings
};

/// Assembles one PTX module. Errors carry ptxas's output.
llvm::Expected<Assembly> assemble(llvm::StringRef ptx, caa_target target, llvm::StringRef ptxas);

} // namespace caa::nvptx
