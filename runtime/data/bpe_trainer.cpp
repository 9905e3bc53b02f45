// Counting pieces in parallel, then merging over the distinct pieces: every pair knows its count and the pieces it may
// be in, so a merge touches only those (Sennrich et al. 2016, appendix; the heap is cleaned lazily).
#include "runtime/data/bpe_trainer.h"

#include "runtime/base/json.h"
#include "runtime/base/parallel.h"
#include "runtime/base/progress.h"
#include "runtime/base/signals.h"
#include "runtime/data/byte_level.h"
#include "runtime/data/documents.h"
#include "runtime/data/splitter.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <queue>
#include <unordered_map>
#include <unordered_set>

namespace caa {
namespace {

constexpr std::string_view endOfText = "<|endoftext|>";

using PieceCounts = std::unordered_map<std::string, int64_t>;

struct BatchCounts {
  PieceCounts pieces;
  uint64_t stored; // how far the files are read
};

Result<PieceCounts> countPieces(const TokenizerTraining &training) {
  CAA_TRY(auto splitter, Splitter::compile(Splitter::gpt2Pattern));
  DocumentReader reader(training.files, "\n"); // lines only bound the memory: a piece seldom crosses one
  CAA_TRY(uint64_t total, reader.totalSize());
  Progress::Options options;
  options.plain = !training.quiet;
  Progress progress("reading", total, options);
  PieceCounts counts;
  auto status = orderedParallel<DocumentBatch, BatchCounts>(
      threadCount(training.threads),
      [&]() -> Result<std::optional<DocumentBatch>> {
        if (stopRequested())
          return inputError("stopped; no tokenizer was written");
        return reader.next();
      },
      [&](DocumentBatch &batch) -> Result<BatchCounts> {
        if (batch.format == DocumentBatch::Format::Text)
          batch.separator.clear(); // the batch as one text, line ends included
        CAA_TRY(auto documents, batch.parse());
        Splitter::Scratch scratch(splitter);
        std::vector<std::string_view> pieces;
        PieceCounts local;
        std::string piece;
        for (std::string_view document : documents)
          for (size_t at = 0; at < document.size();) { // its own name is no text to learn from
            size_t end = std::min(document.find(endOfText, at), document.size());
            pieces.clear();
            CAA_CHECK(splitter.split(document.substr(at, end - at), scratch, pieces));
            for (std::string_view view : pieces)
              ++local[piece.assign(view)];
            at = end + endOfText.size();
          }
        return BatchCounts{std::move(local), batch.stored};
      },
      [&](BatchCounts &local) -> Status {
        for (auto &[piece, count] : local.pieces)
          counts[piece] += count;
        progress.update(local.stored, fmt::format("{} distinct pieces", counts.size()));
        return {};
      });
  if (!status)
    return status.error();
  return counts;
}

/// Merging proper: distinct pieces as lists of ids with their counts.
class Trainer {
public:
  explicit Trainer(const PieceCounts &counts) {
    // In a fixed order, as a hash table's is not. (Counts and merges do not depend on it, but let that be plain.)
    std::vector<const PieceCounts::value_type *> sorted;
    for (const auto &entry : counts)
      sorted.push_back(&entry);
    std::sort(sorted.begin(), sorted.end(), [](auto *a, auto *b) { return a->first < b->first; });
    for (int byte = 0; byte < 256; ++byte)
      define(std::string(1, char(byte)));
    for (auto *entry : sorted) {
      Piece piece{{}, entry->second};
      for (char c : entry->first)
        piece.ids.push_back(static_cast<unsigned char>(c));
      pieces_.push_back(std::move(piece));
    }
    for (uint32_t index = 0; index < pieces_.size(); ++index)
      addPairs(index);
    for (const auto &[pair, info] : pairs_)
      queue_.push({info.count, pair});
  }

  /// Merges until there are `entries` tokens; false if no pair is left before that.
  bool grow(size_t entries) {
    while (tokens_.size() < entries) {
      if (queue_.empty())
        return false;
      Entry top = queue_.top();
      queue_.pop();
      auto it = pairs_.find(top.pair);
      if (it == pairs_.end() || it->second.count <= 0)
        continue;
      if (it->second.count != top.count) {
        queue_.push({it->second.count, top.pair}); // its count fell since it was queued
        continue;
      }
      merge(top.pair);
    }
    return true;
  }

  size_t size() const { return tokens_.size(); }
  const std::vector<std::string> &tokens() const { return tokens_; }
  const std::vector<std::pair<uint32_t, uint32_t>> &merges() const { return merges_; }

private:
  using Pair = uint64_t; // left id, right id
  struct Piece {
    std::vector<uint32_t> ids;
    int64_t count;
  };
  struct PairInfo {
    int64_t count = 0;
    std::vector<uint32_t> pieces; // where it is or was
  };
  struct Entry {
    int64_t count;
    Pair pair;
    bool operator<(const Entry &other) const { return count != other.count ? count < other.count : pair > other.pair; }
  };
  static Pair pairOf(uint32_t left, uint32_t right) { return uint64_t(left) << 32 | right; }

  uint32_t define(std::string bytes) {
    auto [it, isNew] = ids_.emplace(std::move(bytes), uint32_t(tokens_.size()));
    if (isNew)
      tokens_.push_back(it->first);
    return it->second;
  }

  void addPairs(uint32_t index) {
    const Piece &piece = pieces_[index];
    for (size_t i = 0; i + 1 < piece.ids.size(); ++i) {
      PairInfo &info = pairs_[pairOf(piece.ids[i], piece.ids[i + 1])];
      info.count += piece.count;
      if (info.pieces.empty() || info.pieces.back() != index)
        info.pieces.push_back(index);
    }
  }

  void merge(Pair pair) {
    auto left = uint32_t(pair >> 32), right = uint32_t(pair);
    // The bytes may be known already, joined from another pair: then the rule is new and the token is not.
    uint32_t joined = define(tokens_[left] + tokens_[right]);
    // A pair may come back when another rule makes one of its parts again: it has its rule already.
    if (ruled_.insert(pair).second)
      merges_.emplace_back(left, right);
    std::vector<uint32_t> where = std::move(pairs_[pair].pieces);
    std::sort(where.begin(), where.end());
    where.erase(std::unique(where.begin(), where.end()), where.end());
    std::vector<Pair> grown;
    for (uint32_t index : where) {
      Piece &piece = pieces_[index];
      auto &ids = piece.ids;
      bool found = false;
      for (size_t i = 0; i + 1 < ids.size() && !found; ++i)
        found = ids[i] == left && ids[i + 1] == right;
      if (!found)
        continue;
      for (size_t i = 0; i + 1 < ids.size(); ++i)
        pairs_[pairOf(ids[i], ids[i + 1])].count -= piece.count;
      size_t out = 0;
      for (size_t i = 0; i < ids.size(); ++i) {
        bool joins = i + 1 < ids.size() && ids[i] == left && ids[i + 1] == right;
        ids[out++] = joins ? joined : ids[i];
        i += joins ? 1 : 0;
      }
      ids.resize(out);
      addPairs(index);
      for (size_t i = 0; i + 1 < ids.size(); ++i)
        if (ids[i] == joined || ids[i + 1] == joined)
          grown.push_back(pairOf(ids[i], ids[i + 1]));
    }
    pairs_.erase(pair);
    std::sort(grown.begin(), grown.end());
    grown.erase(std::unique(grown.begin(), grown.end()), grown.end());
    for (Pair candidate : grown)
      if (auto it = pairs_.find(candidate); it != pairs_.end() && it->second.count > 0)
        queue_.push({it->second.count, candidate});
  }

  std::vector<Piece> pieces_;
  std::unordered_map<Pair, PairInfo> pairs_;
  std::priority_queue<Entry> queue_;
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, uint32_t> ids_;
  std::vector<std::pair<uint32_t, uint32_t>> merges_;
  std::unordered_set<Pair> ruled_;
};

std::string writeJson(const Trainer &trainer) {
  OrderedJson byteLevel{
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  // The vocabulary is written by hand: an ordered object looks through all its keys at each insertion.
  std::string vocab, merges;
  auto quote = [](std::string_view text) { return OrderedJson(text).dump(); };
  const auto &tokens = trainer.tokens();
  for (size_t id = 0; id < tokens.size(); ++id)
    vocab += fmt::format("      {}: {},\n", quote(toSymbols(tokens[id])), id);
  vocab += fmt::format("      {}: {}\n", quote(endOfText), tokens.size());
  for (auto [left, right] : trainer.merges())
    merges += fmt::format("{}\n      [{}, {}]", merges.empty() ? "" : ",", quote(toSymbols(tokens[left])),
                          quote(toSymbols(tokens[right])));
  OrderedJson added{{"id", tokens.size()}, {"content", endOfText}, {"single_word", false}, {"lstrip", false},
                    {"rstrip", false},     {"normalized", false},  {"special", true}};
  return fmt::format(R"({{
  "version": "1.0",
  "truncation": null,
  "padding": null,
  "added_tokens": [{0}],
  "normalizer": null,
  "pre_tokenizer": {1},
  "post_processor": null,
  "decoder": {1},
  "model": {{
    "type": "BPE",
    "dropout": null,
    "unk_token": null,
    "continuing_subword_prefix": null,
    "end_of_word_suffix": null,
    "fuse_unk": false,
    "byte_fallback": false,
    "ignore_merges": false,
    "vocab": {{
{2}    }},
    "merges": [{3}
    ]
  }}
}}
)",
                     added.dump(), byteLevel.dump(), vocab, merges);
}

} // namespace

Result<std::string> trainTokenizer(const TokenizerTraining &training) {
  if (training.vocabSize < 257)
    return usageError(
        fmt::format("error: --vocab {}: a byte-level vocabulary has at least 257 entries (256 bytes and {})",
                    training.vocabSize, endOfText));
  if (training.vocabSize > 1 << 24)
    return usageError(
        fmt::format("error: --vocab {}: more than 16,777,216 entries are not supported", training.vocabSize));
  CAA_TRY(auto counts, countPieces(training));
  Trainer trainer(counts);
  if (!trainer.grow(size_t(training.vocabSize) - 1))
    return inputError(
        fmt::format("{}: error: the text is too small for a vocabulary of {} entries: it allows {} at most; "
                    "give more text or a smaller --vocab",
                    training.files.front().string(), training.vocabSize, trainer.size() + 1));
  return writeJson(trainer);
}

} // namespace caa
