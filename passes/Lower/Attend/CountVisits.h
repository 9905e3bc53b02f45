// How many scores an attention looks at, as a function of length: the tiles that its kernel would visit, counted by the compiler.
#pragma once

#include "passes/Lower/Attend/KernelBuilder.h"

#include "llvm/Support/raw_ostream.h"

namespace caa::attend {

struct VisitCount {
  int64_t length;
  int64_t visited; // scores in visited tiles; at most so many, where a set is too irregular to be followed
  int64_t causal;  // T (T + 1) / 2
  int64_t total;   // T^2
};

/// Per-token scalars are bounded by how they are computed where that can be seen (256 + 256 sigmoid(x) is in [256, 512]); what is
/// not bounded is taken to rule nothing out. So a set that a model narrows by unbounded widths counts as full here.
VisitCount countVisits(AttendOp attend, const Options &options, int64_t length);

/// Bounds of all components of a token-wise or per-head value, as far as its definition tells.
std::pair<std::optional<double>, std::optional<double>> boundsOf(mlir::Value value, int64_t length);

/// JSON, for the image's `analysis`: an array with one object per attention of the module that reduces over keys by more than sums
/// (those are adjoints, which visit the same tiles): where it stands, what it computes, its tiles, and the counts at 1k to 64k.
void describeAttends(mlir::ModuleOp module, const Options &options, llvm::raw_ostream &out);

} // namespace caa::attend
