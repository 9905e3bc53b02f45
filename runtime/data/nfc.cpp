// nfc.h over utf8proc.
#include "runtime/data/nfc.h"

#include "runtime/base/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <iterator>
#include <utf8proc.h>

namespace caa {
namespace {

// Characters below have no decomposition that form C would keep and combine with nothing but combining marks, which
// are not among them. Conservative: what is left out takes the slow path.
bool isInert(char32_t c) {
  return c < 0x300 || (c >= 0x400 && c <= 0x482) || (c >= 0x48a && c <= 0x590) || (c >= 0x2010 && c <= 0x2027) ||
         (c >= 0x2030 && c <= 0x205e) || (c >= 0x20a0 && c <= 0x20cf) || (c >= 0x2190 && c <= 0x22ff) ||
         (c >= 0x2500 && c <= 0x27bf) || (c >= 0x3001 && c <= 0x3029) || (c >= 0x3041 && c <= 0x3096) ||
         (c >= 0x30a1 && c <= 0x30ff) || (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7a3) ||
         (c >= 0xff01 && c <= 0xff9d) || (c >= 0x1f300 && c <= 0x1f64f);
}

struct Range {
  char32_t first, last;
};

// Characters with a combining class or a composition that came after Unicode 9. The tokenizers library normalises with
// that version's tables, where they are ordinary, so that nothing moves or combines across them. (Found by asking the
// library; test/e2e/tokenizer_test.py goes through all of Unicode.)
constexpr Range laterMarks[] = {
    {0x7fd, 0x7fd},     {0x898, 0x89f},     {0x8ca, 0x8d3},     {0x9fe, 0x9fe},     {0xc3c, 0xc3c},
    {0xd3b, 0xd3c},     {0xeba, 0xeba},     {0x1715, 0x1715},   {0x1abf, 0x1ace},   {0x1df6, 0x1dfa},
    {0xa82c, 0xa82c},   {0x10d24, 0x10d27}, {0x10eab, 0x10eac}, {0x10efd, 0x10eff}, {0x10f46, 0x10f50},
    {0x10f82, 0x10f85}, {0x11070, 0x11070}, {0x1133b, 0x1133b}, {0x1145e, 0x1145e}, {0x11839, 0x1183a},
    {0x11930, 0x11930}, {0x11938, 0x11938}, {0x1193d, 0x1193e}, {0x11943, 0x11943}, {0x119e0, 0x119e0},
    {0x11a34, 0x11a34}, {0x11a47, 0x11a47}, {0x11a99, 0x11a99}, {0x11d42, 0x11d42}, {0x11d44, 0x11d45},
    {0x11d97, 0x11d97}, {0x11f41, 0x11f42}, {0x16ff0, 0x16ff1}, {0x1e08f, 0x1e08f}, {0x1e130, 0x1e136},
    {0x1e2ae, 0x1e2ae}, {0x1e2ec, 0x1e2ef}, {0x1e4ec, 0x1e4ef},
};

bool isLaterMark(char32_t c) {
  auto *range = std::upper_bound(std::begin(laterMarks), std::end(laterMarks), c,
                                 [](char32_t c, const Range &range) { return c < range.first; });
  return range != std::begin(laterMarks) && c <= std::prev(range)->last;
}

/// Appends a stretch in form C by the library's tables.
Status appendNfc(std::string_view text, std::string &out) {
  utf8proc_uint8_t *normal = nullptr;
  auto options = utf8proc_option_t(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t *>(text.data()), utf8proc_ssize_t(text.size()),
                             &normal, options);
  if (length < 0)
    return inputError(
        fmt::format("error: cannot normalise a text of {} bytes: {}", text.size(), utf8proc_errmsg(length)));
  out.append(reinterpret_cast<char *>(normal), size_t(length));
  std::free(normal);
  return {};
}

} // namespace

bool isPlainlyNfc(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    uint64_t word; // ASCII, eight bytes at a time
    if (at + sizeof word <= text.size()) {
      std::memcpy(&word, text.data() + at, sizeof word);
      if ((word & 0x8080808080808080ull) == 0) {
        at += sizeof word;
        continue;
      }
    }
    if (static_cast<unsigned char>(text[at]) < 0xcc) { // below U+0300
      ++at;
      while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80)
        ++at;
      continue;
    }
    if (!isInert(decodeUtf8(text, at)))
      return false;
  }
  return true;
}

Result<std::string> toNfc(std::string_view text) {
  if (isPlainlyNfc(text))
    return std::string(text);
  std::string normal;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    size_t start = at;
    if (static_cast<unsigned char>(text[at]) < 0xcc) { // below U+0300
      ++at;
      continue;
    }
    if (!isLaterMark(decodeUtf8(text, at)))
      continue;
    if (start > done)
      CAA_CHECK(appendNfc(text.substr(done, start - done), normal));
    normal += text.substr(start, at - start);
    done = at;
  }
  if (done < text.size())
    CAA_CHECK(appendNfc(text.substr(done), normal));
  return normal;
}

} // namespace caa
