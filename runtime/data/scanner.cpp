// Each function below is one pattern; its comments name the alternatives, which are tried in the pattern's order.
#include "runtime/data/scanner.h"

#include "runtime/base/utf8.h"
#include "runtime/data/character_class.h"

#include <climits>

namespace caa {
namespace {

using enum CharacterClass;

/// A place in a text, and what stands there.
class Cursor {
public:
  explicit Cursor(std::string_view text) : text_(text) {}

  /// The class of the character at `at`, whose length goes to `length`; `at` must be inside.
  CharacterClass classAt(size_t at, size_t &length) const {
    CharacterClass found = asciiClasses[static_cast<unsigned char>(text_[at])];
    if (found != Several) [[likely]] {
      length = 1;
      return found;
    }
    size_t end = at;
    found = classOf(decodeUtf8(text_, end));
    length = end - at;
    return found;
  }
  /// True if a character of this class stands at `at`.
  bool is(size_t at, CharacterClass wanted) const {
    size_t length;
    return at < text_.size() && classAt(at, length) == wanted;
  }
  /// The end of the run of `wanted` characters from `at` on, at most `most` of them.
  size_t runEnd(size_t at, CharacterClass wanted, int most = INT_MAX) const {
    for (size_t length; most > 0 && at < text_.size() && classAt(at, length) == wanted; --most)
      at += length;
    return at;
  }
  bool isNewline(size_t at) const { return at < text_.size() && (text_[at] == '\r' || text_[at] == '\n'); }
  /// The byte at `at`, 0 past the end; letters of ASCII in lower case if asked for.
  char byteAt(size_t at, bool lower) const {
    char byte = at < text_.size() ? text_[at] : '\0';
    return lower && byte >= 'A' && byte <= 'Z' ? char(byte | 0x20) : byte;
  }

  /// The end of 's 't 're 've 'm 'll 'd at `at`, or `at`. Without regard to case, U+017F is an s too.
  size_t contractionEnd(size_t at, bool anyCase) const {
    char first = byteAt(at + 1, anyCase), second = byteAt(at + 2, anyCase);
    if (first == 's' || first == 't' || first == 'm' || first == 'd')
      return at + 2;
    if (((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l'))
      return at + 3;
    if (anyCase && text_.substr(at + 1, 2) == "\u017f")
      return at + 3;
    return at;
  }
  /// `\s+(?!\S)|\s+` for white space from `at` to `end`: a last character is left to what follows, if one is left.
  size_t spacesEnd(size_t at, size_t end) const {
    if (end == text_.size())
      return end;
    size_t last = end - 1;
    while ((static_cast<unsigned char>(text_[last]) & 0xc0) == 0x80)
      --last;
    return last > at ? last : end;
  }

private:
  std::string_view text_;
};

size_t gpt2Piece(const Cursor &text, std::string_view bytes, size_t at) {
  if (bytes[at] == '\'')
    if (size_t end = text.contractionEnd(at, false); end > at)
      return end;
  //  ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+
  size_t body = at + (bytes[at] == ' ' ? 1 : 0), length = 0;
  if (body < bytes.size())
    if (CharacterClass kind = text.classAt(body, length); kind != Space)
      return text.runEnd(body + length, kind);
  return text.spacesEnd(at, text.runEnd(at, Space));
}

size_t qwenPiece(const Cursor &text, std::string_view bytes, size_t at, int digits) {
  if (bytes[at] == '\'')
    if (size_t end = text.contractionEnd(at, true); end > at)
      return end;
  size_t length = 0;
  CharacterClass kind = text.classAt(at, length);
  // [^\r\n\p{L}\p{N}]?\p{L}+
  if (kind == Letter)
    return text.runEnd(at + length, Letter);
  if (kind != Number && !text.isNewline(at) && text.is(at + length, Letter))
    return text.runEnd(at + length, Letter);
  // \p{N} or \p{N}{1,3}
  if (kind == Number)
    return text.runEnd(at + length, Number, digits - 1);
  //  ?[^\s\p{L}\p{N}]+[\r\n]*
  if (kind == Other || (bytes[at] == ' ' && text.is(at + 1, Other))) {
    size_t end = text.runEnd(at + length, Other);
    while (text.isNewline(end))
      ++end;
    return end;
  }
  // \s*[\r\n]+: to the last line end among the white space
  size_t end = text.runEnd(at, Space), newline = end;
  while (newline > at && !text.isNewline(newline - 1))
    --newline;
  return newline > at ? newline : text.spacesEnd(at, end);
}

} // namespace

std::optional<Scanner> Scanner::of(std::string_view pattern) {
  if (pattern == gpt2Pattern)
    return Scanner(Kind::Gpt2, 0);
  if (pattern == qwenPattern)
    return Scanner(Kind::Qwen, 1);
  if (pattern == llamaPattern)
    return Scanner(Kind::Qwen, 3);
  return std::nullopt;
}

void Scanner::split(std::string_view text, std::vector<std::string_view> &pieces) const {
  Cursor cursor(text);
  auto all = [&](auto piece) {
    for (size_t at = 0; at < text.size();) {
      size_t end = piece(at);
      pieces.push_back(text.substr(at, end - at));
      at = end;
    }
  };
  if (kind_ == Kind::Gpt2)
    all([&](size_t at) { return gpt2Piece(cursor, text, at); });
  else
    all([&](size_t at) { return qwenPiece(cursor, text, at, digits_); });
}

} // namespace caa
