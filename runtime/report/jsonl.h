// `log.jsonl`: one JSON object a line, each written in one piece, so that a reader (or a crash) meets whole lines.
#pragma once

#include "runtime/base/json.h"

#include <vector>

namespace caa {

/// Appends rows to a file.
class JsonlWriter {
public:
  /// Opens or makes the file. A last line that a crash cut short is removed first.
  static Result<JsonlWriter> open(const Path &path);
  JsonlWriter(JsonlWriter &&other) noexcept;
  JsonlWriter &operator=(JsonlWriter &&) = delete;
  ~JsonlWriter();

  /// Writes a row, which others can read at once. NaN and infinities become null.
  Status write(const OrderedJson &row);

private:
  JsonlWriter(Path path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  Path path_;
  int descriptor_;
};

/// All rows. A last line without its end is left out; any other that is no object is an error with its line.
Result<std::vector<Json>> readJsonl(const Path &path);

/// Removes the rows whose `step` is above `lastStep`: a run that goes on from a checkpoint writes them again. A file
/// that is not there is fine.
Status dropRowsAfter(const Path &path, int64_t lastStep);

} // namespace caa
