// Just enough of ELF64 to find sections in a shared library without loading it.
//
// Every offset is checked against the file; nothing that the file says is trusted. Source: the System V ABI, chapter 4.
#pragma once

#include "runtime/base/result.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace caa {

struct ElfSection {
  std::string_view name;
  uint64_t address = 0; // where it lies once loaded, from the library's first byte
  uint64_t offset = 0;  // in the file
  std::span<const std::byte> bytes;
};

class ElfFile {
public:
  /// `bytes` must outlive the result. Errors say what is wrong, without a file name.
  static Result<ElfFile> parse(std::span<const std::byte> bytes);

  /// Null if there is none of that name.
  const ElfSection *find(std::string_view name) const;
  /// True if the address lies in a part of the file that is loaded as code.
  bool isCode(uint64_t address) const;

private:
  struct Segment {
    uint64_t address, size;
  };
  std::vector<ElfSection> sections_;
  std::vector<Segment> code_;
};

} // namespace caa
