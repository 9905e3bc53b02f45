// UTF-8: is this text well-formed, and if not, where? (Unicode 15, table 3-7: no surrogates, no overlong forms.)
#pragma once

#include "runtime/base/files.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace caa {

/// The first byte that no well-formed text could have there.
struct Utf8Fault {
  uint64_t offset; // in bytes, from 0
  uint64_t line;   // from 1
  uint64_t column; // in bytes, from 1
};

std::optional<Utf8Fault> findInvalidUtf8(std::string_view text);

/// `path:line:column: error: not UTF-8 text: byte 0xNN at offset N ...`; `text` is what was searched.
Error utf8Error(const Path &path, std::string_view text, const Utf8Fault &fault);

/// One code point at `offset`, which moves on; the text must be well-formed there.
char32_t decodeUtf8(std::string_view text, size_t &offset);

/// Appends a code point's bytes.
void appendUtf8(std::string &text, char32_t codePoint);

} // namespace caa
