// Parquet files as FineWeb publishes them: the strings of the column `text`, row group by row group.
//
// Reading is done by libcaa_parquet.so (runtime/parquet), loaded when the first file is opened; where that was not
// built, the error says what to install. Errors name the file and, inside, the row group (from 0) and the row in it
// (from 0).
#pragma once

#include "runtime/base/files.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct caa_parquet_file;
struct caa_parquet_rows;

namespace caa {

/// An open file. Copies share it, also between threads.
class ParquetFile {
public:
  static constexpr const char *column = "text";
  static Result<ParquetFile> open(const Path &path);

  struct Group {
    uint64_t stored; // bytes in the file, all columns
    uint64_t text;   // bytes of the column, decompressed
  };
  uint64_t groupCount() const;
  Group group(uint64_t index) const;

  /// The rows of a group, being read by one thread.
  class Rows {
  public:
    /// Appends texts, about `bytes` of them; false when the group has no more.
    Result<bool> read(size_t bytes, std::vector<std::string> &texts);

  private:
    friend class ParquetFile;
    Path path_;
    std::shared_ptr<caa_parquet_file> file_; // outlives the rows
    std::shared_ptr<caa_parquet_rows> rows_;
  };
  Result<Rows> rows(uint64_t group) const;

private:
  Path path_;
  std::shared_ptr<caa_parquet_file> file_;
};

} // namespace caa
