// Opening a .so as data: seal, ELF sections, then the tables.
#include "runtime/engine/image.h"

#include "runtime/base/hash.h"
#include "runtime/engine/elf.h"
#include "runtime/engine/image_check.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>

namespace caa {
namespace {

constexpr size_t sealSize = 32;

std::string hexOf(std::span<const std::byte> bytes) {
  std::string hex;
  for (std::byte byte : bytes)
    hex += fmt::format("{:02x}", unsigned(byte));
  return hex;
}

/// Compares the seal with the hash of all other bytes.
Status checkSeal(std::span<const std::byte> file, const ElfSection &seal) {
  const std::array<std::byte, sealSize> zeros{};
  Sha256 hash;
  hash.update(file.data(), seal.offset);
  hash.update(zeros.data(), zeros.size());
  hash.update(file.data() + seal.offset + sealSize, file.size() - seal.offset - sealSize);
  if (hash.finish() != hexOf(seal.bytes))
    return inputError("its checksum does not fit its bytes: the file is damaged or was changed after it was compiled");
  return {};
}

} // namespace

Image::Bytes::Bytes(std::span<const std::byte> source)
    : storage_(std::make_unique<std::byte[]>(source.size() + 64)), size_(source.size()) {
  auto address = reinterpret_cast<uintptr_t>(storage_.get());
  data_ = storage_.get() + (64 - address % 64) % 64;
  std::memcpy(data_, source.data(), source.size());
}

Error Image::error(std::string_view what) const {
  return inputError(fmt::format("{}: error: {}", path_.string(), what));
}

Result<Image> Image::open(const Path &path) {
  CAA_TRY(auto text, readFile(path));
  std::span<const std::byte> file(reinterpret_cast<const std::byte *>(text.data()), text.size());
  Image image;
  image.path_ = path;
  auto named = [&](const Error &error) { return image.error("cannot load it: " + error.message); };

  auto elf = ElfFile::parse(file);
  if (!elf)
    return named(elf.error());
  const ElfSection *seal = elf->find(".caa.seal"), *section = elf->find(".caa.image");
  if (!seal || !section)
    return image.error(fmt::format("it is no compiled model: it has no section `{}` (compile one with `caac`)",
                                   seal ? ".caa.image" : ".caa.seal"));
  if (seal->bytes.size() != sealSize)
    return image.error("cannot load it: its seal has the wrong size");
  if (auto status = checkSeal(file, *seal); !status)
    return named(status.error());

  image.seal_ = hexOf(seal->bytes);
  image.address_ = section->address;
  image.bytes_ = std::make_shared<Bytes>(section->bytes);
  if (auto status = checkHeader(image.bytes()); !status)
    return named(status.error());
  if (auto status = checkTables(image, *elf); !status)
    return named(status.error());
  return image;
}

const caa_entry *Image::findEntry(caa_target target, std::string_view name) const {
  for (const caa_entry &entry : entries())
    if (entry.target == target && text(entry.name) == name)
      return &entry;
  return nullptr;
}

std::span<const caa_value> Image::valuesOf(const caa_entry &entry) const {
  return values().subspan(entry.first_value, entry.value_count);
}

std::span<const caa_buffer> Image::buffersOf(const caa_entry &entry) const {
  return buffers().subspan(entry.first_buffer, entry.buffer_count);
}

int64_t byteSizeOf(uint32_t dtype) {
  switch (dtype) {
  case CAA_F64:
  case CAA_I64:
    return 8;
  case CAA_BOOL:
    return 1;
  case CAA_BF16:
    return 2;
  default:
    return 4;
  }
}

std::string_view nameOfDtype(uint32_t dtype) {
  constexpr std::string_view names[] = {"f32", "f64", "i32", "i64", "bool", "bf16"};
  return dtype < std::size(names) ? names[dtype] : "?";
}

std::string_view nameOfTarget(uint32_t target) {
  return target == CAA_TARGET_CPU     ? "cpu"
         : target == CAA_TARGET_SM80  ? "sm_80"
         : target == CAA_TARGET_SM90A ? "sm_90a"
                                      : "?";
}

} // namespace caa
