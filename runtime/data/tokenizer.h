// Byte-level byte-pair tokenizers as Hugging Face's `tokenizer.json` (GPT-2, Qwen2/3, Llama 3, our own).
//
// The same text gives the same ids as in the public `tokenizers` library. Text is cut at added tokens, normalised (NFC
// or not at all), cut by the pre-tokenizer's patterns, and every piece is encoded by the merge rules. What a file asks
// for and is not implemented is refused by name.
#pragma once

#include "runtime/base/files.h"
#include "runtime/data/added_tokens.h"
#include "runtime/data/merges.h"
#include "runtime/data/piece_cache.h"
#include "runtime/data/splitter.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace caa {

/// What to do with the names of special tokens in a text: a document cannot end itself, a prompt may.
enum class SpecialTokens { AsText, Recognised };

/// Immutable once loaded; threads share it.
class Tokenizer {
public:
  /// A tokenizer.json, or a `.tiktoken` file (tiktoken.h).
  static Result<Tokenizer> load(const Path &path);
  /// `path` is used in errors only.
  static Result<Tokenizer> parse(const Path &path, std::string_view json);

  /// The largest id + 1.
  int64_t vocabSize() const { return int64_t(tokens_.size()); }
  /// Entries in the file, added tokens included.
  int64_t entryCount() const { return entries_; }
  /// The token that ends a document: `<|endoftext|>`, or what other families call it.
  Result<int32_t> endOfText() const;
  /// The id of a token given as its bytes.
  std::optional<int32_t> idOf(std::string_view bytes) const;
  /// The bytes of a token, perhaps a part of a character; empty for an id that the file does not have.
  std::string_view bytesOf(int32_t id) const;

  /// Ids of a text; an error if it is not UTF-8. For many texts, use an Encoder a thread.
  Result<std::vector<int32_t>> encode(std::string_view text, SpecialTokens special = SpecialTokens::AsText) const;
  /// The bytes of the ids, which are valid UTF-8 only if they end on a whole character.
  std::string decode(std::span<const int32_t> ids) const;

private:
  friend class Encoder;
  friend class TokenizerReader;

  Path path_;
  std::vector<std::string> tokens_; // bytes by id
  std::vector<bool> present_;
  std::unordered_map<std::string, int32_t> ids_; // by bytes
  int64_t entries_ = 0;
  Merges merges_;
  std::vector<Splitter> splitters_; // one after the other
  AddedTokens raw_, normalized_;    // looked for before and after normalisation
  bool nfc_ = false, prefixSpace_ = false, ignoreMerges_ = false;
};

/// Encodes with one tokenizer on one thread, remembering the pieces it has met.
class Encoder {
public:
  explicit Encoder(const Tokenizer &tokenizer);

  /// Appends the ids of `text`, which must be well-formed UTF-8 (utf8.h).
  Status encode(std::string_view text, std::vector<int32_t> &out, SpecialTokens special = SpecialTokens::AsText);

private:
  Status encodeNormalized(std::string_view text, std::vector<int32_t> &out, bool special);
  Status encodePlain(std::string_view text, std::vector<int32_t> &out);
  void encodePiece(std::string_view piece, std::vector<int32_t> &out);
  void mergePiece(std::string_view piece, std::vector<int32_t> &out) const;

  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  const Tokenizer &tokenizer_;
  std::vector<Splitter::Scratch> scratch_;
  std::vector<std::string_view> pieces_, cut_;
  PieceCache shortPieces_;
  std::unordered_map<std::string, std::vector<int32_t>, Hash, std::equal_to<>> longPieces_; // the first that came
};

} // namespace caa
