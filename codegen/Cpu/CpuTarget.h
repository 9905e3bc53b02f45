// What the CPU backend generates code for: an instruction set, chosen explicitly, never the host's.
#pragma once

#include <cstdint>
#include <string>

namespace caa::cpu {

struct CpuTarget {
  std::string suffix;   ///< appended to a kernel's name: "_avx2", "_avx512"
  std::string cpu;      ///< LLVM's name of the processor level
  std::string features; ///< LLVM's feature string
  int64_t vectorBits;   ///< 256 or 512

  int64_t lanes() const { return vectorBits / 32; } ///< f32 values in one register
  bool isAvx512() const { return vectorBits == 512; }

  static CpuTarget avx2() { return {"_avx2", "x86-64-v3", "+avx2,+fma,+bmi2", 256}; }
  static CpuTarget avx512() {
    return {"_avx512", "x86-64-v4", "+avx512f,+avx512bw,+avx512dq,+avx512vl,+fma,-prefer-256-bit", 512};
  }
};

} // namespace caa::cpu
