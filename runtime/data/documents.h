// Documents from files of text or JSON lines, in batches that bound memory and can be parsed on any thread.
//
// A `.jsonl` file has a document a line, in its field "text". Any other file is plain text: one document, or cut at a
// separator, which belongs to no document. Both may be compressed (byte_source.h). All text must be UTF-8; a byte-order
// mark at a file's start is dropped, and so are documents of white space only.
#pragma once

#include "runtime/base/files.h"
#include "runtime/data/byte_source.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace caa {

/// A stretch of a file that starts and ends at document boundaries.
struct DocumentBatch {
  Path file;
  bool jsonLines = false;
  std::string bytes, separator;              // no separator: all bytes are one document
  uint64_t offset = 0, line = 1, column = 1; // where `bytes` starts in the (decompressed) file

  /// The documents, checked. JSON strings are unescaped, so the texts own their bytes.
  Result<std::vector<std::string>> parse() const;

private:
  Error invalidUtf8(size_t at) const;
  Error badLine(size_t at, std::string_view why) const;
  uint64_t lineAt(size_t at) const;
};

/// Walks over files in order.
class DocumentReader {
public:
  /// An empty `splitOn` takes a text file as one document.
  DocumentReader(std::vector<Path> files, std::string splitOn)
      : files_(std::move(files)), splitOn_(std::move(splitOn)) {}

  /// The next batch, about a megabyte or one document; nothing after the last.
  Result<std::optional<DocumentBatch>> next();

  /// Sizes of all files in bytes, as stored; for progress.
  Result<uint64_t> totalSize() const;
  /// Sizes of the files that are wholly read.
  uint64_t finishedSize() const { return finished_; }

private:
  Status openNext();

  std::vector<Path> files_;
  std::string splitOn_;
  size_t nextFile_ = 0;
  uint64_t finished_ = 0;
  std::unique_ptr<ByteSource> source_;
  DocumentBatch current_; // bytes read and not handed out yet
  bool atEnd_ = false;
};

/// `\n`, `\t`, `\r` and `\\` on a command line become what they mean.
std::string unescape(std::string_view text);

} // namespace caa
