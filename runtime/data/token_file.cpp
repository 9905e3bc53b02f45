// token_file.h. Offsets are 64 bits wide throughout.
#include "runtime/data/token_file.h"

#include "runtime/base/hash.h"

#include <array>
#include <cstring>
#include <fmt/format.h>

namespace caa {
namespace {

constexpr size_t headerInts = 256, headerBytes = headerInts * 4;

struct Format {
  int32_t magic, version;
  int width;
};
constexpr Format formats[] = {{20240520, 1, 2}, {20240801, 7, 4}};

std::array<int32_t, headerInts> headerOf(int width, uint64_t count) {
  const Format &format = formats[width == 4];
  std::array<int32_t, headerInts> header{};
  header[0] = format.magic;
  header[1] = format.version;
  header[2] = int32_t(count);
  return header;
}

} // namespace

int tokenWidth(int64_t vocabSize) { return vocabSize >= 65536 ? 4 : 2; }

Result<TokenFile> TokenFile::open(const Path &path) {
  TokenFile tokens;
  CAA_TRY(tokens.file_, MappedFile::open(path));
  auto fault = [&](std::string_view what) { return inputError(fmt::format("{}: error: {}", path.string(), what)); };
  auto bytes = tokens.file_.bytes();
  if (bytes.size() < headerBytes)
    return fault(fmt::format("not a token file: {} bytes are too few for the header of {}", bytes.size(), headerBytes));
  int32_t header[3];
  std::memcpy(header, bytes.data(), sizeof header);
  const Format *format = nullptr;
  for (const Format &candidate : formats)
    if (candidate.magic == header[0])
      format = &candidate;
  if (!format)
    return fault(
        fmt::format("not a token file: the magic number is {}, not 20240520 (uint16) or 20240801 (uint32); make "
                    "token files with `caa-run data prepare`",
                    header[0]));
  if (header[1] != format->version)
    return fault(fmt::format("token file of version {}, not {}", header[1], format->version));
  uint64_t held = (bytes.size() - headerBytes) / uint64_t(format->width);
  bool whole = (bytes.size() - headerBytes) % uint64_t(format->width) == 0;
  if (header[2] < 0 || uint64_t(header[2]) != held || !whole)
    return fault(fmt::format("damaged token file: the header counts {} tokens of {} bytes, but {} bytes follow it",
                             header[2], format->width, bytes.size() - headerBytes));
  tokens.size_ = held;
  tokens.width_ = format->width;
  return tokens;
}

void TokenFile::read(uint64_t begin, std::span<int32_t> out) const {
  const std::byte *data = file_.bytes().data() + headerBytes + begin * uint64_t(width_);
  if (width_ == 4) {
    std::memcpy(out.data(), data, out.size() * 4);
    return;
  }
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t token;
    std::memcpy(&token, data + 2 * i, 2);
    out[i] = token;
  }
}

Status TokenFile::checkIds(int64_t vocabSize) const {
  std::array<int32_t, 4096> chunk;
  for (uint64_t begin = 0; begin < size_; begin += chunk.size()) {
    auto part = std::span(chunk).first(std::min<uint64_t>(chunk.size(), size_ - begin));
    read(begin, part);
    for (size_t i = 0; i < part.size(); ++i)
      if (part[i] < 0 || part[i] >= vocabSize)
        return inputError(fmt::format("{}: error: token {} is the id {}, beyond the vocabulary of {}", path().string(),
                                      begin + i, uint32_t(part[i]), vocabSize));
  }
  return {};
}

uint64_t TokenFile::checksum() const { return xxh64(file_.bytes().data(), file_.bytes().size()); }

Result<TokenWriter> TokenWriter::create(const Path &path, int width) {
  CAA_TRY(auto file, AtomicFile::create(path));
  auto header = headerOf(width, 0);
  CAA_CHECK(file.write(header.data(), headerBytes));
  return TokenWriter(std::move(file), path, width);
}

Status TokenWriter::write(std::span<const int32_t> tokens) {
  size_ += tokens.size();
  if (size_ > largestSize)
    return internalError(fmt::format("{}: more tokens than a token file can count", path_.string()));
  if (width_ == 4)
    return file_.write(tokens.data(), tokens.size() * 4);
  std::array<uint16_t, 4096> narrow;
  for (size_t begin = 0; begin < tokens.size(); begin += narrow.size()) {
    size_t count = std::min(narrow.size(), tokens.size() - begin);
    for (size_t i = 0; i < count; ++i)
      narrow[i] = uint16_t(tokens[begin + i]);
    CAA_CHECK(file_.write(narrow.data(), count * 2));
  }
  return {};
}

Status TokenWriter::finish() {
  auto header = headerOf(width_, size_);
  CAA_CHECK(file_.writeAt(0, header.data(), headerBytes));
  return file_.commit();
}

} // namespace caa
