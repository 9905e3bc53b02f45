// The tokens that are cut out of the text before anything else, as `<|endoftext|>`: leftmost first, the longest there.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace caa {

class AddedTokens {
public:
  struct Token {
    std::string content;
    int32_t id = 0;
    bool special = false;
  };
  void add(Token token);
  bool empty() const { return tokens_.empty(); }
  const std::vector<Token> &tokens() const { return tokens_; }

  /// The first token in `text` at or after `from`, at `position`; null if there is none. Without `withSpecial`, special
  /// tokens are ordinary text.
  const Token *find(std::string_view text, size_t from, bool withSpecial, size_t &position) const;

private:
  std::vector<Token> tokens_;
  bool ordinary_ = false;                          // one at least is not special
  std::array<std::vector<uint32_t>, 256> byFirst_; // longest first
};

} // namespace caa
