// Changing an attend in place: operands that join it, and what its region looks like from outside.
#pragma once

#include "dialect/Caa/CaaDialect.h"

namespace caa {

/// The operand segments of an attend.
enum class Segment { Queries, Keys, Heads };

/// The segment of operand `number`, and its position in that segment.
std::pair<Segment, unsigned> segmentOf(AttendOp op, unsigned number);

/// The region's argument for `value` as an operand of the segment; joins it to the operands if it is none yet.
mlir::BlockArgument getOrAddOperand(AttendOp op, Segment segment, mlir::Value value);

/// Which operand a region argument stands for (not i and j).
inline unsigned operandOf(mlir::BlockArgument argument) { return argument.getArgNumber() - 2; }

/// Cleans up after a rewrite: equal scalars once, nothing unused.
void cleanUpAttends(mlir::Operation *root);

} // namespace caa
