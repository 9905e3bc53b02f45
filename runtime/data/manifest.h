// `manifest.json` of a prepared folder: what is in it, and the hashes that tell damage.
#pragma once

#include "runtime/base/files.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace caa {

enum class Split { Train, Val, Test };
constexpr std::array<Split, 3> allSplits{Split::Train, Split::Val, Split::Test};
/// "train", "val", "test": in file names and on command lines.
std::string_view nameOf(Split split);

/// The split a document belongs to, by its text alone: SHA-256 of salt, a zero byte and the text with white space
/// collapsed; its first eight bytes as a big-endian number, modulo 1000: below 800 train, below 900 val, else test.
Split splitOf(std::string_view text, std::string_view salt);

struct Manifest {
  struct Shard {
    std::string file; // beside the manifest
    uint64_t tokens = 0;
    std::string sha256, xxh64; // of the whole file
  };
  struct Part {
    uint64_t documents = 0;
    uint64_t tokens = 0; // with one end-of-text token a document
    uint64_t bytes = 0;  // of the documents' text
    std::vector<Shard> shards;
  };
  static constexpr std::string_view fileName = "manifest.json", tokenizerName = "tokenizer.json";

  std::string tokenizerSha256, salt;
  int64_t vocabSize = 0;
  int32_t endOfText = 0;
  double unigramEntropy = 0; // of the training split's tokens, in nats a token
  std::array<Part, 3> parts; // by Split

  const Part &part(Split split) const { return parts[size_t(split)]; }
  Part &part(Split split) { return parts[size_t(split)]; }

  Status write(const Path &folder) const;
  /// Refuses a manifest of which any byte that counts was changed.
  static Result<Manifest> read(const Path &folder);
  std::string text() const;
  static Result<Manifest> parse(const Path &path, std::string_view text);
};

} // namespace caa
