// From text to a prepared folder: tokenised, split 80/10/10 by document, in shards, with a manifest.
//
// The folder appears whole or not at all. Memory is bounded by the threads, not by the corpus, as long as single
// documents fit. The result depends on the files and their order only, not on the threads.
#pragma once

#include "runtime/data/manifest.h"

#include <string>
#include <vector>

namespace caa {

struct Preparation {
  std::vector<Path> files;
  Path output, tokenizer;
  std::string splitOn;                // cuts text files into documents; empty: a file is one
  std::string salt = "caa";           // another salt, another split
  uint64_t shardTokens = 100'000'000; // the most tokens in a shard
  unsigned threads = 0;               // 0: as many as there are
  bool quiet = false;                 // no progress
};

/// Returns the manifest that was written.
Result<Manifest> prepareData(const Preparation &preparation);

} // namespace caa
