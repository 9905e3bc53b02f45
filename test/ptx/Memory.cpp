// Loads, stores and atomics of device memory and shared memory.
#include "test/ptx/Elementwise.h"

#include <atomic>
#include <bit>

namespace caa::ptx {
namespace {

/// The address of a lane in slot 0; flag 1 tells that it is of 64 bits.
inline uint64_t addressOf(Warp &warp, const Instruction &instruction, int lane) {
  uint64_t base = instruction.flags & 1 ? warp.lanes<uint64_t>(instruction.from[0])[lane]
                                        : warp.lanes<uint32_t>(instruction.from[0])[lane];
  return base + uint64_t(instruction.offset);
}
inline uint32_t sharedAddress(uint64_t address) { return address >> 32 ? ~0u : uint32_t(address); }

struct Shape {
  bool isShared = false, isSigned = false;
  uint32_t bytes = 4, count = 1; // of an element; elements
};

Shape shapeOf(const std::string &opcode) {
  Shape shape;
  shape.isShared = opcode.find(".shared") != std::string::npos;
  shape.count = opcode.find(".v2.") != std::string::npos ? 2 : opcode.find(".v4.") != std::string::npos ? 4 : 1;
  auto type = opcode.substr(opcode.rfind('.') + 1);
  shape.isSigned = type[0] == 's';
  shape.bytes = uint32_t(std::stoul(type.substr(1))) / 8;
  return shape;
}

constexpr uint32_t wideFlag = 2, signedFlag = 4; // a register of 64 bits; the sign goes on

template <bool isShared, typename T> void load(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  const int32_t *places = &warp.block->kernel.lists[instruction.list];
  const uint32_t count = instruction.count;
  for (int lane = 0; lane < 32; ++lane) {
    if (!((lanes >> lane) & 1))
      continue;
    warp.block->currentLane = uint32_t(lane);
    const uint64_t address = addressOf(warp, instruction, lane);
    const uint8_t *data =
        isShared ? warp.block->shared.read(sharedAddress(address), sizeof(T) * count, warp.by(uint32_t(lane)))
                 : warp.block->global(address, sizeof(T) * count, false);
    for (uint32_t i = 0; i < count; ++i) {
      T value;
      std::memcpy(&value, data + i * sizeof(T), sizeof(T));
      if constexpr (sizeof(T) == 8)
        warp.lanes<T>(places[i])[lane] = value;
      else {
        int64_t extended = instruction.flags & signedFlag ? int64_t(std::make_signed_t<T>(value)) : int64_t(value);
        if (instruction.flags & wideFlag)
          warp.lanes<int64_t>(places[i])[lane] = extended;
        else
          warp.lanes<uint32_t>(places[i])[lane] = uint32_t(extended) & (instruction.third ? 0xffffu : ~0u);
      }
    }
  }
}

template <bool isShared, typename T> void store(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  const int32_t *places = &warp.block->kernel.lists[instruction.list];
  const uint32_t count = instruction.count;
  for (int lane = 0; lane < 32; ++lane) {
    if (!((lanes >> lane) & 1))
      continue;
    warp.block->currentLane = uint32_t(lane);
    T values[4];
    for (uint32_t i = 0; i < count; ++i)
      values[i] = sizeof(T) == 8 || instruction.flags & wideFlag ? T(warp.lanes<uint64_t>(places[i])[lane])
                                                                 : T(warp.lanes<uint32_t>(places[i])[lane]);
    const uint64_t address = addressOf(warp, instruction, lane);
    if (isShared)
      warp.block->shared.write(sharedAddress(address), values, sizeof(T) * count, warp.by(uint32_t(lane)));
    else
      std::memcpy(warp.block->global(address, sizeof(T) * count, true), values, sizeof(T) * count);
  }
}

template <bool isShared> Handler loadOf(uint32_t bytes) {
  return bytes == 1   ? load<isShared, uint8_t>
         : bytes == 2 ? load<isShared, uint16_t>
         : bytes == 4 ? load<isShared, uint32_t>
                      : load<isShared, uint64_t>;
}
template <bool isShared> Handler storeOf(uint32_t bytes) {
  return bytes == 1   ? store<isShared, uint8_t>
         : bytes == 2 ? store<isShared, uint16_t>
         : bytes == 4 ? store<isShared, uint32_t>
                      : store<isShared, uint64_t>;
}

/// A register may be wider than what it holds.
Width widthFor(Decoder &decoder, const Operand &operand, uint32_t bytes) {
  Width width = bytes == 8 ? Width::Double : bytes == 4 ? Width::Word : Width::Half;
  if (operand.kind != Operand::Kind::Register)
    return width;
  if (operand.width == Width::Predicate || (bytes == 4 && operand.width == Width::Half) ||
      (bytes == 8 && operand.width != Width::Double))
    decoder.fail("a register too narrow");
  return operand.width;
}

void decodeAccess(Decoder &decoder, bool stores) {
  const Shape shape = shapeOf(decoder.statement->opcode);
  Instruction &out = decoder.out;
  const Operand &values = decoder.operand(stores ? 1 : 0);
  decoder.address(decoder.operand(stores ? 0 : 1));
  const bool isVector = values.kind == Operand::Kind::Vector;
  out.count = isVector ? uint32_t(values.elements.size()) : 1;
  if (out.count != shape.count)
    decoder.fail("another number of values");
  std::vector<int32_t> places;
  for (uint32_t i = 0; i < out.count; ++i) {
    const Operand &value = isVector ? values.elements[i] : values;
    Width width = widthFor(decoder, value, shape.bytes);
    if (width == Width::Double && shape.bytes < 8)
      out.flags |= wideFlag;
    out.third = width == Width::Half;
    places.push_back(stores ? decoder.source(value, width) : decoder.destination(value, width));
  }
  if (shape.isSigned)
    out.flags |= signedFlag;
  out.list = decoder.list(places);
  if (stores)
    out.run = shape.isShared ? storeOf<true>(shape.bytes) : storeOf<false>(shape.bytes);
  else
    out.run = shape.isShared ? loadOf<true>(shape.bytes) : loadOf<false>(shape.bytes);
}

template <typename T> T add(T a, T b) { return T(a + b); }
template <typename T> T least(T a, T b) { return a < b ? a : b; }
template <typename T> T most(T a, T b) { return a > b ? a : b; }
template <typename T> T exchange(T, T b) { return b; }
template <typename T> T bitAnd(T a, T b) { return a & b; }
template <typename T> T bitOr(T a, T b) { return a | b; }

template <bool isShared, typename T, T (*function)(T, T)>
void atomic(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  Source<T> values(warp, instruction.from[1]);
  for (int lane = 0; lane < 32; ++lane) {
    if (!((lanes >> lane) & 1))
      continue;
    warp.block->currentLane = uint32_t(lane);
    const uint64_t address = addressOf(warp, instruction, lane);
    T old;
    if (isShared) {
      uint8_t *data = warp.block->shared.update(sharedAddress(address), sizeof(T), warp.by(uint32_t(lane)));
      std::memcpy(&old, data, sizeof(T));
      T made = function(old, values[lane]);
      std::memcpy(data, &made, sizeof(T));
    } else {
      warp.block->global(address, sizeof(T), false);
      std::atomic_ref<T> place(*reinterpret_cast<T *>(address));
      old = place.load();
      while (!place.compare_exchange_weak(old, function(old, values[lane])))
        ;
    }
    if (instruction.second)
      warp.lanes<T>(instruction.to)[lane] = old;
  }
}

template <bool isShared, typename T, T (*function)(T, T)> void decodeAtomic(Decoder &decoder) {
  const bool returns = decoder.statement->opcode.starts_with("atom");
  decoder.out.second = returns;
  if (returns)
    decoder.out.to = decoder.destination(0, widthOf<T>());
  decoder.address(decoder.operand(returns ? 1 : 0));
  decoder.out.from[1] = decoder.source(returns ? 2 : 1, widthOf<T>());
  decoder.out.run = atomic<isShared, T, function>;
}

template <bool isShared, typename T> void addAtomics(Table &table, const std::string &space, const std::string &type) {
  for (const char *name : {"atom", "red"})
    for (const char *scope : {"", ".gpu", ".relaxed.gpu", ".cta", ".relaxed.cta"}) {
      std::string prefix = std::string(name) + "." + space + scope + ".";
      if (std::string(scope).starts_with(".relaxed")) // atom.relaxed.gpu.global.add
        prefix = name + std::string(scope) + "." + space + ".";
      table[prefix + "add." + type] = decodeAtomic<isShared, T, &add<T>>;
      table[prefix + "min." + type] = decodeAtomic<isShared, T, &least<T>>;
      table[prefix + "max." + type] = decodeAtomic<isShared, T, &most<T>>;
      if constexpr (std::is_unsigned_v<T>) {
        const auto bits = "b" + type.substr(1);
        table[prefix + "exch." + bits] = decodeAtomic<isShared, T, &exchange<T>>;
        table[prefix + "and." + bits] = decodeAtomic<isShared, T, &bitAnd<T>>;
        table[prefix + "or." + bits] = decodeAtomic<isShared, T, &bitOr<T>>;
      }
    }
}

template <bool isShared> void addSpace(Table &table, const std::string &space) {
  addAtomics<isShared, uint32_t>(table, space, "u32");
  addAtomics<isShared, int32_t>(table, space, "s32");
  addAtomics<isShared, uint64_t>(table, space, "u64");
  addAtomics<isShared, float>(table, space, "f32");
  addAtomics<isShared, double>(table, space, "f64");
}

} // namespace

void addMemory(Table &table) {
  for (const char *how :
       {"global", "global.nc", "global.nc.L1::no_allocate", "shared", "shared::cta", "volatile.global",
        "volatile.shared", "acquire.gpu.global", "release.gpu.global", "relaxed.gpu.global"})
    for (const char *vector : {"", ".v2", ".v4"})
      for (const char *kind : {"b", "u", "s", "f"})
        for (const char *bits : {"8", "16", "32", "64"}) {
          auto rest = std::string(how) + vector + "." + kind + bits;
          table["ld." + rest] = [](Decoder &decoder) { decodeAccess(decoder, false); };
          table["st." + rest] = [](Decoder &decoder) { decodeAccess(decoder, true); };
        }
  addSpace<false>(table, "global");
  addSpace<true>(table, "shared");
}

} // namespace caa::ptx
