// POSIX files behind files.h: open, mmap, write, fsync, rename. Every failure carries errno's reason and the path.
#include "runtime/base/files.h"

#include "runtime/base/temporary.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace caa {
namespace {

constexpr size_t bufferSize = 1 << 20;

/// Closes a descriptor at the end of a scope.
struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0)
      ::close(value);
  }
};

/// All of the bytes at the current position, however many calls it takes; 0 or errno.
int writeAll(int descriptor, const char *data, size_t size) {
  while (size > 0) {
    ssize_t count = ::write(descriptor, data, size);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return errno;
    data += count;
    size -= size_t(count);
  }
  return 0;
}

} // namespace

Error fileError(std::string_view verb, const Path &path, int errnoValue) {
  const char *reason = std::strerror(errnoValue);
  if (errnoValue == ENOSPC || errnoValue == EDQUOT)
    reason = "no space left on the disk";
  else if (errnoValue == EFBIG)
    reason = "no space left for a file of this size";
  else if (errnoValue == ENOENT)
    reason = "no such file or folder";
  else if (errnoValue == EISDIR)
    reason = "it is a folder";
  else if (errnoValue == ENOTDIR)
    reason = "a part of the path is not a folder";
  else if (errnoValue == EACCES || errnoValue == EPERM)
    reason = "permission denied";
  return inputError(fmt::format("{}: error: cannot {}: {}", path.string(), verb, reason));
}

Path temporaryBeside(const Path &target) {
  static std::atomic<unsigned> serial{0};
  return target.parent_path() / fmt::format(".{}.tmp-{}-{}", target.filename().string(), ::getpid(), serial++);
}

Result<std::string> readFile(const Path &path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.value < 0)
    return fileError("open", path, errno);
  std::string bytes;
  struct stat info;
  if (::fstat(file.value, &info) == 0 && S_ISREG(info.st_mode))
    bytes.reserve(size_t(info.st_size) + 1);
  size_t used = 0;
  for (;;) {
    bytes.resize(std::max(bytes.capacity(), used + 65536)); // pipes and devices have no size to reserve
    ssize_t count = ::read(file.value, bytes.data() + used, bytes.size() - used);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return fileError("read", path, errno);
    if (count == 0)
      break;
    used += size_t(count);
  }
  bytes.resize(used);
  return bytes;
}

Status writeFile(const Path &path, std::string_view bytes) {
  CAA_TRY(auto file, AtomicFile::create(path));
  CAA_CHECK(file.write(bytes));
  return file.commit();
}

Status makeFolder(const Path &path) {
  std::error_code code;
  std::filesystem::create_directories(path, code);
  if (code)
    return fileError("make the folder", path, code.value());
  return {};
}

Status syncFolder(const Path &path) {
  Path folder = path.empty() ? Path(".") : path;
  Descriptor file{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (file.value < 0)
    return fileError("open the folder", folder, errno);
  if (::fsync(file.value) != 0 && errno != EINVAL) // some file systems cannot sync folders and need not
    return fileError("sync the folder", folder, errno);
  return {};
}

Result<MappedFile> MappedFile::open(const Path &path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.value < 0)
    return fileError("open", path, errno);
  struct stat info;
  if (::fstat(file.value, &info) != 0)
    return fileError("read", path, errno);
  if (!S_ISREG(info.st_mode))
    return inputError(fmt::format("{}: error: cannot read: it is not a regular file", path.string()));
  MappedFile mapped;
  mapped.path_ = path;
  if (info.st_size == 0)
    return mapped; // an empty mapping is an error of mmap
  void *data = ::mmap(nullptr, size_t(info.st_size), PROT_READ, MAP_PRIVATE, file.value, 0);
  if (data == MAP_FAILED)
    return fileError("map", path, errno);
  mapped.size_ = size_t(info.st_size);
  mapped.data_ = {static_cast<const std::byte *>(data), [data, size = mapped.size_](auto *) { ::munmap(data, size); }};
  return mapped;
}

static bool discards = false;
void discardWrites() { discards = true; }

Result<AtomicFile> AtomicFile::create(const Path &target) {
  if (discards && target != "/dev/null")
    return create("/dev/null");
  AtomicFile file;
  file.target_ = target;
  std::error_code code;
  auto status = std::filesystem::status(target, code);
  if (std::filesystem::is_directory(status))
    return fileError("write", target, EISDIR);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    file.descriptor_ = ::open(target.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    if (std::filesystem::is_symlink(target, code) && std::filesystem::exists(status))
      file.target_ = std::filesystem::canonical(target, code); // replace what the link names, not the link
    file.temporary_ = temporaryBeside(file.target_);
    file.descriptor_ = ::open(file.temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  }
  if (file.descriptor_ < 0) {
    file.temporary_.clear();
    return fileError("write", target, errno);
  }
  return file;
}

AtomicFile::AtomicFile(AtomicFile &&other) noexcept
    : target_(std::move(other.target_)), temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)), buffer_(std::move(other.buffer_)) {
  other.temporary_.clear();
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
  if (!temporary_.empty())
    ::unlink(temporary_.c_str());
}

Status AtomicFile::flush() {
  int code = writeAll(descriptor_, buffer_.data(), buffer_.size());
  buffer_.clear();
  if (code != 0)
    return fileError("write", target_, code);
  return {};
}

Status AtomicFile::write(const void *data, size_t size) {
  if (buffer_.size() + size > bufferSize) {
    CAA_CHECK(flush());
    if (size > bufferSize) {
      if (int code = writeAll(descriptor_, static_cast<const char *>(data), size))
        return fileError("write", target_, code);
      return {};
    }
  }
  buffer_.append(static_cast<const char *>(data), size);
  return {};
}

Status AtomicFile::writeAt(uint64_t offset, const void *data, size_t size) {
  CAA_CHECK(flush());
  ssize_t count = ::pwrite(descriptor_, data, size, off_t(offset));
  if (count < 0 || size_t(count) != size)
    return fileError("write", target_, count < 0 ? errno : ENOSPC);
  return {};
}

Status AtomicFile::commit() {
  CAA_CHECK(flush());
  if (temporary_.empty()) {
    if (::close(std::exchange(descriptor_, -1)) != 0)
      return fileError("write", target_, errno);
    return {};
  }
  if (::fsync(descriptor_) != 0)
    return fileError("write", target_, errno);
  if (::close(std::exchange(descriptor_, -1)) != 0)
    return fileError("write", target_, errno);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0)
    return fileError("write", target_, errno);
  temporary_.clear();
  return syncFolder(target_.parent_path());
}

} // namespace caa
