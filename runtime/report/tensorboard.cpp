// The few messages of tensorboard.h, encoded by hand: field number and wire type, then the value.
#include "runtime/report/tensorboard.h"

#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <utility>

namespace caa {
namespace {

constexpr std::array<uint32_t, 256> crcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit)
      value = value >> 1 ^ (value & 1 ? 0x82f63b78u : 0);
    table[i] = value;
  }
  return table;
}();

/// The format stores CRCs rotated and shifted, lest a CRC of bytes that hold CRCs come out trivial.
uint32_t masked(uint32_t crc) { return std::rotr(crc, 15) + 0xa282ead8u; }

std::string raw(const auto &value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7)
    bytes += char(value | 0x80);
  return bytes + char(value);
}

enum WireType { VarintType = 0, Fixed64 = 1, Delimited = 2, Fixed32 = 5 };

std::string key(unsigned field, WireType type) { return varint(field << 3 | unsigned(type)); }
std::string number(unsigned field, uint64_t value) { return key(field, VarintType) + varint(value); }
std::string bytes(unsigned field, std::string_view value) {
  return key(field, Delimited) + varint(value.size()) + std::string(value);
}

/// Event: wall_time = 1, step = 2, then what it is about.
std::string event(double time, int64_t step, std::string_view what) {
  return key(1, Fixed64) + raw(time) + number(2, uint64_t(step)) + std::string(what);
}

/// Event.summary = 5, Summary.value = 1, Value.tag = 1.
std::string summary(std::string_view tag, std::string_view value) {
  return bytes(5, bytes(1, bytes(1, tag) + std::string(value)));
}

} // namespace

uint32_t crc32c(std::string_view data) {
  uint32_t crc = ~0u;
  for (char c : data)
    crc = crc >> 8 ^ crcTable[(crc ^ static_cast<unsigned char>(c)) & 255];
  return ~crc;
}

Result<EventWriter> EventWriter::create(const Path &folder) {
  static std::atomic<unsigned> serial{0};
  auto now = std::chrono::system_clock::now().time_since_epoch();
  double time = std::chrono::duration<double>(now).count();
  char host[256] = "host";
  ::gethostname(host, sizeof host - 1);
  Path path = folder / fmt::format("events.out.tfevents.{:010}.{}.{}.{}", int64_t(time), host, ::getpid(), serial++);
  int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor < 0)
    return fileError("write", path, errno);
  EventWriter writer(path, descriptor);
  CAA_CHECK(writer.addRecord(event(time, 0, bytes(3, "brain.Event:2")))); // file_version = 3
  return writer;
}

EventWriter::EventWriter(EventWriter &&other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

EventWriter::~EventWriter() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
}

Status EventWriter::addRecord(std::string_view record) {
  std::string length = raw(uint64_t(record.size()));
  std::string frame = length + raw(masked(crc32c(length))) + std::string(record) + raw(masked(crc32c(record)));
  for (size_t done = 0; done < frame.size();) {
    ssize_t count = ::write(descriptor_, frame.data() + done, frame.size() - done);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return fileError("write", path_, errno);
    done += size_t(count);
  }
  return {};
}

Status EventWriter::addScalar(std::string_view tag, int64_t step, double time, float value) {
  return addRecord(event(time, step, summary(tag, key(2, Fixed32) + raw(value)))); // simple_value = 2
}

Status EventWriter::addText(std::string_view tag, int64_t step, double time, std::string_view text) {
  // Value.tensor = 8: dtype = 1 (string is 7), shape = 2 of one dim = 2 of size = 1, string_val = 8.
  std::string tensor = number(1, 7) + bytes(2, bytes(2, number(1, 1))) + bytes(8, text);
  std::string metadata = bytes(1, bytes(1, "text")); // Value.metadata = 9: plugin_data = 1, plugin_name = 1
  return addRecord(event(time, step, summary(tag, bytes(8, tensor) + bytes(9, metadata))));
}

Status EventWriter::addRestart(int64_t step, double time) {
  return addRecord(event(time, step, bytes(7, number(1, 1)))); // session_log = 7, status = 1: START
}

} // namespace caa
