// Reading ELF64 section and program headers with every bound checked.
#include "runtime/engine/elf.h"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <fmt/format.h>

namespace caa {
namespace {

bool fits(uint64_t offset, uint64_t size, uint64_t total) { return offset <= total && size <= total - offset; }

/// Copies record `index` of a table, so that alignment in the file does not matter.
template <typename T> T recordAt(std::span<const std::byte> bytes, uint64_t offset, size_t index) {
  T record;
  std::memcpy(&record, bytes.data() + offset + index * sizeof(T), sizeof(T));
  return record;
}

} // namespace

Result<ElfFile> ElfFile::parse(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(Elf64_Ehdr) || std::memcmp(bytes.data(), ELFMAG, SELFMAG) != 0)
    return inputError("it is not a shared library (no ELF header)");
  auto header = recordAt<Elf64_Ehdr>(bytes, 0, 0);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_DYN)
    return inputError("it is not a 64-bit little-endian shared library");
  if (header.e_machine != EM_X86_64)
    return inputError("it holds code for another kind of processor");
  if (header.e_shentsize != sizeof(Elf64_Shdr) || header.e_phentsize != sizeof(Elf64_Phdr))
    return inputError("its ELF header is damaged");
  if (!fits(header.e_shoff, uint64_t(header.e_shnum) * sizeof(Elf64_Shdr), bytes.size()))
    return inputError(
        fmt::format("its section table ends beyond the end of the file ({} bytes): truncated", bytes.size()));
  if (!fits(header.e_phoff, uint64_t(header.e_phnum) * sizeof(Elf64_Phdr), bytes.size()))
    return inputError("its program headers lie beyond the end of the file");
  if (header.e_shstrndx >= header.e_shnum)
    return inputError("it has no table of section names");

  ElfFile file;
  for (size_t i = 0; i < header.e_phnum; ++i) {
    auto segment = recordAt<Elf64_Phdr>(bytes, header.e_phoff, i);
    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X))
      file.code_.push_back({segment.p_vaddr, segment.p_filesz});
  }
  auto names = recordAt<Elf64_Shdr>(bytes, header.e_shoff, header.e_shstrndx);
  if (!fits(names.sh_offset, names.sh_size, bytes.size()))
    return inputError("its section names lie beyond the end of the file");
  std::string_view text(reinterpret_cast<const char *>(bytes.data()) + names.sh_offset, names.sh_size);
  for (size_t i = 0; i < header.e_shnum; ++i) {
    auto section = recordAt<Elf64_Shdr>(bytes, header.e_shoff, i);
    if (section.sh_type == SHT_NULL || section.sh_type == SHT_NOBITS)
      continue;
    if (!fits(section.sh_offset, section.sh_size, bytes.size()))
      return inputError(fmt::format("section {} ends beyond the end of the file: truncated", i));
    size_t end = section.sh_name < text.size() ? text.find('\0', section.sh_name) : std::string_view::npos;
    if (end == std::string_view::npos)
      return inputError(fmt::format("section {} has no name", i));
    file.sections_.push_back({text.substr(section.sh_name, end - section.sh_name), section.sh_addr, section.sh_offset,
                              bytes.subspan(section.sh_offset, section.sh_size)});
  }
  return file;
}

const ElfSection *ElfFile::find(std::string_view name) const {
  auto found =
      std::find_if(sections_.begin(), sections_.end(), [&](const auto &section) { return section.name == name; });
  return found == sections_.end() ? nullptr : &*found;
}

bool ElfFile::isCode(uint64_t address) const {
  return std::any_of(code_.begin(), code_.end(), [&](const Segment &segment) {
    return address >= segment.address && address - segment.address < segment.size;
  });
}

} // namespace caa
