// Learns a byte-level byte-pair tokenizer from text and writes it as `tokenizer.json`.
//
// The vocabulary is the 256 bytes, one entry a merge, and `<|endoftext|>` last. Pieces are GPT-2's. The pair with the
// highest count is merged first; of equals, the one with the lowest ids, so the result depends on the text only.
#pragma once

#include "runtime/base/files.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace caa {

struct TokenizerTraining {
  std::vector<Path> files; // text or .jsonl (documents.h)
  int64_t vocabSize = 0;   // entries in the result, exactly
  unsigned threads = 0;    // 0: as many as there are
  bool quiet = false;      // no progress
};

/// The finished file's text. Text too small for so many entries is an error that says how many it allows.
Result<std::string> trainTokenizer(const TokenizerTraining &training);

} // namespace caa
