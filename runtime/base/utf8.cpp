// UTF-8 checks of utf8.h. Runs of ASCII are skipped eight bytes at a time.
#include "runtime/base/utf8.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace caa {
namespace {

/// Length of the well-formed sequence at `at`, or 0.
size_t sequenceLength(const unsigned char *at, size_t left) {
  auto continues = [&](size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
    return i < left && at[i] >= low && at[i] <= high;
  };
  unsigned lead = at[0];
  if (lead < 0x80)
    return 1;
  if (lead >= 0xc2 && lead <= 0xdf)
    return continues(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    unsigned low = lead == 0xe0 ? 0xa0 : 0x80, high = lead == 0xed ? 0x9f : 0xbf;
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    unsigned low = lead == 0xf0 ? 0x90 : 0x80, high = lead == 0xf4 ? 0x8f : 0xbf;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

} // namespace

std::optional<Utf8Fault> findInvalidUtf8(std::string_view text) {
  const auto *data = reinterpret_cast<const unsigned char *>(text.data());
  size_t i = 0;
  while (i < text.size()) {
    if (i + 8 <= text.size()) {
      uint64_t word;
      std::memcpy(&word, data + i, 8);
      if ((word & 0x8080808080808080ull) == 0) {
        i += 8;
        continue;
      }
    }
    size_t length = sequenceLength(data + i, text.size() - i);
    if (length == 0) {
      auto before = text.substr(0, i);
      uint64_t line = 1 + uint64_t(std::count(before.begin(), before.end(), '\n'));
      size_t start = before.rfind('\n');
      return Utf8Fault{i, line, i - (start == std::string_view::npos ? 0 : start + 1) + 1};
    }
    i += length;
  }
  return std::nullopt;
}

Error utf8Error(const Path &path, std::string_view text, const Utf8Fault &fault) {
  return inputError(fmt::format(
      "{}:{}:{}: error: not UTF-8 text: byte 0x{:02x} at offset {} starts no valid character; "
      "convert the file to UTF-8 first (for example with iconv)",
      path.string(), fault.line, fault.column, static_cast<unsigned char>(text[fault.offset]), fault.offset));
}

char32_t decodeUtf8(std::string_view text, size_t &offset) {
  auto next = [&] { return static_cast<unsigned char>(text[offset++]); };
  char32_t lead = next();
  if (lead < 0x80)
    return lead;
  int more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
  char32_t value = lead & (0x3f >> more);
  while (more-- > 0)
    value = value << 6 | (next() & 0x3f);
  return value;
}

void appendUtf8(std::string &text, char32_t codePoint) {
  auto put = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (codePoint < 0x80) {
    put(codePoint);
  } else if (codePoint < 0x800) {
    put(0xc0 | codePoint >> 6);
    put(0x80 | (codePoint & 0x3f));
  } else if (codePoint < 0x10000) {
    put(0xe0 | codePoint >> 12);
    put(0x80 | (codePoint >> 6 & 0x3f));
    put(0x80 | (codePoint & 0x3f));
  } else {
    put(0xf0 | codePoint >> 18);
    put(0x80 | (codePoint >> 12 & 0x3f));
    put(0x80 | (codePoint >> 6 & 0x3f));
    put(0x80 | (codePoint & 0x3f));
  }
}

} // namespace caa
