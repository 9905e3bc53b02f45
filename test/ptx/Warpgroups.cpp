// wgmma. Each of a warpgroup's four warps computes its 16 rows when it waits; what it reads is checked when the product
// is issued and again then. Accumulators hold NaN in between.
#include "test/ptx/Elementwise.h"
#include "test/ptx/Floats.h"
#include "test/ptx/Product.h"
#include "test/ptx/Swizzle.h"

namespace caa::ptx {
namespace {

constexpr uint32_t heldFlag = 1, turnedA = 2, turnedB = 4; // A in registers; operands that are transposed

/// A descriptor of a matrix in shared memory. `rows` is the axis that is not summed.
struct Matrix {
  uint32_t begin, leading, stride, swizzle;
  explicit Matrix(uint64_t bits) {
    begin = uint32_t(bits & 0x3fff) << 4;
    leading = uint32_t((bits >> 16) & 0x3fff) << 4;
    stride = uint32_t((bits >> 32) & 0x3fff) << 4;
    const uint32_t mode = uint32_t(bits >> 62);
    swizzle = mode == 0 ? 0 : 256u >> mode;
    if ((bits >> 49) & 7)
      throw Fault("a descriptor with a base offset is not emulated");
  }
  /// Where eight elements lie that follow one another: of row `row` from depth 8 `chunk` on.
  uint32_t alongDepth(uint32_t row, uint32_t chunk) const {
    if (!swizzle)
      return begin + row / 8 * stride + chunk * leading + row % 8 * 16;
    return swizzled(begin + row / 8 * stride + row % 8 * swizzle + chunk * 16, swizzle);
  }
  /// Of depth `depth` from row 8 `chunk` on.
  uint32_t alongRows(uint32_t chunk, uint32_t depth) const {
    if (!swizzle)
      return begin + chunk * stride + depth / 8 * leading + depth % 8 * 16;
    const uint32_t chunks = swizzle / 16;
    return swizzled(begin + chunk / chunks * leading + depth / 8 * stride + depth % 8 * swizzle + chunk % chunks * 16,
                    swizzle);
  }
  /// Calls function(address, row, depth, isAlongDepth) for all pieces of 16 bytes of rows [first, first + rows).
  template <typename Function> void forEach(uint32_t first, uint32_t rows, bool isTurned, Function function) const {
    if (isTurned)
      for (uint32_t depth = 0; depth < 16; ++depth)
        for (uint32_t row = 0; row < rows; row += 8)
          function(alongRows((first + row) / 8, depth), row, depth);
    else
      for (uint32_t row = 0; row < rows; ++row)
        for (uint32_t chunk = 0; chunk < 2; ++chunk)
          function(alongDepth(first + row, chunk), row, 8 * chunk);
  }
};

void issue(Warp &warp, const Instruction &instruction, uint32_t) {
  const int32_t *places = &warp.block->kernel.lists[instruction.list]; // sums, then A's registers
  const uint32_t sums = instruction.count;
  PendingProduct made{&instruction};
  SharedMemory &shared = warp.block->shared;
  if (!(instruction.flags & heldFlag)) {
    made.descriptorA = warp.lanes<uint64_t>(instruction.from[0])[0];
    Matrix(made.descriptorA)
        .forEach(warp.index % 4 * 16, 16, instruction.flags & turnedA,
                 [&](uint32_t address, uint32_t, uint32_t) { shared.readAsync(address, 16, warp.by(0)); });
  }
  made.descriptorB = warp.lanes<uint64_t>(instruction.from[1])[0];
  Matrix(made.descriptorB)
      .forEach(0, instruction.second, instruction.flags & turnedB,
               [&](uint32_t address, uint32_t, uint32_t) { shared.readAsync(address, 16, warp.by(0)); });
  made.serial = shared.serial();
  made.group = warp.productGroup;
  made.accumulates = warp.predicates[instruction.from[2]] & 1;
  auto [found, isNew] = warp.accumulators.try_emplace(places[0]);
  if (isNew) {
    found->second.resize(size_t(sums) * 32);
    for (uint32_t i = 0; i < sums; ++i) {
      float *values = warp.lanes<float>(places[i]);
      std::memcpy(&found->second[size_t(i) * 32], values, 32 * sizeof(float));
      std::fill_n(warp.lanes<uint32_t>(places[i]), 32, 0x7fc5dead);
    }
  }
  warp.products.push_back(made);
}

void compute(Warp &warp, const PendingProduct &product) {
  const Instruction &instruction = *product.instruction;
  const int32_t *places = &warp.block->kernel.lists[instruction.list];
  const uint32_t columns = instruction.second, sums = instruction.count;
  SharedMemory &shared = warp.block->shared;
  alignas(32) float a[16 * 16], b[16 * 256], c[16 * 256];
  auto fetch = [&](uint32_t address) {
    shared.checkUnchanged(address, 16, product.serial);
    return reinterpret_cast<const uint16_t *>(shared.readAsync(address, 16, warp.by(0)));
  };
  if (instruction.flags & heldFlag) {
    for (int i = 0; i < 4; ++i) {
      const auto *pairs = warp.lanes<uint32_t>(places[sums + uint32_t(i)]);
      for (int lane = 0; lane < 32; ++lane) {
        float *to = &a[(lane / 4 + (i & 1) * 8) * 16 + 2 * (lane % 4) + (i >> 1) * 8];
        to[0] = widen(uint16_t(pairs[lane]));
        to[1] = widen(uint16_t(pairs[lane] >> 16));
      }
    }
  } else {
    const bool isTurned = instruction.flags & turnedA;
    Matrix(product.descriptorA)
        .forEach(warp.index % 4 * 16, 16, isTurned, [&](uint32_t address, uint32_t row, uint32_t depth) {
          const uint16_t *values = fetch(address);
          for (uint32_t i = 0; i < 8; ++i)
            a[isTurned ? (row + i) * 16 + depth : row * 16 + depth + i] = widen(values[i]);
        });
  }
  const bool isTurned = instruction.flags & turnedB;
  Matrix(product.descriptorB).forEach(0, columns, isTurned, [&](uint32_t address, uint32_t row, uint32_t depth) {
    const uint16_t *values = fetch(address);
    for (uint32_t i = 0; i < 8; ++i)
      b[isTurned ? depth * columns + row + i : (depth + i) * columns + row] = widen(values[i]);
  });
  std::vector<float> &accumulator = warp.accumulators[places[0]];
  auto at = [&](uint32_t i, uint32_t lane) -> float & {
    return c[(lane / 4 + ((i >> 1) & 1) * 8) * columns + i / 4 * 8 + 2 * (lane % 4) + (i & 1)];
  };
  for (uint32_t i = 0; i < sums; ++i)
    for (uint32_t lane = 0; lane < 32; ++lane)
      at(i, lane) = product.accumulates ? accumulator[size_t(i) * 32 + lane] : 0.0f;
  multiplyAdd(a, b, c, columns, 16);
  for (uint32_t i = 0; i < sums; ++i)
    for (uint32_t lane = 0; lane < 32; ++lane)
      accumulator[size_t(i) * 32 + lane] = at(i, lane);
}

void commit(Warp &warp, const Instruction &, uint32_t) { ++warp.productGroup; }

/// offset: groups that may still be under way.
void wait(Warp &warp, const Instruction &instruction, uint32_t) {
  const uint32_t end = warp.productGroup - std::min(uint32_t(instruction.offset), warp.productGroup);
  size_t done = 0;
  while (done < warp.products.size() && warp.products[done].group < end)
    compute(warp, warp.products[done++]);
  auto place = [&](const PendingProduct &product) { return warp.block->kernel.lists[product.instruction->list]; };
  for (size_t i = 0; i < done; ++i) {
    const PendingProduct &product = warp.products[i];
    bool goesOn = false;
    for (size_t later = done; later < warp.products.size(); ++later)
      goesOn |= place(warp.products[later]) == place(product);
    auto found = warp.accumulators.find(place(product));
    if (goesOn || found == warp.accumulators.end())
      continue;
    for (uint32_t sum = 0; sum < product.instruction->count; ++sum)
      std::memcpy(warp.lanes<float>(warp.block->kernel.lists[product.instruction->list + sum]),
                  &found->second[size_t(sum) * 32], 32 * sizeof(float));
    warp.accumulators.erase(found);
  }
  warp.products.erase(warp.products.begin(), warp.products.begin() + long(done));
}

void decodeProduct(Decoder &decoder) {
  Instruction &out = decoder.out;
  const std::string &opcode = decoder.statement->opcode;
  out.kind = Kind::Converged;
  out.run = issue;
  const size_t n = opcode.find("m64n") + 4;
  out.second = uint32_t(std::stoul(opcode.substr(n)));
  out.count = out.second / 2;
  if (decoder.operand(0).elements.size() != out.count)
    decoder.fail("another number of sums");
  std::vector<int32_t> places;
  for (const Operand &one : decoder.operand(0).elements)
    places.push_back(decoder.destination(one, Width::Word));
  const Operand &a = decoder.operand(1);
  if (a.kind == Operand::Kind::Vector) {
    out.flags |= heldFlag;
    if (a.elements.size() != 4)
      decoder.fail("another number of A's registers");
    for (const Operand &one : a.elements)
      places.push_back(decoder.source(one, Width::Word));
  } else {
    out.from[0] = decoder.source(a, Width::Double);
  }
  out.list = decoder.list(places);
  out.from[1] = decoder.source(2, Width::Double);
  out.from[2] = decoder.source(3, Width::Predicate);
  if (decoder.immediate(4) != 1 || decoder.immediate(5) != 1)
    decoder.fail("a negated operand");
  const bool isHeld = out.flags & heldFlag;
  if (!isHeld && decoder.immediate(6))
    out.flags |= turnedA;
  if (decoder.immediate(isHeld ? 6 : 7))
    out.flags |= turnedB;
}

} // namespace

void addWarpgroups(Table &table) {
  for (int n = 8; n <= 256; n += 8)
    table["wgmma.mma_async.sync.aligned.m64n" + std::to_string(n) + "k16.f32.bf16.bf16"] = decodeProduct;
  table["wgmma.fence.sync.aligned"] = [](Decoder &decoder) {
    decoder.out.kind = Kind::Converged;
    decoder.out.run = [](Warp &, const Instruction &, uint32_t) {};
  };
  table["wgmma.commit_group.sync.aligned"] = [](Decoder &decoder) {
    decoder.out.kind = Kind::Converged;
    decoder.out.run = commit;
  };
  table["wgmma.wait_group.sync.aligned"] = [](Decoder &decoder) {
    decoder.out.kind = Kind::Converged;
    decoder.out.run = wait;
    decoder.out.offset = decoder.immediate(0);
  };
}

} // namespace caa::ptx
