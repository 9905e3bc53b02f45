// The frame of a GPU kernel: its LLVM function with the parameters of LaunchInfo, and access to them.
#pragma once

#include "codegen/Nvptx/Core/Nvptx.h"
#include "codegen/Nvptx/Core/ThreadCode.h"
#include "dialect/Tile/TileDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace caa::nvptx {

class Frame {
public:
  /// Adds the function of `kernel` to `module`. `launch` (but for its name) must be final where it decides about parameters:
  /// counters and tensor maps; threads and shared memory may be set until finish().
  Frame(mlir::func::FuncOp kernel, mlir::ModuleOp module, caa_target target, LaunchInfo launch);

  mlir::func::FuncOp kernel;
  LaunchInfo launch;
  ThreadCode code;

  /// The pointer (address space 1) of a buffer, which is an argument of the tile kernel.
  Value buffer(Value argument);
  /// B, T, rows, first row as i64.
  Value extent(tile::Extent extent);
  /// T, rows: as i32 (a kernel's axes hold fewer than 2^31 elements).
  Value extent32(tile::Extent extent);
  Value items(); ///< i64
  /// The pointer to the counters, address space 1.
  Value counters();
  /// The generic pointer to tensor map n.
  Value tensorMap(unsigned n);
  /// Whether the kernel writes through a buffer.
  bool isWritten(Value argument) const { return written.contains(argument); }

  /// Ends the function (a return where the code stands), says how it is launched: `minBlocks` blocks per multiprocessor is
  /// what ptxas must leave registers for (0: no matter).
  LaunchInfo finish(unsigned minBlocks = 0);

private:
  llvm::DenseSet<Value> written;
};

} // namespace caa::nvptx
