// One process at a time in a folder.
#pragma once

#include "runtime/base/files.h"

#include <optional>
#include <utility>

namespace caa {

/// A folder kept from other processes that ask for it, as long as it lives; nothing is left behind, also after `kill -9`.
class FolderLock {
public:
  /// Nothing where another process has it. File systems without locks give one that keeps nobody away.
  static Result<std::optional<FolderLock>> take(const Path &folder);
  FolderLock(FolderLock &&other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FolderLock &operator=(FolderLock &&) = delete;
  ~FolderLock();

private:
  explicit FolderLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

} // namespace caa
