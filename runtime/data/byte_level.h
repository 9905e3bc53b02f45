// The printable symbols that byte-level tokenizer files write for the 256 bytes.
//
// A printable Latin-1 character stands for its own byte; the other 68 bytes take U+0100, U+0101, ... in order of their
// value. (GPT-2, Radford et al. 2019; every Hugging Face `ByteLevel` component.)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace caa {

/// The symbol (UTF-8) of a byte.
const std::string &byteSymbol(uint8_t byte);

/// Bytes in symbols.
std::string toSymbols(std::string_view bytes);

/// Symbols (well-formed UTF-8) back in bytes; nothing if a character is no symbol.
std::optional<std::string> fromSymbols(std::string_view symbols);

} // namespace caa
