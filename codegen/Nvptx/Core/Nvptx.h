// PTX from tile kernels, and how each kernel is launched: what the rest of the compiler sees of the GPU backend.
#pragma once

#include "runtime/abi/caa_abi.h"

#include "mlir/IR/BuiltinOps.h"

#include <cstdint>
#include <string>
#include <vector>

namespace caa::nvptx {

/// A tensor map over the buffer [B, T, heads, width] of a kernel's operand, as cuTensorMapEncodeTiled takes it: sizes
/// {width, heads, T, B}, box {boxWidth, 1, boxRows, 1}. Rows past T read as zero and are not written.
struct TensorMap {
  uint32_t operand;
  caa_dtype dtype; ///< CAA_F32 or CAA_BF16
  int64_t heads, width;
  uint32_t boxWidth, boxRows;
  uint32_t swizzleBytes; ///< 0, 32, 64, 128
};

/// How a kernel is launched. Its parameters, in order: a pointer to global memory (8 bytes) per operand; i64 B, T, R, first
/// row, items; if `counters` > 0, a pointer to that many u32, zero at load, which the kernel leaves zero; then a 128-byte
/// `__grid_constant__` tensor map, aligned to 64, per element of `tensorMaps`. Every buffer is aligned to 256 bytes.
///
/// Blocks: one per work item (blocksPerSm 0), or min(items, blocksPerSm * multiprocessors).
struct LaunchInfo {
  std::string name;         ///< the kernel's symbol in the module
  uint32_t threads = 0;     ///< per block
  uint32_t sharedBytes = 0; ///< of dynamic shared memory
  uint32_t blocksPerSm = 0; ///< 0: a block per work item; n: persistent
  uint32_t counters = 0;
  std::vector<TensorMap> tensorMaps;
};

/// The kernels of a program for one target.
struct Code {
  std::string ptx; ///< text of one module with all kernels
  std::vector<LaunchInfo> kernels; ///< in the order of the module's functions; then the optimizer's
};

/// Lowers every function `tile.kernel` of `module` to PTX for `target` (CAA_TARGET_SM80 or CAA_TARGET_SM90A) on `threads`
/// threads, and adds the optimizer's kernels where the module has the note of codegen/Schedule/Update.h. Errors are diagnostics.
/// The module's context must not be in use elsewhere meanwhile.
mlir::FailureOr<Code> compileKernels(mlir::ModuleOp module, caa_target target, unsigned threads);

/// The kernels as LLVM IR, before LLVM's own passes: a text for people, one LLVM module after the other.
mlir::FailureOr<std::string> emitLlvm(mlir::ModuleOp module, caa_target target);

} // namespace caa::nvptx
