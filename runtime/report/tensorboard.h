// TensorBoard event files: scalars and texts by tag and step.
//
// The format: TFRecord frames (length, masked CRC-32C of it, bytes, masked CRC-32C of them) around `Event` messages in
// protocol-buffer encoding (tensorflow/core/util/event.proto, framework/summary.proto).
#pragma once

#include "runtime/base/files.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace caa {

/// CRC-32C (Castagnoli).
uint32_t crc32c(std::string_view bytes);

class EventWriter {
public:
  /// A new event file in the folder; a resumed run adds another, and TensorBoard reads them all.
  static Result<EventWriter> create(const Path &folder);
  EventWriter(EventWriter &&other) noexcept;
  EventWriter &operator=(EventWriter &&) = delete;
  ~EventWriter();

  /// `time` is in seconds since 1970.
  Status addScalar(std::string_view tag, int64_t step, double time, float value);
  Status addText(std::string_view tag, int64_t step, double time, std::string_view text);
  /// From this step on, what earlier files hold is void: a run that goes on from a checkpoint says so.
  Status addRestart(int64_t step, double time);

private:
  EventWriter(Path path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  Status addRecord(std::string_view event);
  Path path_;
  int descriptor_;
};

} // namespace caa
