// Reads `tokenizer.json`. Every component is either implemented or refused by name, and every reference between the
// parts (merges to vocabulary, added tokens to ids) is checked, so that a damaged file cannot tokenise wrongly.
#include "runtime/base/json.h"
#include "runtime/base/utf8.h"
#include "runtime/data/byte_level.h"
#include "runtime/data/tiktoken.h"
#include "runtime/data/tokenizer.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace caa {

class TokenizerReader {
public:
  TokenizerReader(const Path &path, const Json &root) : path_(path), root_(root) { tokenizer_.path_ = path; }

  Result<Tokenizer> read() {
    if (!root_.is_object() || !root_.contains("model"))
      return fault("not a tokenizer.json: there is no `model`");
    CAA_CHECK(readVocabulary());
    CAA_CHECK(readMerges());
    CAA_CHECK(readAddedTokens());
    CAA_CHECK(readNormalizer(member(root_, "normalizer")));
    CAA_CHECK(readPreTokenizer(member(root_, "pre_tokenizer")));
    if (!byteLevel_)
      return fault("`pre_tokenizer`: only byte-level tokenizers are supported, and there is no `ByteLevel`");
    const Json &decoder = member(root_, "decoder");
    if (!decoder.is_null() && typeOf(decoder) != "ByteLevel")
      return fault(fmt::format("`decoder`: `{}` is not supported, only `ByteLevel`", typeOf(decoder)));
    return std::move(tokenizer_);
  }

private:
  static constexpr int64_t largestId = 1 << 24;

  Error fault(std::string_view what) const { return inputError(fmt::format("{}: error: {}", path_.string(), what)); }

  static const Json &member(const Json &object, const char *name) {
    static const Json null;
    if (!object.is_object())
      return null;
    auto it = object.find(name);
    return it == object.end() ? null : *it;
  }
  static std::string typeOf(const Json &component) {
    const Json &type = member(component, "type");
    return type.is_string() ? type.get<std::string>() : "?";
  }
  static bool flag(const Json &object, const char *name, bool otherwise = false) {
    const Json &value = member(object, name);
    return value.is_boolean() ? value.get<bool>() : otherwise;
  }

  Status define(int64_t id, std::string bytes, std::string_view shown) {
    if (id < 0 || id >= largestId)
      return fault(fmt::format("`{}` has the id {}, which is out of range", shown, id));
    if (size_t(id) >= tokenizer_.tokens_.size()) {
      tokenizer_.tokens_.resize(size_t(id) + 1);
      tokenizer_.present_.resize(size_t(id) + 1);
    }
    if (tokenizer_.present_[size_t(id)])
      return fault(fmt::format("`{}` has the id {}, which another token has too", shown, id));
    tokenizer_.present_[size_t(id)] = true;
    tokenizer_.tokens_[size_t(id)] = std::move(bytes);
    ++tokenizer_.entries_;
    return {};
  }

  Status readVocabulary() {
    const Json &model = root_["model"], &vocab = member(model, "vocab");
    if (typeOf(model) != "BPE" && !(typeOf(model) == "?" && vocab.is_object())) // old files leave the type out
      return fault(fmt::format("`model`: `{}` is not supported, only byte-level `BPE`", typeOf(model)));
    for (const char *affix : {"continuing_subword_prefix", "end_of_word_suffix"})
      if (const Json &value = member(model, affix); value.is_string() && !value.get_ref<const std::string &>().empty())
        return fault(fmt::format("`model.{}` is not supported", affix));
    if (flag(model, "byte_fallback"))
      return fault("`model.byte_fallback` is not supported: this is not a byte-level tokenizer");
    if (const Json &dropout = member(model, "dropout"); dropout.is_number() && dropout.get<double>() > 0)
      return fault("`model.dropout` is not supported: the same text would give other tokens each time");
    tokenizer_.ignoreMerges_ = flag(model, "ignore_merges");
    if (!vocab.is_object() || vocab.empty())
      return fault("`model.vocab` is missing or empty");
    symbols_.reserve(vocab.size());
    for (const auto &[symbol, id] : vocab.items()) {
      if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= largestId)
        return fault(fmt::format("`model.vocab`: `{}` has the id {}, not a whole number in range", symbol, id.dump()));
      std::string bytes = fromSymbols(symbol).value_or(symbol); // an added token may stand here as plain text
      CAA_CHECK(define(id.get<int64_t>(), bytes, symbol));
      symbols_[symbol] = id.get<uint32_t>();
      tokenizer_.ids_[std::move(bytes)] = id.get<int32_t>();
    }
    return {};
  }

  Status readMerges() {
    std::array<uint32_t, 256> byteIds;
    for (int byte = 0; byte < 256; ++byte) {
      auto it = symbols_.find(byteSymbol(uint8_t(byte)));
      if (it == symbols_.end())
        return fault(fmt::format("`model.vocab` has no token for the byte 0x{:02x} (`{}`), so not every text could be "
                                 "encoded",
                                 byte, byteSymbol(uint8_t(byte))));
      byteIds[size_t(byte)] = it->second;
    }
    if (flag(root_["model"], "rank_by_token")) {
      joinByToken(byteIds);
      return {};
    }
    const Json &merges = member(root_["model"], "merges");
    if (!merges.is_array())
      return fault("`model.merges` is missing");
    tokenizer_.merges_.reset(merges.size(), byteIds);
    uint32_t rank = 0;
    for (const Json &merge : merges) {
      auto bad = [&](std::string_view why) { return fault(fmt::format("`model.merges[{}]`: {}", rank, why)); };
      std::string left, right;
      if (merge.is_string()) {
        const auto &text = merge.get_ref<const std::string &>();
        size_t space = text.find(' ');
        if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos)
          return bad(fmt::format("`{}` is not two tokens with a space between", text));
        left = text.substr(0, space);
        right = text.substr(space + 1);
      } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
        left = merge[0].get<std::string>();
        right = merge[1].get<std::string>();
      } else {
        return bad("not a pair of tokens");
      }
      uint32_t ids[3];
      const std::string *names[] = {&left, &right, nullptr};
      std::string both = left + right;
      names[2] = &both;
      for (int i = 0; i < 3; ++i) {
        auto it = symbols_.find(*names[i]);
        if (it == symbols_.end())
          return bad(fmt::format("`{}` is not in the vocabulary", *names[i]));
        ids[i] = it->second;
      }
      tokenizer_.merges_.add(ids[0], ids[1], {rank++, ids[2]});
    }
    return {};
  }

  /// tiktoken's rule (tiktoken.h): a rule for every way to make a token of two others; its id is the rank.
  void joinByToken(const std::array<uint32_t, 256> &byteIds) {
    struct Join {
      uint32_t left, right, joined;
    };
    std::unordered_map<std::string_view, uint32_t> ids;
    for (const auto &[bytes, id] : tokenizer_.ids_)
      ids.emplace(bytes, uint32_t(id));
    std::vector<Join> joins;
    for (const auto &[bytes, id] : ids)
      for (size_t cut = 1; cut < bytes.size(); ++cut)
        if (auto left = ids.find(bytes.substr(0, cut)); left != ids.end())
          if (auto right = ids.find(bytes.substr(cut)); right != ids.end())
            joins.push_back({left->second, right->second, id});
    tokenizer_.merges_.reset(joins.size(), byteIds);
    for (const Join &join : joins)
      tokenizer_.merges_.add(join.left, join.right, {join.joined, join.joined});
  }

  Status readAddedTokens() {
    const Json &list = member(root_, "added_tokens");
    if (list.is_null())
      return {};
    if (!list.is_array())
      return fault("`added_tokens` is not a list");
    for (const Json &entry : list) {
      const Json &content = member(entry, "content"), &id = member(entry, "id");
      if (!content.is_string() || content.get_ref<const std::string &>().empty() || !id.is_number_integer() ||
          id.get<int64_t>() < 0 || id.get<int64_t>() >= largestId)
        return fault("`added_tokens`: an entry lacks its `content` or a valid `id`");
      auto text = content.get<std::string>();
      for (const char *option : {"single_word", "lstrip", "rstrip"})
        if (flag(entry, option))
          return fault(fmt::format("`added_tokens`: `{}`: `{}` is not supported", text, option));
      if (auto it = symbols_.find(text); it == symbols_.end()) {
        CAA_CHECK(define(id.get<int64_t>(), text, text));
      } else if (it->second != id.get<uint32_t>()) {
        return fault(
            fmt::format("`added_tokens`: `{}` has the id {}, in the vocabulary {}", text, id.dump(), it->second));
      }
      auto &group = flag(entry, "normalized") ? tokenizer_.normalized_ : tokenizer_.raw_;
      group.add({text, id.get<int32_t>(), flag(entry, "special")});
    }
    return {};
  }

  Status readNormalizer(const Json &component) {
    if (component.is_null())
      return {};
    std::string type = typeOf(component);
    if (type == "NFC") {
      tokenizer_.nfc_ = true;
      return {};
    }
    if (type == "Sequence" && member(component, "normalizers").is_array()) {
      for (const Json &part : component["normalizers"])
        CAA_CHECK(readNormalizer(part));
      return {};
    }
    return fault(fmt::format("`normalizer`: `{}` is not supported, only `NFC`", type));
  }

  Status addSplitter(std::string_view pattern) {
    if (byteLevel_)
      return fault("`pre_tokenizer`: a pattern after `ByteLevel` is not supported");
    auto splitter = Splitter::compile(pattern);
    if (!splitter)
      return fault(fmt::format("`pre_tokenizer`: {}", splitter.error().message));
    tokenizer_.splitters_.push_back(std::move(*splitter));
    return {};
  }

  Status readPreTokenizer(const Json &component) {
    std::string type = typeOf(component);
    if (component.is_null())
      return {};
    if (type == "Sequence" && member(component, "pretokenizers").is_array()) {
      for (const Json &part : component["pretokenizers"])
        CAA_CHECK(readPreTokenizer(part));
      return {};
    }
    if (type == "ByteLevel") {
      if (byteLevel_)
        return fault("`pre_tokenizer`: `ByteLevel` twice");
      if (flag(component, "add_prefix_space", true)) {
        if (!tokenizer_.splitters_.empty())
          return fault("`pre_tokenizer`: `add_prefix_space` after a pattern is not supported");
        tokenizer_.prefixSpace_ = true;
      }
      if (flag(component, "use_regex", true))
        CAA_CHECK(addSplitter(Splitter::gpt2Pattern));
      byteLevel_ = true;
      return {};
    }
    if (type == "Digits")
      return addSplitter(flag(component, "individual_digits") ? R"(\p{N})" : R"(\p{N}+)");
    if (type == "Split") {
      const Json &behavior = member(component, "behavior"), &pattern = member(component, "pattern");
      if (behavior != "Isolated" || flag(component, "invert"))
        return fault(fmt::format("`pre_tokenizer`: a `Split` that is `{}` is not supported, only `Isolated`",
                                 flag(component, "invert") ? "inverted" : behavior.dump()));
      if (const Json &regex = member(pattern, "Regex"); regex.is_string())
        return addSplitter(regex.get_ref<const std::string &>());
      if (const Json &literal = member(pattern, "String"); literal.is_string()) {
        std::string escaped;
        for (char c : literal.get_ref<const std::string &>())
          escaped +=
              std::isalnum(static_cast<unsigned char>(c)) || (c & 0x80) ? std::string(1, c) : std::string("\\") + c;
        return addSplitter(escaped);
      }
      return fault("`pre_tokenizer`: a `Split` without a pattern");
    }
    return fault(
        fmt::format("`pre_tokenizer`: `{}` is not supported (`ByteLevel`, `Split`, `Digits`, `Sequence` are)", type));
  }

  const Path &path_;
  const Json &root_;
  Tokenizer tokenizer_;
  std::unordered_map<std::string, uint32_t> symbols_; // the vocabulary as the file writes it
  bool byteLevel_ = false;
};

Result<Tokenizer> Tokenizer::parse(const Path &path, std::string_view json) {
  CAA_TRY(auto root, parseJson(path, json));
  return TokenizerReader(path, root).read();
}

Result<Tokenizer> Tokenizer::load(const Path &path) {
  CAA_TRY(auto text, readTokenizer(path));
  return parse(path, text);
}

} // namespace caa
