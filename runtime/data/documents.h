// Documents from files of text, JSON lines or Parquet, in batches that bound memory and can be parsed on any thread.
//
// A `.parquet` file has a document a row, in its column "text" (parquet_file.h); a `.jsonl` file a document a line, in
// its field "text". Any other file is plain text: one document, or cut at a separator, which belongs to no document.
// Text and JSON lines may be compressed (byte_source.h). All text must be UTF-8; a byte-order mark at a file's start is
// dropped, and so are documents of white space only.
#pragma once

#include "runtime/base/files.h"
#include "runtime/data/byte_source.h"
#include "runtime/data/parquet_file.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace caa {

/// A stretch of a file that starts and ends at document boundaries.
struct DocumentBatch {
  enum class Format { Text, JsonLines, Parquet };
  Path file;
  Format format = Format::Text;
  uint64_t stored = 0; // bytes of all files, as stored, up to the batch's end: for progress

  // Text and JSON lines.
  std::string bytes, separator;              // no separator: all bytes are one document
  uint64_t offset = 0, line = 1, column = 1; // where `bytes` starts in the (decompressed) file

  // Parquet: rows of a group from `firstRow` on; unless they are here, the whole group is read where it is parsed.
  std::optional<ParquetFile> parquet;
  std::vector<std::string> rows;
  uint64_t group = 0, firstRow = 0;

  /// The documents, checked; call once. JSON strings are unescaped, so the texts own their bytes.
  Result<std::vector<std::string>> parse();

private:
  Result<std::vector<std::string>> parseRows();
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

  /// The next batch, about a megabyte, one document or a row group of at most 16 megabytes; nothing after the last.
  Result<std::optional<DocumentBatch>> next();

  /// Sizes of all files in bytes, as stored; for progress.
  Result<uint64_t> totalSize() const;

private:
  Status openNext();
  void closeFile();
  Result<DocumentBatch> nextText();
  Result<DocumentBatch> nextRows();

  std::vector<Path> files_;
  std::string splitOn_;
  size_t nextFile_ = 0;
  uint64_t finished_ = 0; // sizes of the files that are wholly read
  bool open_ = false;
  DocumentBatch current_; // of the open file: bytes read and not handed out yet, or where in a Parquet file to go on
  // Text and JSON lines.
  std::unique_ptr<ByteSource> source_;
  bool atEnd_ = false;
  // Parquet.
  std::optional<ParquetFile::Rows> rows_; // a group too large for one batch
  uint64_t groupsSize_ = 0;               // stored bytes of the groups that are handed out
};

/// `\n`, `\t`, `\r` and `\\` on a command line become what they mean.
std::string unescape(std::string_view text);

} // namespace caa
