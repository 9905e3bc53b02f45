// The three sources of byte_source.h. Compressed files may hold several members or frames, one after the other; one
// that ends in the middle is an error, never a shorter text.
#include "runtime/data/byte_source.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <vector>
#include <zlib.h>
#include <zstd.h>

namespace caa {
namespace {

class PlainSource : public ByteSource {
public:
  PlainSource(Path path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  ~PlainSource() override { ::close(descriptor_); }

  Result<size_t> read(char *out, size_t capacity) override {
    for (;;) {
      ssize_t count = ::read(descriptor_, out, capacity);
      if (count >= 0) {
        position_ += uint64_t(count);
        return size_t(count);
      }
      if (errno != EINTR)
        return fileError("read", path_, errno);
    }
  }
  uint64_t position() const override { return position_; }

private:
  Path path_;
  int descriptor_;
  uint64_t position_ = 0;
};

/// What both decompressors share: a plain source and its last bytes.
class CompressedSource : public ByteSource {
public:
  CompressedSource(Path path, std::unique_ptr<ByteSource> source)
      : path_(std::move(path)), source_(std::move(source)) {}
  uint64_t position() const override { return source_->position(); }

protected:
  Error damaged(std::string_view why) const {
    return inputError(fmt::format("{}: error: cannot decompress: {}", path_.string(), why));
  }
  /// Fills `input_`; false at the end of the file.
  Result<bool> refill() {
    input_.resize(1 << 17);
    CAA_TRY(size_t count, source_->read(input_.data(), input_.size()));
    input_.resize(count);
    return count > 0;
  }
  std::vector<char> input_;

private:
  Path path_;
  std::unique_ptr<ByteSource> source_;
};

class GzipSource : public CompressedSource {
public:
  GzipSource(Path path, std::unique_ptr<ByteSource> source) : CompressedSource(std::move(path), std::move(source)) {
    ::inflateInit2(&stream_, 15 + 16); // the gzip wrapper
  }
  ~GzipSource() override { ::inflateEnd(&stream_); }

  Result<size_t> read(char *out, size_t capacity) override {
    stream_.next_out = reinterpret_cast<Bytef *>(out);
    stream_.avail_out = uInt(capacity);
    while (stream_.avail_out == capacity) {
      if (stream_.avail_in == 0) {
        CAA_TRY(bool more, refill());
        if (!more && inside_)
          return damaged("it is cut short");
        if (!more)
          return size_t(0);
        stream_.next_in = reinterpret_cast<Bytef *>(input_.data());
        stream_.avail_in = uInt(input_.size());
      }
      inside_ = true;
      int code = ::inflate(&stream_, Z_NO_FLUSH);
      if (code == Z_STREAM_END) {
        ::inflateReset(&stream_);
        inside_ = false;
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        return damaged(stream_.msg ? stream_.msg : "not a gzip file");
      }
    }
    return capacity - stream_.avail_out;
  }

private:
  z_stream stream_ = {};
  bool inside_ = true; // an empty file is cut short too
};

class ZstdSource : public CompressedSource {
public:
  using CompressedSource::CompressedSource;
  ~ZstdSource() override { ZSTD_freeDStream(stream_); }

  Result<size_t> read(char *out, size_t capacity) override {
    ZSTD_outBuffer output{out, capacity, 0};
    while (output.pos == 0) {
      if (buffer_.pos == buffer_.size) {
        CAA_TRY(bool more, refill());
        if (!more && expected_ != 0)
          return damaged("it is cut short");
        if (!more)
          return size_t(0);
        buffer_ = {input_.data(), input_.size(), 0};
      }
      expected_ = ZSTD_decompressStream(stream_, &output, &buffer_);
      if (ZSTD_isError(expected_))
        return damaged(ZSTD_getErrorName(expected_));
    }
    return output.pos;
  }

private:
  ZSTD_DStream *stream_ = ZSTD_createDStream();
  ZSTD_inBuffer buffer_{};
  size_t expected_ = 1;
};

} // namespace

Result<std::unique_ptr<ByteSource>> openSource(const Path &path) {
  std::error_code code;
  if (std::filesystem::is_directory(path, code))
    return inputError(fmt::format("{}: error: it is a folder: name the files in it", path.string()));
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return fileError("open", path, errno);
  std::unique_ptr<ByteSource> plain = std::make_unique<PlainSource>(path, descriptor);
  if (path.extension() == ".gz")
    return std::unique_ptr<ByteSource>(std::make_unique<GzipSource>(path, std::move(plain)));
  if (path.extension() == ".zst")
    return std::unique_ptr<ByteSource>(std::make_unique<ZstdSource>(path, std::move(plain)));
  return plain;
}

} // namespace caa
