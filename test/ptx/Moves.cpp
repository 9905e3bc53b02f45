// mov, cvta, and loads of parameters.
#include "test/ptx/Elementwise.h"

namespace caa::ptx {
namespace {

Width widthNamed(const std::string &opcode) {
  return opcode.ends_with("pred") ? Width::Predicate
         : opcode.ends_with("16") ? Width::Half
         : opcode.ends_with("64") ? Width::Double
                                  : Width::Word;
}

template <typename T> T same(T value) { return value; }

/// Two halves of a register: `D` is one of `list`, `S` the whole.
template <typename D, typename S> void unpack(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  using Slot = std::conditional_t<sizeof(D) == 2, uint32_t, D>;
  S values[32];
  std::memcpy(values, warp.lanes<S>(instruction.from[0]), sizeof values);
  for (uint32_t part = 0; part < instruction.count; ++part) {
    Slot parts[32];
    for (int lane = 0; lane < 32; ++lane)
      parts[lane] = D(values[lane] >> (8 * sizeof(D) * part));
    put(warp.lanes<Slot>(warp.block->kernel.lists[instruction.list + part]), parts, lanes);
  }
}

template <typename D, typename S> void pack(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  D values[32] = {};
  for (uint32_t part = 0; part < instruction.count; ++part) {
    Source<S> source(warp, warp.block->kernel.lists[instruction.list + part]);
    for (int lane = 0; lane < 32; ++lane)
      values[lane] |= D(source[lane]) << (8 * sizeof(S) * part);
  }
  put(warp.lanes<D>(instruction.to), values, lanes);
}

void decodeMove(Decoder &decoder) {
  const Operand &to = decoder.operand(0), &from = decoder.operand(1);
  const Width width = widthNamed(decoder.statement->opcode);
  Instruction &out = decoder.out;
  const Operand *parts = to.kind == Operand::Kind::Vector ? &to : from.kind == Operand::Kind::Vector ? &from : nullptr;
  if (!parts) {
    switch (width) {
    case Width::Predicate:
      return Apply<&same<bool>>::decode(decoder);
    case Width::Double:
      return Apply<&same<uint64_t>>::decode(decoder);
    case Width::Half:
      return Apply<&same<uint16_t>>::decode(decoder);
    case Width::Word:
      return Apply<&same<uint32_t>>::decode(decoder);
    }
  }
  out.count = uint32_t(parts->elements.size());
  const Width half = width == Width::Double && out.count == 2 ? Width::Word : Width::Half;
  if (width == Width::Half || (width == Width::Word && out.count != 2) || out.count > 4)
    decoder.fail("another number of parts");
  std::vector<int32_t> places;
  for (const Operand &element : parts->elements)
    places.push_back(parts == &to ? decoder.destination(element, half) : decoder.source(element, half));
  out.list = decoder.list(places);
  if (parts == &to) {
    out.from[0] = decoder.source(from, width);
    out.run = width == Width::Word  ? unpack<uint16_t, uint32_t>
              : half == Width::Word ? unpack<uint32_t, uint64_t>
                                    : unpack<uint16_t, uint64_t>;
  } else {
    out.to = decoder.destination(to, width);
    out.run = width == Width::Word  ? pack<uint32_t, uint16_t>
              : half == Width::Word ? pack<uint64_t, uint32_t>
                                    : pack<uint64_t, uint16_t>;
  }
}

template <typename T> void loadParameter(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  T value, values[32];
  std::memcpy(&value, warp.block->launch.parameters.data() + instruction.offset, sizeof value);
  std::fill_n(values, 32, value);
  put(warp.lanes<T>(instruction.to), values, lanes);
}

void decodeLoadParameter(Decoder &decoder) {
  const Operand &from = decoder.operand(1);
  const Width width = widthNamed(decoder.statement->opcode);
  decoder.out.to = decoder.destination(0, width);
  decoder.out.run = width == Width::Double ? loadParameter<uint64_t> : loadParameter<uint32_t>;
  for (const Parameter &parameter : decoder.kernel.parameters)
    if (from.kind == Operand::Kind::Address && from.isSymbolic && parameter.name == from.name) {
      if (from.offset < 0 || from.offset + (width == Width::Double ? 8 : 4) > parameter.size)
        decoder.fail("beyond the parameter");
      decoder.out.offset = parameter.offset + from.offset;
      return;
    }
  decoder.fail("no such parameter");
}

} // namespace

void addMoves(Table &table) {
  for (const char *type : {"b16", "u16", "s16", "b32", "u32", "s32", "f32", "b64", "u64", "s64", "f64", "pred"})
    table[std::string("mov.") + type] = decodeMove;
  for (const char *type : {"b32", "u32", "s32", "f32", "b64", "u64", "s64", "f64"})
    table[std::string("ld.param.") + type] = decodeLoadParameter;
  // Parameters and device memory have one address in all spaces.
  for (const char *space : {"param", "global", "to.global", "to.param"})
    table[std::string("cvta.") + space + ".u64"] = elementwise<&same<uint64_t>>();
}

} // namespace caa::ptx
