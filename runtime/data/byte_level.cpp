// The table of byte_level.h, made once.
#include "runtime/data/byte_level.h"

#include "runtime/base/utf8.h"

#include <array>

namespace caa {
namespace {

struct Table {
  std::array<std::string, 256> symbol;
  std::array<int, 324> byte; // by code point; -1: none

  Table() {
    byte.fill(-1);
    char32_t next = 256;
    for (int value = 0; value < 256; ++value) {
      bool printable = (value >= '!' && value <= '~') || (value >= 0xa1 && value != 0xad);
      char32_t codePoint = printable ? char32_t(value) : next++;
      appendUtf8(symbol[size_t(value)], codePoint);
      byte[codePoint] = value;
    }
  }
};

const Table table;

} // namespace

const std::string &byteSymbol(uint8_t byte) { return table.symbol[byte]; }

std::string toSymbols(std::string_view bytes) {
  std::string symbols;
  for (char byte : bytes)
    symbols += byteSymbol(static_cast<uint8_t>(byte));
  return symbols;
}

std::optional<std::string> fromSymbols(std::string_view symbols) {
  std::string bytes;
  for (size_t offset = 0; offset < symbols.size();) {
    char32_t codePoint = decodeUtf8(symbols, offset);
    if (codePoint >= table.byte.size() || table.byte[codePoint] < 0)
      return std::nullopt;
    bytes += static_cast<char>(table.byte[codePoint]);
  }
  return bytes;
}

} // namespace caa
