// The four kinds of characters that splitting patterns tell apart: letters, numbers, white space, anything else.
//
// Kinds are those of the Unicode version that the public tokenizer libraries have. PCRE2's tables are older, so that
// what Unicode 15 and 16 added to letters and numbers is listed here. The table is made by PCRE2 from the very members
// that translated patterns hold (splitter.cpp): both ways to split agree by construction.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace caa {

/// What stands between the brackets of a PCRE2 character class.
extern const std::string_view whiteSpaceMembers, letterMembers, numberMembers;

enum class CharacterClass : uint8_t { Other, Letter, Number, Space, Several };

/// By the first byte; `Several` for a byte that starts a longer sequence.
extern const std::array<CharacterClass, 256> asciiClasses;

/// Of any code point. The first call makes the table (some milliseconds).
CharacterClass classOf(char32_t codePoint);

} // namespace caa
