// Checks every table of an image: what an Image promises.
#pragma once

#include "runtime/engine/elf.h"
#include "runtime/engine/image.h"

namespace caa {

/// Magic, version, sizes, and that every table and text lies inside. `image` is 8-byte aligned.
Status checkHeader(std::span<const std::byte> image);

/// Every record of every table. The header must have been checked. `file` tells whether kernel addresses are code.
Status checkTables(const Image &image, const ElfFile &file);

} // namespace caa
