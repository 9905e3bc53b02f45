// From text to syntax tree. The only header through which ANTLR is reached; its own messages never show.
#pragma once

#include "frontend/Support/Diagnostics.h"
#include "frontend/Syntax/Syntax.h"

namespace caa::syntax {

// Parses a whole file. Reports every syntax error it can tell apart; the tree then holds what was understood.
File parseFile(const SourceManager &sources, int32_t source, Diagnostics &diagnostics);

// Parses one expression, such as the value of `--set`; null after an error.
ExprPtr parseExpr(const SourceManager &sources, int32_t source, Diagnostics &diagnostics);

} // namespace caa::syntax
