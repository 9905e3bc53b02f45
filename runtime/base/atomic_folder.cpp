// AtomicFolder of files.h: fill a hidden folder, sync it whole, then one rename (or one exchange with the folder that
// stands at the target) makes it visible.
#include "runtime/base/files.h"

#include "runtime/base/temporary.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <utility>

namespace caa {
namespace {

namespace fs = std::filesystem;

/// Every file and folder below `folder` to the disk.
Status syncTree(const Path &folder) {
  std::error_code code;
  for (fs::recursive_directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
    if (it->is_directory()) {
      CAA_CHECK(syncFolder(it->path()));
      continue;
    }
    if (!it->is_regular_file())
      continue;
    int descriptor = ::open(it->path().c_str(), O_RDONLY | O_CLOEXEC);
    bool good = descriptor >= 0 && ::fsync(descriptor) == 0;
    int reason = errno;
    if (descriptor >= 0)
      ::close(descriptor);
    if (!good)
      return fileError("write", it->path(), reason);
  }
  if (code)
    return fileError("read the folder", folder, code.value());
  return syncFolder(folder);
}

/// A target written as `dir/` names the folder `dir`.
Path withoutTrailingSlash(const Path &path) { return path.has_filename() ? path : path.parent_path(); }

} // namespace

Result<AtomicFolder> AtomicFolder::create(const Path &target) {
  AtomicFolder folder;
  std::error_code code;
  folder.target_ = fs::absolute(withoutTrailingSlash(target), code);
  if (fs::is_symlink(folder.target_, code) && fs::exists(folder.target_, code))
    folder.target_ = fs::canonical(folder.target_, code);
  CAA_CHECK(makeFolder(folder.target_.parent_path()));
  Path temporary = temporaryBeside(folder.target_);
  CAA_CHECK(makeFolder(temporary));
  folder.temporary_ = std::move(temporary);
  return folder;
}

AtomicFolder::AtomicFolder(AtomicFolder &&other) noexcept
    : target_(std::move(other.target_)), temporary_(std::move(other.temporary_)) {
  other.temporary_.clear();
}

AtomicFolder::~AtomicFolder() {
  std::error_code code;
  if (!temporary_.empty())
    fs::remove_all(temporary_, code);
}

Status AtomicFolder::publish() {
  CAA_CHECK(syncTree(temporary_));
  std::error_code code;
  bool exchange = fs::exists(fs::symlink_status(target_, code));
  unsigned flags = exchange ? RENAME_EXCHANGE : RENAME_NOREPLACE;
  int failed = ::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, target_.c_str(), flags);
  if (failed != 0 && errno == EINVAL) {
    // A file system without the flags (some network ones): the old folder steps aside first, then the new one moves in.
    Path aside = temporaryBeside(target_);
    if (exchange && ::rename(target_.c_str(), aside.c_str()) != 0)
      return fileError("replace the folder", target_, errno);
    failed = ::rename(temporary_.c_str(), target_.c_str());
    if (exchange && failed == 0)
      fs::remove_all(aside, code);
    exchange = false;
  }
  if (failed != 0)
    return fileError("write the folder", target_, errno);
  CAA_CHECK(syncFolder(target_.parent_path()));
  if (exchange)
    fs::remove_all(temporary_, code); // now the old content
  temporary_.clear();
  return {};
}

} // namespace caa
