// The splitting patterns of GPT-2, Qwen2/3 and Llama 3, matched by hand: many times faster than a regular expression.
//
// A pattern is recognised by its exact text. Pieces are those of the regular expression (splitter.h, which uses this
// where it can); test/runtime/data/scanner_test.cpp compares the two.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace caa {

class Scanner {
public:
  static constexpr std::string_view gpt2Pattern =
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
  static constexpr std::string_view qwenPattern =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  static constexpr std::string_view llamaPattern =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

  /// A scanner for the pattern, if there is one.
  static std::optional<Scanner> of(std::string_view pattern);

  /// Appends the pieces of well-formed UTF-8 text; together they are the text.
  void split(std::string_view text, std::vector<std::string_view> &pieces) const;

private:
  enum class Kind { Gpt2, Qwen };
  Scanner(Kind kind, int digits) : kind_(kind), digits_(digits) {}
  Kind kind_;
  int digits_; // the most numbers in a piece, for Qwen's kind
};

} // namespace caa
