// Reads the lines, checks that they are one tokenizer, recovers the merges, and writes the JSON.
#include "runtime/data/tiktoken.h"

#include "runtime/base/json.h"
#include "runtime/data/byte_level.h"
#include "runtime/data/scanner.h"

#include <charconv>
#include <cstdint>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>
#include <vector>

namespace caa {
namespace {

constexpr size_t gpt2Ranks = 50256;

/// Families with patterns of their own, which a file of theirs does not tell.
struct Family {
  size_t ranks;
  std::string_view name;
};
constexpr Family otherFamilies[] = {{100256, "cl100k_base"}, {128000, "Llama 3"}, {199998, "o200k_base"}};

/// Bytes of padded base64; nothing if it is not that.
std::optional<std::string> fromBase64(std::string_view text) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.empty() || text.size() % 4 != 0)
    return std::nullopt;
  size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  std::string bytes;
  uint32_t group = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    size_t digit = i + padding < text.size() ? digits.find(text[i]) : 0;
    if (digit == std::string_view::npos)
      return std::nullopt;
    group = group << 6 | uint32_t(digit);
    if (i % 4 == 3)
      bytes.append({char(group >> 16), char(group >> 8), char(group)});
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

class TiktokenFile {
public:
  TiktokenFile(const Path &path, std::string_view bytes) : path_(path), rest_(bytes) {}

  Status read() {
    std::vector<std::pair<size_t, std::string>> entries; // rank and bytes, by line
    for (; !rest_.empty(); ++line_) {
      size_t end = std::min(rest_.find('\n'), rest_.size());
      std::string_view line = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      if (line.ends_with('\r'))
        line.remove_suffix(1);
      if (line.empty())
        continue;
      size_t space = line.find(' '), rank = 0;
      auto token = fromBase64(line.substr(0, space));
      auto digits = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
      auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
      if (!token || digits.empty() || parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size())
        return fault("not a token in base64, a space and its rank, as lines of a tiktoken file are");
      if (auto [it, isNew] = ranks_.try_emplace(*token, rank); !isNew)
        return fault(fmt::format("the token of rank {} has the same bytes as the token of rank {}", rank, it->second));
      entries.emplace_back(rank, std::move(*token));
    }
    return order(entries);
  }

  std::string json() const {
    bool gpt2 = tokens_.size() == gpt2Ranks;
    Json added = Json::array(), vocab = Json::object(), merges = Json::array();
    size_t next = tokens_.size();
    for (const char *name : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
      added.push_back({{"id", next++},
                       {"content", name},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", true}});
      if (gpt2)
        break;
    }
    for (size_t rank = 0; rank < tokens_.size(); ++rank) {
      vocab[toSymbols(tokens_[rank])] = rank;
      if (size_t cut = lastMerge(rank))
        merges.push_back(toSymbols(tokens_[rank].substr(0, cut)) + " " + toSymbols(tokens_[rank].substr(cut)));
    }
    Json byteLevel{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", gpt2}};
    Json split{
        {"type", "Split"}, {"pattern", {{"Regex", Scanner::qwenPattern}}}, {"behavior", "Isolated"}, {"invert", false}};
    Json cutting{{"type", "Sequence"}, {"pretokenizers", Json::array({split, byteLevel})}};
    Json root{
        {"version", "1.0"},
        {"truncation", nullptr},
        {"padding", nullptr},
        {"added_tokens", added},
        {"normalizer", gpt2 ? Json() : Json{{"type", "NFC"}}},
        {"pre_tokenizer", gpt2 ? byteLevel : cutting},
        {"post_processor", nullptr},
        {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}}};
    root["model"] = {{"type", "BPE"},
                     {"dropout", nullptr},
                     {"unk_token", nullptr},
                     {"continuing_subword_prefix", nullptr},
                     {"end_of_word_suffix", nullptr},
                     {"fuse_unk", false},
                     {"byte_fallback", false},
                     {"ignore_merges", true},
                     {"rank_by_token", true}};
    root["model"]["vocab"] = std::move(vocab);
    root["model"]["merges"] = std::move(merges);
    return root.dump();
  }

private:
  Error fault(std::string_view what) const {
    return inputError(fmt::format("{}:{}: error: {}", path_.string(), line_, what));
  }
  Error contradiction(std::string_view what) const {
    return inputError(fmt::format("{}: error: {}", path_.string(), what));
  }

  /// Tokens by rank; the ranks must be 0, 1, 2 ... and every byte a token.
  Status order(std::vector<std::pair<size_t, std::string>> &entries) {
    tokens_.resize(entries.size());
    std::vector<bool> seen(entries.size());
    for (auto &[rank, token] : entries) {
      if (rank >= entries.size())
        return contradiction(fmt::format("{} tokens have the ranks 0 to {}, but there is a rank {}", entries.size(),
                                         entries.size() - 1, rank));
      if (seen[rank])
        return contradiction(fmt::format("two tokens have the rank {}", rank));
      seen[rank] = true;
      tokens_[rank] = std::move(token);
    }
    for (int byte = 0; byte < 256; ++byte)
      if (!ranks_.contains(std::string(1, char(byte))))
        return contradiction(
            fmt::format("there is no token for the byte 0x{:02x}, so not every text could be encoded", byte));
    for (std::string name : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"})
      if (auto it = ranks_.find(name); it != ranks_.end())
        return contradiction(
            fmt::format("the ordinary token of rank {} is `{}`, a special token's name", it->second, name));
    for (const Family &family : otherFamilies)
      if (tokens_.size() == family.ranks)
        return contradiction(
            fmt::format("its {} ranks are those of {}, whose pattern a tiktoken file does not tell: give its "
                        "tokenizer.json",
                        family.ranks, family.name));
    return {};
  }

  /// Where the last merge joins a token's two halves: merging its bytes by lower ranks alone ends there. 0 if it ends
  /// elsewhere, as for single bytes.
  size_t lastMerge(size_t rank) const {
    const std::string &token = tokens_[rank];
    std::vector<size_t> starts;
    for (size_t i = 0; i <= token.size(); ++i)
      starts.push_back(i);
    while (starts.size() > 3) {
      size_t best = rank, at = 0;
      for (size_t i = 0; i + 2 < starts.size(); ++i) {
        auto it = ranks_.find(token.substr(starts[i], starts[i + 2] - starts[i]));
        if (it != ranks_.end() && it->second < best) {
          best = it->second;
          at = i + 1;
        }
      }
      if (best == rank)
        return 0;
      starts.erase(starts.begin() + ptrdiff_t(at));
    }
    return starts.size() == 3 ? starts[1] : 0;
  }

  const Path &path_;
  std::string_view rest_;
  size_t line_ = 1;
  std::unordered_map<std::string, size_t> ranks_;
  std::vector<std::string> tokens_;
};

} // namespace

Result<std::string> tiktokenToJson(const Path &path, std::string_view bytes) {
  TiktokenFile file(path, bytes);
  CAA_CHECK(file.read());
  return file.json();
}

Result<std::string> readTokenizer(const Path &path) {
  CAA_TRY(auto bytes, readFile(path));
  if (path.extension() != ".tiktoken")
    return bytes;
  return tiktokenToJson(path, bytes);
}

} // namespace caa
