// How far `data prepare` has come, in the folder that it fills: written whenever all shards are closed, so that the same
// command goes on from there after a kill.
#pragma once

#include "runtime/data/prepare.h"

#include <optional>

namespace caa {

struct Journal {
  std::string identity = {};    // of the files and settings (identityOf)
  uint64_t batches = 0;         // that are in the shards
  std::string place = {};       // where the last of them ended
  uint64_t stored = 0;          // bytes of the files up to there
  std::vector<uint64_t> counts = {}; // of the training split's tokens, by id
  Manifest manifest = {};       // of the shards so far

  Status write(const Path &folder) const;
  /// What `folder` holds; nothing unless it is whole and of this identity. Removes everything that does not belong to it.
  static std::optional<Journal> resume(const Path &folder, const std::string &identity);
  static constexpr std::string_view fileName = "progress.json";
};

/// Changes with every file (its path, size and time of change), the tokenizer and each setting that decides what is
/// written. Nothing where a file cannot be read twice (a pipe).
std::optional<std::string> identityOf(const Preparation &preparation, std::string_view tokenizerText);

} // namespace caa
