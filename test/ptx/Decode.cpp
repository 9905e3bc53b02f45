#include "test/ptx/Decode.h"

#include <algorithm>

namespace caa::ptx {
namespace {

const Table &table() {
  static const Table made = [] {
    Table table;
    addIntegers(table);
    addFloats(table);
    addConversions(table);
    addMoves(table);
    addMemory(table);
    addControl(table);
    addMatrices(table);
    addCopies(table);
    addBarriers(table);
    addWarpgroups(table);
    return table;
  }();
  return made;
}

} // namespace

void Decoder::fail(const std::string &what) const {
  throw Fault("line " + std::to_string(statement->line) + ": `" + statement->opcode + "`: " + what);
}

int32_t Decoder::room(Width width) {
  kernel.constantWords += width == Width::Double ? 64 : 32;
  return -int32_t(kernel.constantWords);
}

int32_t Decoder::constant(uint64_t bits, Width width) {
  if (width == Width::Predicate)
    return bits ? 1 : 0;
  if (width == Width::Half)
    bits &= 0xffff;
  if (width != Width::Double)
    bits &= 0xffffffffu;
  for (const Constant &one : constants_)
    if (one.bits == bits && (one.width == Width::Double) == (width == Width::Double))
      return one.place;
  constants_.push_back({room(width), bits, width});
  return constants_.back().place;
}

int32_t Decoder::source(const Operand &operand, Width width) {
  switch (operand.kind) {
  case Operand::Kind::Register:
    if (operand.width != width)
      fail("an operand of another width");
    return operand.place;
  case Operand::Kind::Immediate:
    return constant(operand.bits, width);
  case Operand::Kind::Symbol: {
    const std::pair<const char *, int32_t> specials[] = {
        {"%tid.x", kernel.tidPlace},   {"%laneid", kernel.laneIdPlace},   {"%ctaid.x", kernel.ctaidPlace},
        {"%ntid.x", kernel.ntidPlace}, {"%nctaid.x", kernel.nctaidPlace}, {"%tid.y", kernel.zeroPlace},
        {"%tid.z", kernel.zeroPlace},  {"%ctaid.y", kernel.zeroPlace},    {"%ctaid.z", kernel.zeroPlace}};
    for (auto [name, place] : specials)
      if (operand.name == name) {
        if (width != Width::Word)
          fail("a special register of another width");
        return place;
      }
    bool isParameter = false;
    uint64_t value = symbol(operand.name, isParameter);
    if (!isParameter)
      return constant(value, width);
    if (width != Width::Double)
      fail("an address of another width");
    for (auto [place, offset] : kernel.parameterAddresses)
      if (offset == value)
        return place;
    kernel.parameterAddresses.emplace_back(room(Width::Double), uint32_t(value));
    return kernel.parameterAddresses.back().first;
  }
  default:
    fail("an operand that is not emulated");
  }
}

uint64_t Decoder::symbol(const std::string &name, bool &isParameter) const {
  for (const Parameter &parameter : kernel.parameters)
    if (parameter.name == name) {
      isParameter = true;
      return parameter.offset;
    }
  if (name == kernel.name + "_shared") // the dynamic one; it begins the block's shared memory
    return sharedBase;
  fail("`" + name + "` is neither a parameter nor the kernel's shared memory");
}

int32_t Decoder::destination(const Operand &operand, Width width) {
  if (operand.kind == Operand::Kind::Sink) {
    if (!hasSinks_)
      for (Width one : {Width::Half, Width::Word, Width::Double})
        sinks_[int(one)] = room(one);
    hasSinks_ = true;
    if (width == Width::Predicate)
      fail("a predicate that nobody reads");
    return sinks_[int(width)];
  }
  if (operand.kind != Operand::Kind::Register || operand.width != width)
    fail("a result of another width");
  return operand.place;
}

uint32_t Decoder::list(const std::vector<int32_t> &places) {
  auto begin = uint32_t(kernel.lists.size());
  kernel.lists.insert(kernel.lists.end(), places.begin(), places.end());
  return begin;
}

void Decoder::address(const Operand &operand, int slot) {
  if (operand.kind != Operand::Kind::Address)
    fail("an address expected");
  if (operand.isSymbolic) {
    bool isParameter = false;
    out.from[slot] = constant(symbol(operand.name, isParameter), Width::Double);
    if (isParameter)
      fail("an address of a parameter");
    out.flags |= 1u << slot;
  } else {
    out.from[slot] = operand.place;
    if (operand.width == Width::Double)
      out.flags |= 1u << slot;
    else if (operand.width != Width::Word)
      fail("an address of another width");
  }
  if (operand.offset && slot)
    fail("an offset that is not emulated");
  if (operand.offset)
    out.offset = operand.offset;
}

int64_t Decoder::immediate(size_t index) const {
  if (operand(index).kind != Operand::Kind::Immediate)
    fail("a constant expected");
  return int64_t(operand(index).bits);
}

void Decoder::decode(const Statement &given) {
  statement = &given;
  out = {};
  out.predicate = given.predicate;
  out.isNegated = given.isNegated;
  out.line = given.line;
  auto found = table().find(given.opcode);
  if (found == table().end())
    fail("is not emulated");
  found->second(*this);
  kernel.code.push_back(out);
}

void Decoder::finish() {
  kernel.constants.assign(kernel.constantWords, 0);
  for (const Constant &one : constants_) {
    auto *words = &kernel.constants[size_t(int32_t(kernel.constantWords) + one.place)];
    for (int lane = 0; lane < 32; ++lane)
      if (one.width == Width::Double) {
        words[2 * lane] = uint32_t(one.bits);
        words[2 * lane + 1] = uint32_t(one.bits >> 32);
      } else {
        words[lane] = uint32_t(one.bits);
      }
  }
}

Module::Module(std::string text) : text_(std::move(text)) {}

const Kernel &Module::kernel(const std::string &name) {
  auto &made = kernels_[name];
  if (made)
    return *made;
  KernelText text = readKernel(text_, name);
  auto kernel = std::make_unique<Kernel>();
  kernel->name = name;
  kernel->parameters = text.parameters;
  if (!text.parameters.empty())
    kernel->parameterBytes = text.parameters.back().offset + text.parameters.back().size;
  kernel->registerWords = text.registerWords;
  kernel->predicates = text.predicates;
  kernel->mostThreads = text.mostThreads;
  for (int32_t *place : {&kernel->laneIdPlace, &kernel->tidPlace, &kernel->ctaidPlace, &kernel->ntidPlace,
                         &kernel->nctaidPlace, &kernel->zeroPlace}) {
    kernel->constantWords += 32;
    *place = -int32_t(kernel->constantWords);
  }
  Decoder decoder(*kernel, text);
  for (const Statement &statement : text.statements)
    decoder.decode(statement);
  decoder.finish();
  made = std::move(kernel);
  return *made;
}

std::string Module::line(uint32_t number) const {
  size_t at = 0;
  for (uint32_t i = 1; i < number && at != std::string::npos; ++i)
    at = text_.find('\n', at) + 1;
  size_t begin = text_.find_first_not_of(" \t", at);
  auto text = text_.substr(begin, text_.find('\n', begin) - begin);
  return std::to_string(number) + ": " + (text.size() > 160 ? text.substr(0, 160) + "..." : text);
}

} // namespace caa::ptx
