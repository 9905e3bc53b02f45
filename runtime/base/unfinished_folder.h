// A folder that takes long to fill and can be gone on with: like AtomicFolder nothing is seen at the target before
// `publish`, but what it holds may outlive the process, and the next one that wants the same target finds it.
#pragma once

#include "runtime/base/folder_lock.h"

namespace caa {

class UnfinishedFolder {
public:
  /// `.<name>.unfinished` beside the target, with whatever an earlier process left in it. An error where another process
  /// has it.
  static Result<UnfinishedFolder> open(const Path &target);
  UnfinishedFolder(UnfinishedFolder &&other) noexcept;
  UnfinishedFolder &operator=(UnfinishedFolder &&) = delete;
  /// Removes it unless it was published or is to be kept.
  ~UnfinishedFolder();

  const Path &path() const { return path_; }
  /// From now on it stays when this process ends early.
  void keep() { isKept_ = true; }
  /// As AtomicFolder::publish.
  Status publish();

private:
  UnfinishedFolder(Path target, Path path, FolderLock lock)
      : target_(std::move(target)), path_(std::move(path)), lock_(std::move(lock)) {}
  Path target_, path_; // no path: published, or moved from
  FolderLock lock_;
  bool isKept_ = false;
};

} // namespace caa
