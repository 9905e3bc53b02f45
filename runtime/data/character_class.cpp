// The table of character_class.h: a byte a code point, of which a text touches a few pages.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "runtime/data/character_class.h"

#include "runtime/base/utf8.h"

#include <fmt/format.h>
#include <pcre2.h>
#include <string>
#include <vector>

namespace caa {

// Unicode's White_Space property; PCRE2's own \s also has U+180E.
const std::string_view whiteSpaceMembers = R"(\t-\r\x{85}\p{Z})";

// Letters and numbers that Unicode 15.0, 15.1 and 16.0 added (DerivedGeneralCategory.txt): missing in PCRE2 10.42,
// whose tables are those of Unicode 14, harmless twice in newer ones.
const std::string_view letterMembers =
    R"(\p{L}\x{1c89}\x{1c8a}\x{a7cb}-\x{a7cd}\x{a7da}-\x{a7dc}\x{105c0}-\x{105f3}\x{10d4a}-\x{10d65}\x{10d6f}-\x{10d85})"
    R"(\x{10ec2}-\x{10ec4}\x{1123f}\x{11240}\x{11380}-\x{11389}\x{1138b}\x{1138e}\x{11390}-\x{113b5}\x{113b7}\x{113d1})"
    R"(\x{113d3}\x{11bc0}-\x{11be0}\x{11f02}\x{11f04}-\x{11f10}\x{11f12}-\x{11f33}\x{1342f}\x{13441}-\x{13446})"
    R"(\x{13460}-\x{143fa}\x{16100}-\x{1611d}\x{16d40}-\x{16d6c}\x{18cff}\x{1b132}\x{1b155}\x{1df25}-\x{1df2a})"
    R"(\x{1e030}-\x{1e06d}\x{1e4d0}-\x{1e4eb}\x{1e5d0}-\x{1e5ed}\x{1e5f0}\x{2b739}\x{2ebf0}-\x{2ee5d}\x{31350}-\x{323af})";
const std::string_view numberMembers =
    R"(\p{N}\x{10d40}-\x{10d49}\x{116d0}-\x{116e3}\x{11bf0}-\x{11bf9}\x{11f50}-\x{11f59}\x{16130}-\x{16139})"
    R"(\x{16d70}-\x{16d79}\x{1ccf0}-\x{1ccf9}\x{1d2c0}-\x{1d2d3}\x{1e4f0}-\x{1e4f9}\x{1e5f1}-\x{1e5fa})";

namespace {

constexpr char32_t codePoints = 0x110000;

constexpr std::array<CharacterClass, 256> makeAsciiClasses() {
  std::array<CharacterClass, 256> classes{};
  for (int c = 0; c < 256; ++c) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'), space = c == ' ' || (c >= '\t' && c <= '\r');
    classes[size_t(c)] = c >= 0x80              ? CharacterClass::Several
                         : letter               ? CharacterClass::Letter
                         : c >= '0' && c <= '9' ? CharacterClass::Number
                         : space                ? CharacterClass::Space
                                                : CharacterClass::Other;
  }
  return classes;
}

std::vector<CharacterClass> makeTable() {
  std::vector<CharacterClass> table(codePoints, CharacterClass::Other);
  std::string all; // every character once, in order
  for (char32_t c = 0; c < codePoints; ++c)
    if (c < 0xd800 || c > 0xdfff)
      appendUtf8(all, c);
  auto mark = [&](std::string_view members, CharacterClass found) {
    std::string pattern = fmt::format("[{}]+", members);
    int error = 0;
    PCRE2_SIZE offset = 0;
    auto *code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_UCP,
                               &error, &offset, nullptr);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    auto *match = pcre2_match_data_create_from_pattern(code, nullptr);
    const PCRE2_SIZE *range = pcre2_get_ovector_pointer(match);
    for (size_t at = 0; pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(all.data()), all.size(), at, PCRE2_NO_UTF_CHECK,
                                    match, nullptr) > 0;)
      for (at = range[0]; at < range[1];)
        table[decodeUtf8(all, at)] = found;
    pcre2_match_data_free(match);
    pcre2_code_free(code);
  };
  mark(letterMembers, CharacterClass::Letter);
  mark(numberMembers, CharacterClass::Number);
  mark(whiteSpaceMembers, CharacterClass::Space);
  return table;
}

} // namespace

constexpr std::array<CharacterClass, 256> asciiClasses = makeAsciiClasses();

CharacterClass classOf(char32_t codePoint) {
  static const std::vector<CharacterClass> table = makeTable();
  return table[codePoint];
}

} // namespace caa
