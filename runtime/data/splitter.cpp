// PCRE2 behind splitter.h: translation of the pattern, compilation with JIT, matching.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "runtime/data/splitter.h"

#include "runtime/data/character_class.h"

#include <cstring>
#include <fmt/format.h>
#include <pcre2.h>

namespace caa {
namespace {

/// The pattern for PCRE2; an error names an escape whose meaning differs between the two and is not translated.
Result<std::string> translate(std::string_view pattern) {
  std::string out;
  bool inClass = false;
  auto put = [&](std::string_view members, bool negated) -> bool {
    if (inClass && negated)
      return false; // no way to write it as members
    out += inClass ? std::string(members) : fmt::format("[{}{}]", negated ? "^" : "", members);
    return true;
  };
  for (size_t i = 0; i < pattern.size(); ++i) {
    char c = pattern[i];
    if (c != '\\') {
      if (inClass && (pattern.substr(i, 2) == "&&" || c == '['))
        return inputError(fmt::format("set operations in `[...]` are not supported (at offset {})", i));
      if (c == '[') {
        inClass = true;
        if (pattern.substr(i + 1, 1) == "^") // `[^` and a literal `]` that comes first
          out += pattern[i++];
        if (pattern.substr(i + 1, 1) == "]")
          out += pattern[i++];
        c = pattern[i];
      } else if (c == ']') {
        inClass = false;
      }
      out += c;
      continue;
    }
    if (++i == pattern.size())
      return inputError("it ends with a backslash");
    char escape = pattern[i];
    bool good = true;
    if (escape == 's' || escape == 'S') {
      good = put(whiteSpaceMembers, escape == 'S');
    } else if (escape == 'p' || escape == 'P') {
      size_t end = pattern.find('}', i);
      if (pattern.substr(i + 1, 1) != "{" || end == std::string_view::npos)
        return inputError(fmt::format("`\\{}` without a property in braces", escape));
      std::string name(pattern.substr(i + 2, end - i - 2));
      if (name == "L" || name == "N")
        good = put(name == "L" ? letterMembers : numberMembers, escape == 'P');
      else
        out += fmt::format("\\{}{{{}}}", escape, name);
      i = end;
    } else if (std::strchr("rntdDfv", escape) || !std::isalnum(static_cast<unsigned char>(escape))) {
      out += '\\';
      out += escape;
    } else {
      good = false;
    }
    if (!good)
      return inputError(fmt::format("`\\{}` is not supported there (at offset {})", escape, i - 1));
  }
  return out;
}

} // namespace

struct Splitter::Code {
  pcre2_code *code = nullptr;
  ~Code() { pcre2_code_free(code); }
};

struct Splitter::Scratch::State {
  pcre2_match_data *match;
  pcre2_match_context *context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack *stack = pcre2_jit_stack_create(64 << 10, 64 << 20, nullptr);
  explicit State(const pcre2_code *code) : match(pcre2_match_data_create_from_pattern(code, nullptr)) {
    pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~State() {
    pcre2_match_data_free(match);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
};

Splitter::Scratch::Scratch(const Splitter &splitter) : state_(std::make_unique<State>(splitter.code_->code)) {}
Splitter::Scratch::~Scratch() = default;
Splitter::Scratch::Scratch(Scratch &&) noexcept = default;

Result<Splitter> Splitter::compile(std::string_view pattern, bool byHand) {
  auto translated = translate(pattern);
  if (!translated)
    return inputError(fmt::format("pattern `{}`: {}", pattern, translated.error().message));
  int code = 0;
  PCRE2_SIZE offset = 0;
  auto compiled = std::make_shared<Code>();
  compiled->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated->data()), translated->size(),
                                 PCRE2_UTF | PCRE2_UCP, &code, &offset, nullptr);
  if (!compiled->code) {
    char message[256] = {};
    pcre2_get_error_message(code, reinterpret_cast<PCRE2_UCHAR *>(message), sizeof message);
    return inputError(fmt::format("pattern `{}`: {}", pattern, message));
  }
  pcre2_jit_compile(compiled->code, PCRE2_JIT_COMPLETE); // where it cannot, matching is interpreted
  Splitter splitter;
  if (byHand)
    splitter.scanner_ = Scanner::of(pattern);
  splitter.code_ = std::move(compiled);
  return splitter;
}

Status Splitter::split(std::string_view text, Scratch &scratch, std::vector<std::string_view> &pieces) const {
  if (scanner_) {
    scanner_->split(text, pieces);
    return {};
  }
  auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  auto &state = *scratch.state_;
  size_t done = 0; // everything before is in `pieces`
  for (size_t at = 0; at < text.size();) {
    int count = pcre2_match(code_->code, subject, text.size(), at, PCRE2_NO_UTF_CHECK, state.match, state.context);
    if (count == PCRE2_ERROR_NOMATCH)
      break;
    if (count < 0) {
      char message[256] = {};
      pcre2_get_error_message(count, reinterpret_cast<PCRE2_UCHAR *>(message), sizeof message);
      return inputError(
          fmt::format("error: the tokenizer's pattern gave up on a text of {} bytes: {}", text.size(), message));
    }
    const PCRE2_SIZE *range = pcre2_get_ovector_pointer(state.match);
    size_t begin = range[0], end = range[1];
    if (end == begin) { // an empty match cuts nothing: go on at the next character
      at = begin + 1;
      while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80)
        ++at;
      continue;
    }
    if (begin > done)
      pieces.push_back(text.substr(done, begin - done));
    pieces.push_back(text.substr(begin, end - begin));
    done = at = end;
  }
  if (done < text.size())
    pieces.push_back(text.substr(done));
  return {};
}

} // namespace caa
