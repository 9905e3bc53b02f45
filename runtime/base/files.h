// Reading and writing files so that a reader never meets half a file.
//
// A writer works on a temporary beside the target and renames it into place once its bytes are on the disk, so the
// target holds the old bytes or the new ones at any instant, also after `kill -9` or loss of power. Errors name the
// file; a full disk says "no space left".
#pragma once

#include "runtime/base/result.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace caa {

using Path = std::filesystem::path;

/// "cannot <verb> <path>: <reason of errno value>", in a user's words.
Error fileError(std::string_view verb, const Path &path, int errnoValue);

/// The whole file as bytes.
Result<std::string> readFile(const Path &path);

/// Replaces the file by `bytes`, whole or not at all.
Status writeFile(const Path &path, std::string_view bytes);

/// Makes the folder and its parents; an existing one is fine.
Status makeFolder(const Path &path);

/// Flushes a folder's entries (new names, renames) to the disk.
Status syncFolder(const Path &path);

/// From now on AtomicFile takes what is written and leaves every target as it is (a command that is repeated in order to
/// see how it fails).
void discardWrites();

/// A read-only mapping of a whole file. Copies share the mapping, which lives as long as any of them.
class MappedFile {
public:
  static Result<MappedFile> open(const Path &path);
  std::span<const std::byte> bytes() const { return {data_.get(), size_}; }
  const Path &path() const { return path_; }

private:
  std::shared_ptr<const std::byte> data_;
  size_t size_ = 0;
  Path path_;
};

/// A file being written piece by piece; it appears at `commit` and vanishes if that never comes. A target that is a
/// device or a pipe (`/dev/stdout`) is written directly.
class AtomicFile {
public:
  static Result<AtomicFile> create(const Path &target);
  AtomicFile(AtomicFile &&other) noexcept;
  AtomicFile &operator=(AtomicFile &&) = delete;
  ~AtomicFile();

  /// Appends bytes (buffered).
  Status write(const void *data, size_t size);
  Status write(std::string_view text) { return write(text.data(), text.size()); }
  /// Overwrites bytes written before, as a header whose count is known only at the end.
  Status writeAt(uint64_t offset, const void *data, size_t size);
  /// Flushes, syncs and renames into place.
  Status commit();

private:
  AtomicFile() = default;
  Status flush();

  Path target_, temporary_; // no temporary: the target is written directly
  int descriptor_ = -1;
  std::string buffer_;
};

/// A folder being written: fill `path()`, then `publish`. Until then nothing is seen at the target.
class AtomicFolder {
public:
  static Result<AtomicFolder> create(const Path &target);
  AtomicFolder(AtomicFolder &&other) noexcept;
  AtomicFolder &operator=(AtomicFolder &&) = delete;
  ~AtomicFolder();

  /// The temporary folder to fill.
  const Path &path() const { return temporary_; }
  /// Syncs every file and renames into place. A folder that stands there is exchanged in one step and then removed
  /// (whether that is allowed is the caller's question).
  Status publish();

private:
  AtomicFolder() = default;
  Path target_, temporary_;
};

} // namespace caa
