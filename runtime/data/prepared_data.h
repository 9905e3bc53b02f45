// Reading a prepared folder (prepare.h) for training and evaluation.
//
// `open` checks everything: manifest, tokenizer and every byte of every shard against their hashes. A row is `context`
// tokens in a line, across shard borders; a rest shorter than that is dropped.
#pragma once

#include "runtime/data/manifest.h"
#include "runtime/data/token_file.h"

#include <cstdint>
#include <span>
#include <vector>

namespace caa {

/// Several token files read as one. Ids are not copied before they are asked for.
class TokenStream {
public:
  TokenStream() = default;
  explicit TokenStream(std::vector<TokenFile> files);
  uint64_t size() const { return ends_.empty() ? 0 : ends_.back(); }
  /// Tokens [begin, begin + out.size()), which must exist.
  void read(uint64_t begin, std::span<int32_t> out) const;
  /// Rows of `context` tokens.
  uint64_t rows(uint64_t context) const { return size() / context; }
  void readRow(uint64_t row, std::span<int32_t> out) const { read(row * out.size(), out); }

private:
  std::vector<TokenFile> files_;
  std::vector<uint64_t> ends_; // of each file, counted from the first
};

class PreparedData {
public:
  static Result<PreparedData> open(const Path &folder);

  const Manifest &manifest() const { return manifest_; }
  const TokenStream &tokens(Split split) const { return streams_[size_t(split)]; }
  Path tokenizerPath() const { return folder_ / Manifest::tokenizerName; }
  const Path &folder() const { return folder_; }
  /// Bytes of text a token stands for: bits per byte = nats per token / (ln 2 * this).
  double bytesPerToken(Split split) const;

private:
  Path folder_;
  Manifest manifest_;
  std::array<TokenStream, 3> streams_;
};

} // namespace caa
