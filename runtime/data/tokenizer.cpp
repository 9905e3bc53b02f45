// Encoding and decoding of tokenizer.h; the file format is in tokenizer_reader.cpp.
#include "runtime/data/tokenizer.h"

#include "runtime/base/utf8.h"
#include "runtime/data/nfc.h"

#include <fmt/format.h>

namespace caa {
namespace {

constexpr size_t cachedPieces = 1 << 16, longestCachedPiece = 64;

} // namespace

Result<int32_t> Tokenizer::endOfText() const {
  for (std::string_view name : {"<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|eot_id|>"})
    for (const AddedTokens *added : {&raw_, &normalized_})
      for (const auto &token : added->tokens())
        if (token.content == name)
          return token.id;
  return inputError(
      fmt::format("{}: error: no added token ends a document (`<|endoftext|>` is looked for first)", path_.string()));
}

std::optional<int32_t> Tokenizer::idOf(std::string_view bytes) const {
  auto it = ids_.find(std::string(bytes));
  return it == ids_.end() ? std::nullopt : std::optional(it->second);
}

std::string_view Tokenizer::bytesOf(int32_t id) const {
  return id >= 0 && size_t(id) < tokens_.size() ? std::string_view(tokens_[size_t(id)]) : std::string_view();
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view text, SpecialTokens special) const {
  if (auto fault = findInvalidUtf8(text))
    return inputError(fmt::format("error: the text is not UTF-8: byte 0x{:02x} at offset {} starts no valid character",
                                  static_cast<unsigned char>(text[fault->offset]), fault->offset));
  std::vector<int32_t> ids;
  CAA_CHECK(Encoder(*this).encode(text, ids, special));
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string bytes;
  for (int32_t id : ids)
    bytes += bytesOf(id);
  return bytes;
}

Encoder::Encoder(const Tokenizer &tokenizer) : tokenizer_(tokenizer) {
  for (const Splitter &splitter : tokenizer.splitters_)
    scratch_.emplace_back(splitter);
}

Status Encoder::encode(std::string_view text, std::vector<int32_t> &out, SpecialTokens special) {
  bool withSpecial = special == SpecialTokens::Recognised;
  for (size_t done = 0; done < text.size();) {
    size_t position = text.size();
    const auto *token = tokenizer_.raw_.find(text, done, withSpecial, position);
    if (position > done)
      CAA_CHECK(encodeNormalized(text.substr(done, position - done), out, withSpecial));
    if (!token)
      break;
    out.push_back(token->id);
    done = position + token->content.size();
  }
  return {};
}

Status Encoder::encodeNormalized(std::string_view text, std::vector<int32_t> &out, bool withSpecial) {
  std::string normal;
  if (tokenizer_.nfc_ && !isPlainlyNfc(text)) {
    CAA_TRY(normal, toNfc(text));
    text = normal;
  }
  for (size_t done = 0; done < text.size();) {
    size_t position = text.size();
    const auto *token =
        tokenizer_.normalized_.empty() ? nullptr : tokenizer_.normalized_.find(text, done, withSpecial, position);
    if (position > done)
      CAA_CHECK(encodePlain(text.substr(done, position - done), out));
    if (!token)
      break;
    out.push_back(token->id);
    done = position + token->content.size();
  }
  return {};
}

Status Encoder::encodePlain(std::string_view text, std::vector<int32_t> &out) {
  std::string prefixed;
  if (tokenizer_.prefixSpace_ && text[0] != ' ') {
    prefixed = " " + std::string(text);
    text = prefixed;
  }
  pieces_.assign(1, text);
  for (size_t i = 0; i < scratch_.size(); ++i) {
    cut_.clear();
    for (std::string_view piece : pieces_)
      CAA_CHECK(tokenizer_.splitters_[i].split(piece, scratch_[i], cut_));
    pieces_.swap(cut_);
  }
  for (std::string_view piece : pieces_)
    encodePiece(piece, out);
  return {};
}

void Encoder::encodePiece(std::string_view piece, std::vector<int32_t> &out) {
  size_t first = out.size();
  if (piece.size() <= PieceCache::longestPiece) {
    auto key = PieceCache::keyOf(piece);
    if (shortPieces_.find(key, out))
      return;
    mergePiece(piece, out);
    if (size_t count = out.size() - first; count <= PieceCache::mostTokens)
      shortPieces_.add(key, out.data() + first, count);
    return;
  }
  bool cached = piece.size() <= longestCachedPiece;
  if (cached)
    if (auto it = longPieces_.find(piece); it != longPieces_.end()) {
      out.insert(out.end(), it->second.begin(), it->second.end());
      return;
    }
  mergePiece(piece, out);
  if (cached && longPieces_.size() < cachedPieces)
    longPieces_.emplace(piece, std::vector<int32_t>(out.begin() + ptrdiff_t(first), out.end()));
}

void Encoder::mergePiece(std::string_view piece, std::vector<int32_t> &out) const {
  if (tokenizer_.ignoreMerges_)
    if (auto whole = tokenizer_.idOf(piece)) {
      out.push_back(*whole);
      return;
    }
  tokenizer_.merges_.encode(piece, out);
}

} // namespace caa
