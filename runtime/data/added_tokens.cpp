// A list by first byte is enough: a tokenizer has a few dozen of these, and nearly all start with `<`.
#include "runtime/data/added_tokens.h"

#include <algorithm>

namespace caa {

void AddedTokens::add(Token token) {
  auto &list = byFirst_[static_cast<uint8_t>(token.content[0])];
  list.push_back(uint32_t(tokens_.size()));
  ordinary_ |= !token.special;
  tokens_.push_back(std::move(token));
  std::stable_sort(list.begin(), list.end(),
                   [&](uint32_t a, uint32_t b) { return tokens_[a].content.size() > tokens_[b].content.size(); });
}

const AddedTokens::Token *AddedTokens::find(std::string_view text, size_t from, bool withSpecial,
                                            size_t &position) const {
  if (!(withSpecial ? !tokens_.empty() : ordinary_))
    return nullptr;
  for (size_t at = from; at < text.size(); ++at)
    for (uint32_t index : byFirst_[static_cast<uint8_t>(text[at])]) {
      const Token &token = tokens_[index];
      if ((withSpecial || !token.special) && text.substr(at, token.content.size()) == token.content) {
        position = at;
        return &token;
      }
    }
  return nullptr;
}

} // namespace caa
