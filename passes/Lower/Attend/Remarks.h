// Remarks on attentions that cost more than they need: why, and what would change it.
#pragma once

#include "passes/Lower/Attend/KernelBuilder.h"

namespace caa::attend {

/// Emits, under the category "attention":
///   quadratic-rank        a ranking that looks at every visible key
///   strided-set           a set that fills the tiles it visits thinly
///   unbounded-condition   a condition that no tile can be skipped by, as nothing bounds its sides
void remarkOn(AttendOp attend, const Options &options);

} // namespace caa::attend
