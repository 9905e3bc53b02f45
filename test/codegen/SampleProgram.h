// A small hand-made program with kernels written in LLVM IR: it tests the image and the linker without the rest of the
// compiler, and the runtime's loader without any model.
//
// Over tokens (ids below 512) with width 8: x = table[tokens], y = x W^T, and in chunks of 64 rows z = y U^T (width 24)
// with loss "loss" = mean of sum z^2 over all tokens. Entries: micro_step, eval_step, logits (z), loss_counts, and the export
// "add": out = a + b of 2 heads of width 4, with gradients d_a = d_b = d_out. U is in group "gate", W is clamped to [-0.9, 0.9],
// the table does not decay.
//
// For each GPU: "add.forward" (a PTX kernel; on sm_90a it also takes a tensor map, which it does not use), "product"
// (y = x W^T in f32, z = round(x W^T + x), from x and W in bf16) and "update" (sets the gradients to zero).
#pragma once

#include "codegen/Image/Image.h"

namespace caa::test {

inline constexpr int64_t sampleVocab = 512, sampleWidth = 8, sampleOut = 24, sampleChunk = 64;

schedule::Program sampleProgram();
schedule::Texts sampleTexts();
/// The kernels' code, the same for both instruction sets.
llvm::Expected<ObjectBytes> sampleKernels();

} // namespace caa::test
