// From one attend to one kernel of the tile dialect.
#pragma once

#include "passes/Lower/Attend/Bodies.h"
#include "passes/Lower/Attend/Layout.h"
#include "passes/Lower/Attend/RegionFacts.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace caa::attend {

struct Options {
  int64_t queries = 32, keys = 32; // tile sizes in tokens; the fastest on AVX2 and AVX-512 for heads of 64
  unsigned bodies = 4;             // of a sweep, at most
  bool keysAsRows = false;         // where a work item holds keys: whether they are the rows of pair tiles
  bool splitsUnits = false;        // a tile of keys may be a part of a unit where nothing is asked of all keys of a unit
};

/// How many keys a tile of this attend has: where it sees keys in units, a unit or a part of one.
int64_t tileOfKeys(AttendOp attend, const Options &options);

/// Where an attend's operands lie, and where its results go (null: not wanted).
struct Buffers {
  llvm::SmallVector<mlir::Value> operands, results;
  llvm::SmallVector<bool> accumulates; // per result: adds to what is there
};

/// Writes the kernel of `attend` at the builder (the entry block of the kernel function) and gives its grid. With reductions
/// over one axis a work item is (batch row, head or group of heads, tile of the other axis). With reductions over both it is
/// (batch row, group of heads): tiles of keys, each swept by the queries, whose own reductions are added up in memory.
/// Fails with a diagnostic where it can't.
mlir::FailureOr<mlir::ArrayAttr> buildKernel(AttendOp attend, const Buffers &buffers, const Options &options, mlir::OpBuilder &builder);

/// An estimate of the arithmetic of one work item: products alone, at a length of 1,024.
double flopsPerItem(AttendOp attend, const Options &options);

} // namespace caa::attend
