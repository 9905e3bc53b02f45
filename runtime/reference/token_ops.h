// The oracle's token-wise ops with linear algebra or shapes in them (linear.cpp, shapes.cpp); the table is in token_ops.cpp.
#pragma once

#include "runtime/reference/context.h"

namespace caa::reference {

/// log sum e^logits of one token.
double logSumExp(const Tensor &logits, int64_t token);

#define CAA_ORACLE_RULE(Name)                                                                                          \
  Status run##Name(Context &context, const Op &op);                                                                    \
  Status reverse##Name(Context &context, const Op &op)
CAA_ORACLE_RULE(Linear);
CAA_ORACLE_RULE(Embed);
CAA_ORACLE_RULE(Norm);
CAA_ORACLE_RULE(Rope);
CAA_ORACLE_RULE(Copy);
CAA_ORACLE_RULE(Slice);
CAA_ORACLE_RULE(Concat);
CAA_ORACLE_RULE(Reduce);
CAA_ORACLE_RULE(Broadcast);
CAA_ORACLE_RULE(Cumsum);
CAA_ORACLE_RULE(Shift);
CAA_ORACLE_RULE(Hold);
#undef CAA_ORACLE_RULE
Status runPool(Context &context, const Op &op);

} // namespace caa::reference
