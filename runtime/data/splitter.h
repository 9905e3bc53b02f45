// Cutting text into the pieces that byte-pair encoding never joins: a regular expression run by PCRE2, or by hand where
// it is a well-known one (scanner.h).
//
// Tokenizer files write their patterns for Oniguruma and the newest Unicode. Patterns are therefore translated: `\s`,
// `\p{L}` and `\p{N}` become the classes of character_class.h.
#pragma once

#include "runtime/base/result.h"
#include "runtime/data/scanner.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace caa {

/// A compiled pattern; immutable, shared by threads.
class Splitter {
public:
  /// The pattern of GPT-2, which a `ByteLevel` pre-tokenizer implies.
  static constexpr std::string_view gpt2Pattern = Scanner::gpt2Pattern;

  /// Errors say what in the pattern is wrong or not supported (no file name: the caller adds it).
  /// Without `byHand` the regular expression is run in any case.
  static Result<Splitter> compile(std::string_view pattern, bool byHand = true);

  /// What one thread needs to match.
  class Scratch {
  public:
    explicit Scratch(const Splitter &splitter);
    ~Scratch();
    Scratch(Scratch &&) noexcept;

  private:
    friend class Splitter;
    struct State;
    std::unique_ptr<State> state_;
  };

  /// Appends the pieces of well-formed UTF-8 text: every match, and what lies between matches ("isolated").
  Status split(std::string_view text, Scratch &scratch, std::vector<std::string_view> &pieces) const;

private:
  struct Code;
  std::shared_ptr<const Code> code_;
  std::optional<Scanner> scanner_;
};

} // namespace caa
