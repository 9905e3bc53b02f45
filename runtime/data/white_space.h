// White space as Unicode's White_Space property has it, in well-formed UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace caa {

/// Nothing but white space, or nothing.
bool isBlank(std::string_view text);

/// Runs of white space become one space; none at the ends. Two texts that differ in layout only become equal.
std::string collapseWhiteSpace(std::string_view text);

} // namespace caa
