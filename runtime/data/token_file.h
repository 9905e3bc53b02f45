// Token files in llm.c's two formats: 256 little-endian int32 of header (magic, version, count, zeros), then the
// tokens.
//
//   uint16: magic 20240520, version 1 (vocabularies below 65,536 ids);  uint32: magic 20240801, version 7.
//
// Source: karpathy/llm.c, dev/data/data_common.py and llmc/dataloader.h.
#pragma once

#include "runtime/base/files.h"

#include <cstdint>
#include <span>

namespace caa {

/// Bytes of a token in the file: 2 or 4.
int tokenWidth(int64_t vocabSize);

/// A token file, mapped and checked: magic, version, and the count against the size. Copies share the mapping.
class TokenFile {
public:
  static Result<TokenFile> open(const Path &path);
  uint64_t size() const { return size_; }
  int width() const { return width_; }
  const Path &path() const { return file_.path(); }
  /// Tokens [begin, begin + out.size()), which must exist.
  void read(uint64_t begin, std::span<int32_t> out) const;
  /// An error that names the first token that is not below `vocabSize`.
  Status checkIds(int64_t vocabSize) const;
  /// XXH64 of the whole file.
  uint64_t checksum() const;

private:
  MappedFile file_;
  uint64_t size_ = 0;
  int width_ = 2;
};

/// Writes a token file piece by piece; nothing appears before `finish`.
class TokenWriter {
public:
  static Result<TokenWriter> create(const Path &path, int width);
  Status write(std::span<const int32_t> tokens);
  uint64_t size() const { return size_; }
  Status finish();
  static constexpr uint64_t largestSize = INT32_MAX; // what the header's count can hold

private:
  TokenWriter(AtomicFile file, Path path, int width) : file_(std::move(file)), path_(std::move(path)), width_(width) {}
  AtomicFile file_;
  Path path_;
  uint64_t size_ = 0;
  int width_;
};

} // namespace caa
