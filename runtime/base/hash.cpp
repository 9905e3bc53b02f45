// hash.h over OpenSSL's EVP interface (which uses the CPU's SHA instructions) and libxxhash.
#include "runtime/base/hash.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <xxhash.h>

namespace caa {

struct Sha256::State {
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  State() { EVP_DigestInit_ex(context, EVP_sha256(), nullptr); }
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::Sha256(Sha256 &&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(const void *data, size_t size) { EVP_DigestUpdate(state_->context, data, size); }

std::string Sha256::finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(state_->context, digest, &size);
  std::string text;
  for (unsigned i = 0; i < size; ++i)
    text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes.data(), bytes.size());
  return hash.finish();
}

struct Xxh64::State {
  XXH64_state_t *state = XXH64_createState();
  explicit State(uint64_t seed) { XXH64_reset(state, seed); }
  ~State() { XXH64_freeState(state); }
};

Xxh64::Xxh64(uint64_t seed) : state_(std::make_unique<State>(seed)) {}
Xxh64::Xxh64(Xxh64 &&) noexcept = default;
Xxh64::~Xxh64() = default;

void Xxh64::update(const void *data, size_t size) { XXH64_update(state_->state, data, size); }
uint64_t Xxh64::finish() const { return XXH64_digest(state_->state); }

uint64_t xxh64(const void *data, size_t size, uint64_t seed) { return XXH64(data, size, seed); }

std::string hex64(uint64_t value) { return fmt::format("{:016x}", value); }

Result<std::string> sha256File(const Path &path) {
  CAA_TRY(auto file, MappedFile::open(path));
  Sha256 hash;
  hash.update(file.bytes().data(), file.bytes().size());
  return hash.finish();
}

} // namespace caa
