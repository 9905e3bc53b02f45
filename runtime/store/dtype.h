// Element types of tensors in files, and their conversion to float32 and int32.
#pragma once

#include "runtime/base/result.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace caa {

enum class DType : uint8_t { Bool, U8, I8, F8E4M3, F8E5M2, U16, I16, F16, BF16, U32, I32, F32, U64, I64, F64 };

/// Size of an element in bytes.
size_t byteSize(DType type);
/// The name in safetensors files: "F32", "BF16", ...
std::string_view nameOf(DType type);
std::optional<DType> parseDType(std::string_view name);

/// Bits of IEEE half precision and of bfloat16 as float32 (exact), and back (to nearest, ties to even).
float halfToFloat(uint16_t bits);
float bfloat16ToFloat(uint16_t bits);
uint16_t floatToBfloat16(float value);

} // namespace caa
