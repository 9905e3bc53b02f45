// AtomicFolder of files.h and UnfinishedFolder: fill a hidden folder, sync it whole, then one rename (or one exchange with the folder that
// stands at the target) makes it visible.
#include "runtime/base/files.h"

#include "runtime/base/temporary.h"
#include "runtime/base/unfinished_folder.h"

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

/// The folder itself, not a link to it, with its parents made.
Result<Path> targetOf(const Path &given) {
  std::error_code code;
  Path target = fs::absolute(withoutTrailingSlash(given), code);
  if (fs::is_symlink(target, code) && fs::exists(target, code))
    target = fs::canonical(target, code);
  CAA_CHECK(makeFolder(target.parent_path()));
  return target;
}

/// Syncs `temporary` whole and puts it where `target` is.
Status moveInto(const Path &temporary, const Path &target) {
  CAA_CHECK(syncTree(temporary));
  std::error_code code;
  bool exchange = fs::exists(fs::symlink_status(target, code));
  unsigned flags = exchange ? RENAME_EXCHANGE : RENAME_NOREPLACE;
  int failed = ::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, target.c_str(), flags);
  if (failed != 0 && errno == EINVAL) {
    // A file system without the flags (some network ones): the old folder steps aside first, then the new one moves in.
    Path aside = temporaryBeside(target);
    if (exchange && ::rename(target.c_str(), aside.c_str()) != 0)
      return fileError("replace the folder", target, errno);
    failed = ::rename(temporary.c_str(), target.c_str());
    if (exchange && failed == 0)
      fs::remove_all(aside, code);
    exchange = false;
  }
  if (failed != 0)
    return fileError("write the folder", target, errno);
  CAA_CHECK(syncFolder(target.parent_path()));
  if (exchange)
    fs::remove_all(temporary, code); // now the old content
  return {};
}

} // namespace

Result<AtomicFolder> AtomicFolder::create(const Path &target) {
  AtomicFolder folder;
  CAA_TRY(folder.target_, targetOf(target));
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
  CAA_CHECK(moveInto(temporary_, target_));
  temporary_.clear();
  return {};
}

Result<UnfinishedFolder> UnfinishedFolder::open(const Path &target) {
  CAA_TRY(Path absolute, targetOf(target));
  Path path = absolute.parent_path() / fmt::format(".{}.unfinished", absolute.filename().string());
  CAA_CHECK(makeFolder(path));
  CAA_TRY(auto lock, FolderLock::take(path));
  if (!lock)
    return inputError(fmt::format("{}: error: another process is writing it now", target.string()));
  return UnfinishedFolder(std::move(absolute), std::move(path), std::move(*lock));
}

UnfinishedFolder::UnfinishedFolder(UnfinishedFolder &&other) noexcept
    : target_(std::move(other.target_)), path_(std::move(other.path_)), lock_(std::move(other.lock_)),
      isKept_(other.isKept_) {
  other.path_.clear();
}

UnfinishedFolder::~UnfinishedFolder() {
  std::error_code code;
  if (!path_.empty() && !isKept_)
    fs::remove_all(path_, code);
}

Status UnfinishedFolder::publish() {
  CAA_CHECK(moveInto(path_, target_));
  path_.clear();
  return {};
}

} // namespace caa
