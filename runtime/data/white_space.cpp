// The 25 characters of White_Space are at most three bytes long, so they are recognised without decoding.
#include "runtime/data/white_space.h"

namespace caa {
namespace {

/// Length in bytes of the white-space character at `at`, or 0.
size_t spaceAt(std::string_view text, size_t at) {
  auto byte = [&](size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u; };
  unsigned lead = byte(0);
  if (lead == ' ' || (lead >= 9 && lead <= 13))
    return 1;
  if (lead == 0xc2 && (byte(1) == 0x85 || byte(1) == 0xa0)) // U+0085, U+00A0
    return 2;
  if (lead == 0xe1 && byte(1) == 0x9a && byte(2) == 0x80) // U+1680
    return 3;
  if (lead == 0xe2 && byte(1) == 0x80 && // U+2000 to U+200A, U+2028, U+2029, U+202F
      (byte(2) <= 0x8a || byte(2) == 0xa8 || byte(2) == 0xa9 || byte(2) == 0xaf) && byte(2) >= 0x80)
    return 3;
  if (lead == 0xe2 && byte(1) == 0x81 && byte(2) == 0x9f) // U+205F
    return 3;
  if (lead == 0xe3 && byte(1) == 0x80 && byte(2) == 0x80) // U+3000
    return 3;
  return 0;
}

bool mayStartSpace(char byte) {
  auto value = static_cast<unsigned char>(byte);
  return value <= ' ' || value == 0xc2 || (value >= 0xe1 && value <= 0xe3);
}

} // namespace

bool isBlank(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    size_t length = spaceAt(text, at);
    if (length == 0)
      return false;
    at += length;
  }
  return true;
}

std::string collapseWhiteSpace(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool pending = false;
  for (size_t at = 0; at < text.size();) {
    if (size_t length = spaceAt(text, at)) {
      pending = true;
      at += length;
      continue;
    }
    if (pending && !out.empty())
      out += ' ';
    pending = false;
    size_t start = at++; // a run of what surely is none: neither white space nor the first byte of some
    while (at < text.size() && !mayStartSpace(text[at]))
      ++at;
    out += text.substr(start, at - start);
  }
  return out;
}

} // namespace caa
