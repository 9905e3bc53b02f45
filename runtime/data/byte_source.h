// A file as a stream of bytes, decompressed on the way: `.gz` by zlib, `.zst` by libzstd, anything else as it is.
#pragma once

#include "runtime/base/files.h"

#include <cstdint>
#include <memory>

namespace caa {

class ByteSource {
public:
  virtual ~ByteSource() = default;
  /// Up to `capacity` bytes to `out`; 0 at the end. Errors name the file.
  virtual Result<size_t> read(char *out, size_t capacity) = 0;
  /// Bytes of the file, as stored, that have been read.
  virtual uint64_t position() const = 0;
};

Result<std::unique_ptr<ByteSource>> openSource(const Path &path);

} // namespace caa
