// Unicode normalisation form C by utf8proc, with a shortcut for the text that has it already.
#pragma once

#include "runtime/base/result.h"

#include <string>
#include <string_view>

namespace caa {

/// True if every character is one that form C keeps whatever stands beside it (most text).
bool isPlainlyNfc(std::string_view text);

/// The text in form C. `text` must be well-formed UTF-8.
Result<std::string> toNfc(std::string_view text);

} // namespace caa
