// flock on the folder itself: the system gives it back with the process.
#include "runtime/base/folder_lock.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace caa {

Result<std::optional<FolderLock>> FolderLock::take(const Path &folder) {
  FolderLock lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.descriptor_ < 0)
    return fileError("open the folder", folder, errno);
  if (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    return std::optional<FolderLock>();
  return std::optional<FolderLock>(std::move(lock));
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
}

} // namespace caa
