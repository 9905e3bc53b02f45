// Hashes: SHA-256 (OpenSSL) where a file is identified for good, XXH64 where bytes are only checked for damage.
#pragma once

#include "runtime/base/files.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace caa {

/// SHA-256 of bytes that come in pieces.
class Sha256 {
public:
  Sha256();
  Sha256(Sha256 &&) noexcept;
  ~Sha256();
  void update(const void *data, size_t size);
  /// 64 lower-case hexadecimal digits; call once.
  std::string finish();

private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256(std::string_view bytes);

/// XXH64 of bytes that come in pieces.
class Xxh64 {
public:
  explicit Xxh64(uint64_t seed = 0);
  Xxh64(Xxh64 &&) noexcept;
  ~Xxh64();
  void update(const void *data, size_t size);
  uint64_t finish() const;

private:
  struct State;
  std::unique_ptr<State> state_;
};

uint64_t xxh64(const void *data, size_t size, uint64_t seed = 0);
inline uint64_t xxh64(std::string_view bytes, uint64_t seed = 0) { return xxh64(bytes.data(), bytes.size(), seed); }

/// A 64-bit hash as 16 lower-case hexadecimal digits.
std::string hex64(uint64_t value);

/// SHA-256 of a file's bytes.
Result<std::string> sha256File(const Path &path);

} // namespace caa
