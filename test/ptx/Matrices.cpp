// mma.sync, ldmatrix and stmatrix. In every fragment a lane's row is lane / 4 and its columns begin at 2 (lane % 4).
#include "test/ptx/Elementwise.h"
#include "test/ptx/Floats.h"
#include "test/ptx/Product.h"

namespace caa::ptx {
namespace {

/// a, b: places of registers; c: of float32.
void multiplyBf16(Warp &warp, const Instruction &instruction, uint32_t) {
  const int32_t *places = &warp.block->kernel.lists[instruction.list]; // d 4, a 4, b 2, c 4
  alignas(32) float a[16 * 16], b[16 * 8], c[16 * 8];
  for (int i = 0; i < 4; ++i) {
    const auto *pairs = warp.lanes<uint32_t>(places[4 + i]);
    for (int lane = 0; lane < 32; ++lane) {
      float *to = &a[(lane / 4 + (i & 1) * 8) * 16 + 2 * (lane % 4) + (i >> 1) * 8];
      to[0] = widen(uint16_t(pairs[lane]));
      to[1] = widen(uint16_t(pairs[lane] >> 16));
    }
  }
  for (int i = 0; i < 2; ++i) {
    const auto *pairs = warp.lanes<uint32_t>(places[8 + i]);
    for (int lane = 0; lane < 32; ++lane) {
      const int k = 2 * (lane % 4) + 8 * i, column = lane / 4;
      b[k * 8 + column] = widen(uint16_t(pairs[lane]));
      b[(k + 1) * 8 + column] = widen(uint16_t(pairs[lane] >> 16));
    }
  }
  for (int i = 0; i < 4; ++i) {
    const float *values = warp.lanes<float>(places[10 + i]);
    for (int lane = 0; lane < 32; ++lane)
      c[(lane / 4 + (i >> 1) * 8) * 8 + 2 * (lane % 4) + (i & 1)] = values[lane];
  }
  multiplyAdd(a, b, c, 8, 16);
  for (int i = 0; i < 4; ++i) {
    float *values = warp.lanes<float>(places[i]);
    for (int lane = 0; lane < 32; ++lane)
      values[lane] = c[(lane / 4 + (i >> 1) * 8) * 8 + 2 * (lane % 4) + (i & 1)];
  }
}

/// What of a float32 the tensor cores read as tf32.
float tf32(uint32_t bits) { return std::bit_cast<float>(bits & 0xffffe000u); }

void multiplyTf32(Warp &warp, const Instruction &instruction, uint32_t) {
  const int32_t *places = &warp.block->kernel.lists[instruction.list];
  alignas(32) float a[16 * 8], b[8 * 8], c[16 * 8];
  for (int lane = 0; lane < 32; ++lane) {
    const int row = lane / 4, k = lane % 4;
    for (int i = 0; i < 4; ++i)
      a[(row + (i & 1) * 8) * 8 + k + (i >> 1) * 4] = tf32(warp.lanes<uint32_t>(places[4 + i])[lane]);
    for (int i = 0; i < 2; ++i)
      b[(k + 4 * i) * 8 + row] = tf32(warp.lanes<uint32_t>(places[8 + i])[lane]);
    for (int i = 0; i < 4; ++i)
      c[(row + (i >> 1) * 8) * 8 + 2 * k + (i & 1)] = warp.lanes<float>(places[10 + i])[lane];
  }
  multiplyAdd(a, b, c, 8, 8);
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i)
      warp.lanes<float>(places[i])[lane] = c[(lane / 4 + (i >> 1) * 8) * 8 + 2 * (lane % 4) + (i & 1)];
}

template <Handler handler> void decodeMultiply(Decoder &decoder) {
  decoder.out.kind = Kind::Converged;
  decoder.out.run = handler;
  std::vector<int32_t> places;
  const size_t counts[] = {4, 4, 2, 4};
  for (size_t i = 0; i < 4; ++i) {
    if (decoder.operand(i).elements.size() != counts[i])
      decoder.fail("another number of registers");
    for (const Operand &one : decoder.operand(i).elements)
      places.push_back(i == 0 ? decoder.destination(one, Width::Word) : decoder.source(one, Width::Word));
  }
  decoder.out.list = decoder.list(places);
}

uint32_t addressOf(Warp &warp, const Instruction &instruction, uint32_t lane) {
  uint64_t base = instruction.flags & 1 ? warp.lanes<uint64_t>(instruction.from[0])[lane]
                                        : warp.lanes<uint32_t>(instruction.from[0])[lane];
  base += uint64_t(instruction.offset);
  return base >> 32 ? ~0u : uint32_t(base);
}

template <bool transposes> void loadMatrices(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  if (lanes != ~0u)
    throw Fault("not all lanes are here");
  uint16_t matrix[8][8];
  for (uint32_t i = 0; i < instruction.count; ++i) {
    for (uint32_t row = 0; row < 8; ++row) {
      warp.block->currentLane = 8 * i + row;
      std::memcpy(matrix[row],
                  warp.block->shared.read(addressOf(warp, instruction, 8 * i + row), 16, warp.by(8 * i + row)), 16);
    }
    auto *to = warp.lanes<uint32_t>(warp.block->kernel.lists[instruction.list + i]);
    for (uint32_t lane = 0; lane < 32; ++lane) {
      const uint32_t row = lane / 4, column = 2 * (lane % 4);
      to[lane] = transposes ? uint32_t(matrix[column + 1][row]) << 16 | matrix[column][row]
                            : uint32_t(matrix[row][column + 1]) << 16 | matrix[row][column];
    }
  }
}

template <bool transposes> void storeMatrices(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  if (lanes != ~0u)
    throw Fault("not all lanes are here");
  uint16_t matrix[8][8];
  for (uint32_t i = 0; i < instruction.count; ++i) {
    const auto *from = warp.lanes<uint32_t>(warp.block->kernel.lists[instruction.list + i]);
    for (uint32_t lane = 0; lane < 32; ++lane) {
      const uint32_t row = lane / 4, column = 2 * (lane % 4);
      (transposes ? matrix[column][row] : matrix[row][column]) = uint16_t(from[lane]);
      (transposes ? matrix[column + 1][row] : matrix[row][column + 1]) = uint16_t(from[lane] >> 16);
    }
    for (uint32_t row = 0; row < 8; ++row) {
      warp.block->currentLane = 8 * i + row;
      warp.block->shared.write(addressOf(warp, instruction, 8 * i + row), matrix[row], 16, warp.by(8 * i + row));
    }
  }
}

template <bool stores, bool transposes> void decodeMatrices(Decoder &decoder) {
  decoder.out.kind = Kind::Converged;
  decoder.out.run = stores ? storeMatrices<transposes> : loadMatrices<transposes>;
  const Operand &values = decoder.operand(stores ? 1 : 0);
  decoder.address(decoder.operand(stores ? 0 : 1));
  std::vector<int32_t> places;
  for (const Operand &one : values.elements)
    places.push_back(stores ? decoder.source(one, Width::Word) : decoder.destination(one, Width::Word));
  if (decoder.statement->opcode.find(".x" + std::to_string(places.size()) + ".") == std::string::npos)
    decoder.fail("another number of registers");
  decoder.out.count = uint32_t(places.size());
  decoder.out.list = decoder.list(places);
}

} // namespace

void addMatrices(Table &table) {
  table["mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"] = decodeMultiply<multiplyBf16>;
  table["mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32"] = decodeMultiply<multiplyTf32>;
  for (const char *count : {"x1", "x2", "x4"})
    for (const char *space : {"shared", "shared::cta"}) {
      auto shape = "trix.sync.aligned.m8n8." + std::string(count);
      auto rest = "." + std::string(space) + ".b16";
      table["ldma" + shape + rest] = decodeMatrices<false, false>;
      table["ldma" + shape + ".trans" + rest] = decodeMatrices<false, true>;
      table["stma" + shape + rest] = decodeMatrices<true, false>;
      table["stma" + shape + ".trans" + rest] = decodeMatrices<true, true>;
    }
}

} // namespace caa::ptx
