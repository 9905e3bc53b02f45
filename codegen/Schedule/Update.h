// The entries of a GPU that need no model, only its parameters: "update" (norms, clipping, AdamW, rounded copies, gradients to
// zero) and "refresh" (rounded copies alone). codegen/Nvptx/Update makes the kernels that they launch.
#pragma once

#include "codegen/Schedule/Program.h"

#include "mlir/IR/BuiltinOps.h"

#include <optional>

namespace caa::schedule {

/// A run of elements of one parameter, as the kernels read it: 32 bytes, the first 16 of them as one vector.
struct UpdateSegment {
  uint32_t first;    // in units of 16 elements of the arena
  uint32_t elements; // at most UpdateShape::segmentElements
  uint32_t group;    // caa_parameter.group_number
  uint32_t decays;   // 0 or 1
  float low, high;
  uint32_t reserved[2];
};
static_assert(sizeof(UpdateSegment) == 32);

/// What the kernels' code depends on.
struct UpdateShape {
  static constexpr int64_t segmentElements = 1 << 14;
  int64_t segments = 0; ///< in the table
  int64_t groups = 1;   ///< group numbers are below it
  int64_t losses = 0;   ///< loss sums
  int64_t elements = 0; ///< of the whole arena, a multiple of 16
  bool rounds = true;   ///< there is an arena of bf16 copies

  int64_t refreshItems() const { return (elements + segmentElements - 1) / segmentElements; }
};

/// The segments of the parameters that training the model changes, in the order of the arena.
std::vector<UpdateSegment> updateSegments(const Program &program);

/// Adds the entries, kernels and the table of segments to a GPU's program that has all its other entries: "update" if the model is
/// trained by one of them, "refresh" if any reads bf16 copies of parameters.
UpdateShape addUpdate(Program &program);

/// Notes the shape on a module as the attribute `caa.update`, by which the GPU backend adds the kernels; and reads it.
void noteUpdate(mlir::ModuleOp module, const UpdateShape &shape);
std::optional<UpdateShape> notedUpdate(mlir::ModuleOp module);

} // namespace caa::schedule
